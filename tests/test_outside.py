"""Packages of others: a broken one is left out with one line that names it, and what fails in one is told by name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import forget_cards
from unimp_bench import registry
from unimp_bench.cli.main import main
from unimp_bench.contracts import ModelCard
from unimp_bench.errors import BenchError, DependencyError, ModelError, UsageError
from unimp_bench.guard import blamed, is_ours
from unimp_bench.kinds import kind_cards

_CARD = (
    "ModelCard(name={name!r}, factory={factory!r}, tasks={tasks!r}, reads=('order',), about={about!r}, source='', "
    "new_users=True, new_items=False)"
)

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes a package ``guest`` with one module and entry points; the registry looks for them again."""

    def install(
        code: str = "", group: str = "models", point: str = "guest_module:CARD", package: str = "guest"
    ) -> None:
        site = tmp_path / package
        info = site / f"{package}-0.1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text(f"[unimp_bench.{group}]\nx = {point}\n")
        (site / f"{point.partition(':')[0]}.py").write_text(code)
        monkeypatch.syspath_prepend(site)
        forget_cards()

    yield install
    forget_cards()
    for name in [name for name in sys.modules if name.startswith("guest")]:
        del sys.modules[name]


def _card(
    name: str = "guest-model", factory: str = "guest_module:Guest", about: str = "a guest", **changes: object
) -> str:
    tasks = changes.get("tasks", ("recommendation",))
    return "from unimp_bench.contracts import *\nCARD = " + _CARD.format(
        name=name, factory=factory, tasks=tasks, about=about
    )


