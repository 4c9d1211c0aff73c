"""Reproduction of published rows: equal numbers, and one-line errors for differences from the record."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reports.pretended import make_result, place
from unimp_bench.cli.main import main
from unimp_bench.corpus import Corpus
from unimp_bench.files import Workspace
from unimp_bench.kinds.ranking import RankingKind
from unimp_bench.records import Protocol
from unimp_bench.reports.store import publish
from unimp_bench.runs.reproduction import ReproductionSpace, request_of
from unimp_bench.runs.results import Result
from unimp_bench.runs.runner import RunRequest, planned, run

SETTINGS = {"epochs": "2"}


@pytest.fixture
def home(tmp_path: Path, planted: Corpus, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with only the planted corpus, under its name."""
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    workspace = Workspace(tmp_path)
    workspace.data.mkdir()
    (workspace.data / planted.name).symlink_to(planted.folder)
    return workspace


@pytest.fixture
def published(home: Workspace, planted: Corpus) -> Callable[..., Result]:
    """Run and publish one row, and remove the run from ``runs/``."""

    def make(model: str, **changes: Any) -> Result:
        task = changes.pop("task", "recommendation")
        result, _ = run(RunRequest(task, model, home.data / planted.name, **changes), home)
        publish(home, [result.spec.key], dirty=True)
        shutil.rmtree(home.runs)
        return result

    return make


def path_of(home: Workspace, result: Result) -> Path:
    """The published file of a result."""
    return next((home.leaderboards / "results").rglob(f"{result.spec.key}.json"))


def edit(home: Workspace, result: Result, change: Callable[[dict[str, Any]], None]) -> str:
    """Edit a published result; return its new key."""
    path = path_of(home, result)
    record = json.loads(path.read_text())
    change(record)
    path.unlink()
    edited = Result.model_validate(record)
    return place(home.leaderboards, edited).stem


def reproduce(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    with pytest.raises(SystemExit) as caught:
        main(["reproduce", *arguments])
    output = capsys.readouterr()
    return int(str(caught.value.code)), output.out, output.err


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("popularity", {"task": "search", "protocol": "masked", "views": ("NT:0.4:7", "NV")}),
        ("popularity", {"views": ("NV:1e-05", "NT:0.00001:7")}),
        ("transition-graph", {"split": "new-user", "settings": {"decay": "0.5"}}),
        ("sasrec", {"seed": 3, "settings": SETTINGS}),
    ],
)
def test_a_row_is_reproduced_with_identical_ranks(
    capsys: pytest.CaptureFixture[str],
    home: Workspace,
    published: Callable[..., Result],
    model: str,
    changes: dict[str, Any],
) -> None:
    result = published(model, **changes)
    code, out, err = reproduce(capsys, result.spec.key[:6])
    assert code == 0, err
    assert f"identical target ranks (ranks beyond 255 as one): {result.examples} of {result.examples}" in out
    assert out.splitlines()[-1].startswith("reproduced: all 6 metrics")
    assert [path.name for path in home.runs.iterdir()] == ["reproductions"]
    new = Result.read(next((home.runs / "reproductions" / result.spec.key).glob("*/result.json")))
    assert new.spec == result.spec


def test_stages_of_fits_are_reproduced_from_the_record(home: Workspace, planted: Corpus) -> None:
    request = RunRequest(
        "search",
        "unimp",
        home.data / planted.name,
        after=(("recommendation", "search"), ("recommendation",)),
        settings={"epochs": "1"},
        tune={"learning_rate": "0.5"},
    )
    spec = planned(request, home).spec
    result = make_result("unimp", np.array([1]), corpus=planted.name).model_copy(update={"spec": spec})
    assert planned(request_of(result, request.corpus, home), home).spec == spec


def test_earlier_runs_are_neither_read_nor_changed(
    capsys: pytest.CaptureFixture[str], home: Workspace, planted: Corpus
) -> None:
    result, _ = run(RunRequest("recommendation", "popularity", home.data / planted.name), home)
    publish(home, [result.spec.key], dirty=True)
    own = home.runs / result.spec.key / "result.json"
    fit = home.fits / result.spec.fit.key
    own.write_text("not read")
    for path in (fit / "model").iterdir():
        path.write_text("not read")
    before = {path: path.read_bytes() for path in home.runs.rglob("*") if path.is_file()}
    assert reproduce(capsys, result.spec.key)[0] == 0
    assert {path: path.read_bytes() for path in before} == before


def test_a_finished_reproduction_starts_over(
    capsys: pytest.CaptureFixture[str], home: Workspace, published: Callable[..., Result]
) -> None:
    result = published("popularity")
    reproduce(capsys, result.spec.key)
    space = ReproductionSpace(home.root, result.spec.key)
    (found,) = space.runs.glob("*/result.json")
    (fit,) = space.fits.glob("*/fit.json")
    found.write_text("stale")
    first = fit.stat().st_mtime_ns
    assert reproduce(capsys, result.spec.key)[0] == 0
    assert fit.stat().st_mtime_ns > first


