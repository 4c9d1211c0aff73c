"""A kind of task in a package of its own, one file and one card, runs, scores, publishes and shows in a table."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.conftest import forget_cards
from tests.reports.pretended import small_tables
from unimp_bench import registry
from unimp_bench.cli.main import main
from unimp_bench.corpus import Corpus
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.kinds import Setting, kind_cards, kind_of, metric_cards
from unimp_bench.testing.conformance import ModelConformance
from unimp_bench.testing.planted import write_planted_corpus

PACKAGE = Path(__file__).with_name("sixth_kind")
GUIDE = PACKAGE.parents[2] / "docs" / "add_kind.md"


@pytest.fixture(scope="module", autouse=True)
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package as installers leave it: its module on the path, its entry points as its pyproject.toml has them."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = tmp_path_factory.mktemp("site") / "return_time-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {place}" for name, place in points.items())])
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(info.parent)
        patch.syspath_prepend(PACKAGE)
        forget_cards()
        yield
    forget_cards()
    sys.modules.pop("return_time", None)


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Calls ``unimp-bench`` in a workspace with the planted corpus; gives what it prints."""
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write_planted_corpus(tmp_path / "data" / "planted")

    def call(*arguments: str) -> str:
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        said = capsys.readouterr()
        assert caught.value.code == 0, said.err
        return said.out

    return call


def test_runs_scores_publishes_and_shows_in_a_table(call: Any, tmp_path: Path) -> None:
    assert "return_time" in call("list", "tasks") and "usual-gap" in call("list", "models")
    question = ("--task", "return_time", "--corpus", "planted")
    call("run", *question, "--model", "usual-gap")
    (folder,) = [path.parent for path in (tmp_path / "runs").glob("*/result.json")]
    rows = pq.read_table(folder / "predictions.parquet").to_pylist()
    result = json.loads((folder / "result.json").read_text())
    assert result["metrics"]["Days off"]["value"] == np.mean([abs(row["days"] - row["truth"]) for row in rows])

    answers = [json.dumps({"id": row["id"], "days": 3}) for row in rows]
    (tmp_path / "answers.jsonl").write_text("\n".join(answers))
    call("score", *question, "--predictions", "answers.jsonl", "--name", "always-three")

    call("publish", "--all", "--dirty")
    assert len(list((tmp_path / "leaderboards" / "results" / "return_time").glob("*/*.json"))) == 2
    table = call("leaderboard", "return_time")
    assert "Days off" in table and "usual-gap" in table and "always-three" in table
    with small_tables():  # the planted corpus has fewer examples than an order needs
        table = call("leaderboard", "return_time")
    assert table.index("usual-gap") < table.index("always-three")
    page = (tmp_path / "leaderboards" / "return_time" / "planted.md").read_text(encoding="utf-8")
    assert "Days off" in page and "usual-gap" in page and "test users" in page


def test_exports_and_describes(call: Any, tmp_path: Path) -> None:
    call("export", "--task", "return_time", "--corpus", "planted", "--out", "exported")
    (part,) = (tmp_path / "exported" / "planted" / "return_time" / "data").glob("loo-test-*.parquet")
    assert set(pq.read_table(part)["target"].to_pylist()) == {"1"}  # planted users buy once a day
    shown = call("describe", "task", "return_time", "--corpus", "planted", "--example", "0")
    assert "In how many days" in shown


def test_the_documentation_has_its_metric() -> None:
    assert metric_cards()[-1].definition == "return_time:days_off"


class TestUsualGap(ModelConformance):
    """Its model passes the test of every model."""

    model = "usual-gap"
    alike = ("return_time",)


def test_predictions_that_break_its_contract_are_an_error(planted: Corpus, tmp_path: Path) -> None:
    kind, task = kind_of("days"), registry.make_task("return_time")
    examples = task.examples(planted, "loo", "test")
    setting = Setting(task, planted, "paper", tmp_path, "mine")
    for wrong in (np.full(len(examples), -1.0), np.zeros(3), [0.0] * len(examples)):
        with pytest.raises(ModelError, match="mine gave n"):
            kind.checked(wrong, examples, "mine")
    with pytest.raises(UsageError, match="mine cannot serve return_time, which requires a Forecaster"):
        kind.predict(registry.make_model("popularity"), examples, setting)


def test_the_guide_includes_what_the_package_has() -> None:
    included = GUIDE.read_text(encoding="utf-8")
    assert "tests/kinds/sixth_kind/return_time.py" in included and "tests/kinds/sixth_kind/pyproject.toml" in included


def test_it_is_a_sixth() -> None:
    assert list(kind_cards()) == ["ranking", "rating", "text", "selection", "picture", "days"]
