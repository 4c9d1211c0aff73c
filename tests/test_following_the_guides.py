"""The pages add_*.md, followed word for word in a copy of the repository, where the checks still pass.

A block of code names its file in the first line and, for an existing file, the place of insertion in the second. A
block of Markdown names its file and the line above it.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GUIDES = [*sorted((ROOT / "docs").glob("add_*.md")), ROOT / "docs" / "suites.md"]
COPIED = ("unimp_bench", "tasks", "baselines", "data_prep", "benchmarks", "tests", "docs", "leaderboards")
UNCOPIED = shutil.ignore_patterns("__pycache__", "_build", "reference", "index.html")
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

CHECKS = [
    "tests/test_conformance.py::Test_recency",
    "tests/test_recency.py",
    "tests/baselines/test_recency.py",
    "tests/data_prep/test_plays.py",
    "tests/metrics/test_within.py",
    "tests/metrics/test_rating.py",
    "tests/reports/documentation",
    "tests/runs/suites/test_suites.py",
    "tests/test_registry.py",
    "tests/interchange/export/test_guide.py",
    "tests/interchange/external/test_submission.py::test_every_kind_reads_the_columns_that_it_writes",
    "tests/corpus/test_global_time.py::test_every_task_has_the_split_and_targets_no_known_item",
    "tests/cli/test_cli.py::test_help_and_lists",
]
SLOW_CHECKS = [
    "tests/test_conformance.py::Test_unimp::test_runs_every_task_it_serves",
    "tests/reports/test_committed.py::test_committed_tables_follow_from_their_results",
    "tests/reports/test_topics.py",
]


def follow(guide: Path, repository: Path) -> None:
    """Apply the blocks of a page."""
    for language, block in re.findall(r"```(python|markdown)\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL):
        first, _, rest = block.partition("\n")
        if language == "markdown":
            said = re.fullmatch(r'<!-- (\S+), below "(.+)" -->', first)
            assert said, f"{guide.name}: {first!r} does not say where the block belongs"
            insert_below(repository / said[1], said[2], rest)
            continue
        path = repository / first.removeprefix("# ")
        place = re.match(r"# in (.+):\n", rest)
        if place is None:
            assert not path.exists(), f"{guide.name} does not say where in {first} the block belongs"
            path.write_text(rest, encoding="utf-8")
        elif place[1] == "the imports":
            insert_import(path, rest[place.end() :])
        else:
            insert_element(path, place[1], rest[place.end() :])


def insert_below(path: Path, begin: str, text: str) -> None:
    """Insert text below the line with this beginning."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    (number,) = [number for number, line in enumerate(lines) if line.startswith(begin)]
    path.write_text("".join([*lines[: number + 1], text, *lines[number + 1 :]]), encoding="utf-8")


def insert_import(path: Path, statement: str) -> None:
    """Insert an import after the module's last one."""
    source = path.read_text(encoding="utf-8")
    last = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)][-1]
    lines = source.splitlines(keepends=True)
    path.write_text("".join([*lines[: last.end_lineno], statement, *lines[last.end_lineno :]]), encoding="utf-8")


def insert_element(path: Path, name: str, element: str) -> None:
    """Append an element to the collection of this name, or to the one returned by the function of this name.

    ``rows of TABLE`` is the collection ``rows`` of the class ``TABLE`` or of the value assigned to that name.
    """
    source = path.read_text(encoding="utf-8")
    tree: ast.AST = ast.parse(source)
    name, _, owner = name.partition(" of ")
    if owner:
        tree = next(node for node in ast.walk(tree) if _is_named(node, owner))
    collection = next(filter(None, (_collection(node, name) for node in ast.walk(tree))))
    assert collection.end_lineno is not None and collection.end_col_offset is not None
    lines = source.splitlines(keepends=True)
    last = lines[collection.end_lineno - 1].encode()
    before = "".join(lines[: collection.end_lineno - 1]) + last[: collection.end_col_offset - 1].decode()
    after = last[collection.end_col_offset - 1 :].decode() + "".join(lines[collection.end_lineno :])
    comma = "" if before.rstrip().endswith(",") else ","
    path.write_text(f"{before.rstrip()}{comma}\n{element.rstrip()},\n{after}", encoding="utf-8")