def test_an_interrupted_reproduction_resumes_from_its_checkpoints(
    capsys: pytest.CaptureFixture[str],
    home: Workspace,
    published: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = published("sasrec", settings={"epochs": "4", "validate_every": "1"})
    validation = RankingKind.validation
    validated: list[int] = []

    def interrupted(self: RankingKind, *arguments: Any) -> dict[Protocol, float]:
        validated.append(len(validated))
        if len(validated) == 3:
            raise KeyboardInterrupt
        return validation(self, *arguments)

    monkeypatch.setattr(RankingKind, "validation", interrupted)
    assert reproduce(capsys, result.spec.key)[0] == 130
    code, out, err = reproduce(capsys, result.spec.key)
    assert code == 0, err
    assert len(validated) == 5, "two epochs before the interrupt, the third twice, the fourth"
    assert f"identical target ranks (ranks beyond 255 as one): {result.examples} of {result.examples}" in out


@pytest.mark.parametrize("with_interval", [False, True])
def test_an_edited_value_is_not_reproduced(
    capsys: pytest.CaptureFixture[str], home: Workspace, published: Callable[..., Result], with_interval: bool
) -> None:
    def change(record: dict[str, Any]) -> None:
        estimate = record["metrics"]["NDCG@5"]
        for name in ("value", "low", "high") if with_interval else ("value",):
            estimate[name] += 0.2

    key = edit(home, published("popularity"), change)
    code, out, err = reproduce(capsys, key)
    assert code == 1
    assert err == "error: not reproduced: NDCG@5 outside the published 95% interval\n"
    inside = {line.split()[0]: line.split()[-1] for line in out.splitlines() if "@" in line}
    assert inside.pop("NDCG@5") == "no" and list(inside.values()) == ["yes"] * 5


def _fingerprint(record: dict[str, Any]) -> None:
    record["spec"]["fit"]["fingerprint"] = "0" * 64
    record["corpus"]["users"] = 1_234


def _version(record: dict[str, Any]) -> None:
    record["spec"]["task_version"] = 99


def _lost_field(record: dict[str, Any]) -> None:
    record["spec"]["fit"]["config"]["momentum"] = 0.9


def _from_a_file(record: dict[str, Any]) -> None:
    record["cost"] = None


def _other_corpus(record: dict[str, Any]) -> None:
    record["corpus"]["name"] = "elsewhere"


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (
            _fingerprint,
            3,
            r"fingerprint is [0-9a-f]{12}, not 000000000000 \(240 users instead of 1,234\); docs/data.md",
        ),
        (_version, 2, r"a result of an earlier version \(version 99 of the task, now \d+\); use commit"),
        (_lost_field, 2, "unknown setting of popularity 'momentum'"),
        (_from_a_file, 2, "was scored from a prediction file"),
        (_other_corpus, 2, "unknown corpus 'elsewhere'"),
    ],
)
def test_irreproducible_results_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str],
    home: Workspace,
    published: Callable[..., Result],
    change: Callable[[dict[str, Any]], None],
    code: int,
    message: str,
) -> None:
    key = edit(home, published("popularity"), change)
    found, out, err = reproduce(capsys, key)
    assert (found, out) == (code, "")
    assert err.count("\n") == 1
    assert_matches(message, err)
    assert not home.runs.exists()


def assert_matches(pattern: str, text: str) -> None:
    """Like ``pytest.raises(match=...)``, of a line."""
    assert re.search(pattern, text), text


def test_a_new_field_has_its_default(home: Workspace, published: Callable[..., Result]) -> None:
    result = published("sasrec", settings={"epochs": "1"})
    config = {key: value for key, value in result.spec.fit.config.items() if key != "dropout"}
    spec = result.spec.model_copy(update={"fit": result.spec.fit.model_copy(update={"config": config})})
    request = request_of(result.model_copy(update={"spec": spec}), home.data / "planted", home)
    assert request.settings["dropout"] == result.spec.fit.config["dropout"]


def test_rows_are_named_by_key_prefix_or_file(capsys: pytest.CaptureFixture[str], home: Workspace) -> None:
    result = make_result("popularity", np.array([1]))
    path = place(home.leaderboards, result)
    key = result.spec.key
    assert_matches("6 to 16 hexadecimal digits", reproduce(capsys, key[:5])[2])
    assert_matches("6 to 16 hexadecimal digits", reproduce(capsys, "../../../etc")[2])
    other = "ffffff" if not key.startswith("ffffff") else "000000"
    assert_matches(f"begins with {other}", reproduce(capsys, other)[2])
    for row in (key, key[:6], str(path)):
        assert_matches("unknown corpus 'toy'", reproduce(capsys, row)[2])
    twin = path.with_name(f"{key[:8]}00000000.json")
    shutil.copy(path, twin)
    assert_matches(f"2 published results have a key that begins with {key[:6]}", reproduce(capsys, key[:6])[2])
    code, _, err = reproduce(capsys, str(twin))
    assert code == 3 and "changed after publication" in err
    code, _, err = reproduce(capsys, str(path.with_name("nothing.json")))
    assert code == 3 and err.count("\n") == 1


def test_a_corpus_with_another_name_is_accepted(
    capsys: pytest.CaptureFixture[str], home: Workspace, published: Callable[..., Result]
) -> None:
    result = published("popularity")
    (home.data / "planted").rename(home.data / "mine")
    assert reproduce(capsys, result.spec.key)[0] == 2
    assert reproduce(capsys, result.spec.key, "--corpus", "mine")[0] == 0
    assert reproduce(capsys, result.spec.key, "--corpus", str(home.data / "mine"))[0] == 0