def _warnings(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_a_card_of_another_package_is_listed(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(_card())
    assert isinstance(registry.model_cards()["guest-model"], ModelCard)
    assert _warnings(capsys) == []


BROKEN = {
    "raises": "raise RuntimeError('boom at import')",
    "ends the program": "import sys; sys.exit(0)",
    "needs what is not installed": "import not_installed_anywhere",
    "syntax": "def CARD(:",
    "no such name": "OTHER = 1",
    "no card": "class CARD: pass",
    "a card of another kind": "from tasks import CATALOGUE; CARD = CATALOGUE[0]",
    "our name": _card("sasrec"),
    "a path as name": _card("bad/../../name"),
    "a name of two lines": _card("two\nlines"),
    "no name": _card(""),
    "a number as name": _card().replace("'guest-model'", "7"),
    "a variant in its name": _card("guest:Model"),
    "an unknown task": _card(tasks=("recomendation",)),
    "no task": _card(tasks=()),
    "a text for tasks": _card(tasks="search"),
    "a list for tasks": _card(tasks=["search"]),
    "unknown input": _card().replace("'order'", "'vibes'"),
    "two lines about it": _card(about="one\ntwo"),
    "terminal codes about it": _card(about="\x1b[31mred"),
    "no factory": _card(factory="guest_module"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_is_left_out_with_one_line(
    name: str, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(BROKEN[name])
    cards = registry.model_cards()
    assert cards["sasrec"].factory.startswith("baselines.") and all(
        map(is_ours, (card.factory for card in cards.values()))
    )
    (line,) = _warnings(capsys)
    assert line.startswith("warning: package guest is left out: unimp_bench.models guest_module:CARD: ")


def test_a_module_that_is_gone_is_left_out(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(point="guest_gone.inner:CARD")
    assert "sasrec" in registry.model_cards()
    (line,) = _warnings(capsys)
    assert "package guest " in line and "guest_gone" in line


@pytest.mark.parametrize("content", [b"just words\n", b"x = \xff\xfe:CARD\n"])
def test_a_damaged_file_of_entry_points_hides_no_other(
    content: bytes, install: Install, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    install(_card())
    install(package="second", point="guest_second:CARD")
    (tmp_path / "second" / "second-0.1.dist-info" / "entry_points.txt").write_bytes(b"[unimp_bench.models]\n" + content)
    forget_cards()
    assert {"guest-model", "sasrec"} <= set(registry.model_cards())
    (line,) = _warnings(capsys)
    assert line.startswith("warning: package second is left out: its entry points: ")


def test_a_task_of_an_unknown_kind_is_left_out(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    card = "TaskCard(name='guest-task', factory='guest_module:Guest', kind='rankin', about='a task', table='')"
    install(f"from unimp_bench.contracts import *\nCARD = {card}", group="tasks")
    assert "guest-task" not in registry.task_cards()
    (line,) = _warnings(capsys)
    assert line.endswith("unimp_bench.tasks guest_module:CARD: kind: unknown kind 'rankin'")


@pytest.mark.parametrize("group", ["kinds", "tasks", "corpora"])
def test_a_broken_kind_task_or_corpus_is_left_out(
    group: str, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("raise RuntimeError('boom')", group=group)
    assert "ranking" in kind_cards() and "search" in registry.task_cards() and "sample" in registry.corpus_cards()
    (line,) = _warnings(capsys)
    assert line == (f"warning: package guest is left out: unimp_bench.{group} guest_module:CARD: RuntimeError: boom")


def test_of_two_packages_with_one_name_the_second_is_left_out(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(_card(), point="guest_second:CARD", package="second")
    install(_card(), point="guest_first:CARD", package="first")  # found before it on the path
    assert "guest-model" in registry.model_cards()
    (line,) = _warnings(capsys)
    assert line.startswith("warning: package second ") and "duplicate name 'guest-model'" in line


def test_commands_go_on_without_it(
    install: Install, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    install("raise RuntimeError('boom')")
    with pytest.raises(SystemExit) as caught:
        main(["list", "models"])
    said = capsys.readouterr()
    assert caught.value.code == 0 and "sasrec" in said.out and said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("", DependencyError, "guest_module:Guest cannot be used: AttributeError"),
        ("Guest = 3", DependencyError, "not a class derived from unimp_bench.contracts.Model"),
        ("class Guest(Model):\n Config = NoOptions", ModelError, "model 'guest-model' failed in its configuration"),
    ],
)
def test_an_invalid_model_class_is_one_line(code: str, error: type[BenchError], message: str, install: Install) -> None:
    install(f"{_card()}\n{code}")
    with pytest.raises(error, match=message):
        registry.make_model("guest-model")


def test_a_factory_that_is_gone_is_one_line(install: Install) -> None:
    install(_card(factory="guest_nowhere:Guest"))
    with pytest.raises(DependencyError, match=r"needs the package 'guest_nowhere', which is not installed$"):
        registry.make_model("guest-model")


class _Guest:
    """Its module is a test's, so it stands for the code of others."""


def test_errors_in_foreign_code_name_its_owner_and_line() -> None:
    with (
        pytest.raises(
            ModelError, match=r"^mine failed in score \(test_outside.py, line \d+\): ZeroDivisionError: "
        ) as caught,
        blamed(_Guest(), "mine", "score"),
    ):
        _ = 1 / 0
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_ending_the_program_is_an_error() -> None:
    with pytest.raises(ModelError, match="mine ended the program"), blamed(_Guest(), "mine", "score"):
        sys.exit(0)


def test_errors_of_the_project_and_a_full_disk_pass() -> None:
    for error in (UsageError("x"), OSError(28, "No space left on device"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, blamed(_Guest(), "mine", "fit"):
            raise error
        assert caught.value is error


def test_own_defects_keep_their_exception() -> None:
    ours = registry.make_model("popularity")
    with pytest.raises(ZeroDivisionError), blamed(ours, "popularity", "fit"):
        _ = 1 / 0


def test_a_file_that_ends_too_early_is_not_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(*_: object) -> None:
        raise EOFError("No data left in file")

    monkeypatch.setattr("unimp_bench.cli.list._tasks", ends)
    with pytest.raises(RuntimeError, match="a file ended too early"):
        main(["list", "tasks"])