def _is_named(node: ast.AST, name: str) -> bool:
    """Whether a node is the class of a name or an assignment to it."""
    if isinstance(node, ast.ClassDef):
        return node.name == name
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name


def _collection(node: ast.AST, name: str) -> ast.expr | None:
    """The tuple, list or dictionary bound to a name by a node."""
    match node:
        case (
            ast.Assign(targets=[ast.Name(id=found)], value=value)
            | ast.AnnAssign(target=ast.Name(id=found), value=value)
        ):
            pass
        case ast.keyword(arg=found, value=value) | ast.FunctionDef(name=found, body=[*_, ast.Return(value=value)]):
            pass
        case _:
            return None
    return value if found == name and isinstance(value, ast.Tuple | ast.List | ast.Dict) else None


def call(repository: Path, *command: str | Path) -> str:
    """The output of a successful command in the copy."""
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": str(repository), "UNIMP_BENCH_HOME": str(repository)}
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]
    return done.stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository after following every page, formatting included."""
    repository = tmp_path_factory.mktemp("followed")
    for name in COPIED:
        shutil.copytree(
            ROOT / name, repository / name, ignore=shutil.ignore_patterns("__pycache__", "_build", "reference")
        )
    for path in ROOT.iterdir():
        if path.is_file() and path.name != ".git":
            shutil.copy(path, repository)
    for guide in GUIDES:
        follow(guide, repository)
    ruff = Path(sys.executable).with_name("ruff")
    call(repository, ruff, "check", "--fix", ".")
    call(repository, ruff, "format", ".")
    return repository


def test_checks_pass_after_following_every_page(followed: Path) -> None:
    found = call(followed, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "not slow", *CHECKS)
    assert "passed" in found


def test_additions_are_listed(followed: Path) -> None:
    for kind, name in (("models", "recency"), ("tasks", "brand-search"), ("corpora", "plays"), ("suites", "history")):
        assert f"\n{name} " in call(followed, sys.executable, "-m", "unimp_bench", "list", kind)


@pytest.mark.slow
def test_types_and_pages_agree_after_following_every_page(followed: Path) -> None:
    call(followed, sys.executable, "-m", "mypy", "--cache-dir", followed / ".mypy_cache")
    call(followed, sys.executable, "-m", "unimp_bench", "leaderboard")
    call(followed, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *SLOW_CHECKS)


def test_incomplete_pages_are_detected(tmp_path: Path) -> None:
    """An element without its place, and a block for an existing file."""
    guide = tmp_path / "guide.md"
    (tmp_path / "module.py").write_text("CARDS = (1,)\n")
    guide.write_text("```python\n# module.py\n2\n```\n")
    with pytest.raises(AssertionError, match=r"does not say where in # module\.py"):
        follow(guide, tmp_path)
    guide.write_text("```python\n# module.py\n# in CARDS:\n2\n```\n")
    follow(guide, tmp_path)
    assert eval((tmp_path / "module.py").read_text().removeprefix("CARDS = ")) == (1, 2)


@pytest.mark.parametrize(
    ("group", "kind", "card"),
    [
        ("corpora", "corpora", 'data_prep.CorpusCard("guest", "a corpus of a package", "guest:Source")'),
        (
            "models",
            "models",
            'unimp_bench.contracts.ModelCard("guest", "guest:Guest", ("search",), ("text",), "guest", "", True, True)',
        ),
    ],
)
def test_external_packages_are_found_by_entry_point(tmp_path: Path, group: str, kind: str, card: str) -> None:
    (tmp_path / "guest.py").write_text(f"import data_prep, unimp_bench.contracts\nCARD = {card}\n")
    about = tmp_path / "guest-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[unimp_bench.{group}]\nguest = guest:CARD\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "unimp_bench", "list", kind]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "\nguest " in found.stdout
