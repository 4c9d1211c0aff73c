"""Public splits: the split that commands evaluate, and what a corpus may lack: validation examples, known users."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tests.corpora import finish
from unimp_bench.cli.run import command
from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.corpus.splits import catalogue, default_split, target_examples, users_of
from unimp_bench.errors import DataError, ModelError, UsageError
from unimp_bench.files import Workspace
from unimp_bench.interchange.dataset import ExportRequest, export_datasets
from unimp_bench.kinds import Setting, kind_of
from unimp_bench.records import DRAWN_SPLITS, Histories, learned_from
from unimp_bench.registry import make_model, make_task
from unimp_bench.reports.audit.corpus.measure import audit_corpus
from unimp_bench.runs.fitting import validation_scores
from unimp_bench.runs.packed import pack_counts
from unimp_bench.runs.plan import Budget, cells
from unimp_bench.runs.results import Result
from unimp_bench.runs.runner import RunRequest, run
from unimp_bench.runs.spec import FitSpec
from unimp_bench.runs.suites import SUITES
from unimp_bench.runs.tuning import Question, search, space_of

TRAIN, VALIDATION, TEST = 0, 1, 2
WHOLE = [TRAIN] * 4 + [VALIDATION, TEST]
ITEMS = 12


def write(folder: Path, parts: list[list[int]]) -> Corpus:
    """Users u0, u1... of six interactions each with twelve items, the part of each as given."""
    users = len(parts)
    rng = np.random.default_rng(0)
    items = np.concatenate([rng.permutation(ITEMS)[:6] for _ in range(users)])
    items[:ITEMS] = np.arange(ITEMS)  # of the first two users, so that the catalogue has all
    histories = Histories(
        offsets=np.arange(users + 1) * 6,
        items=items.astype(np.int32),
        ratings=rng.integers(1, 6, users * 6).astype(np.float32),
        times=np.arange(users * 6),
    )
    with CorpusWriter(folder) as writer:
        writer.users([f"u{user}" for user in range(users)], ["shop"] * users, np.zeros(users, dtype=np.bool_))
        names = [f"i{item}" for item in range(ITEMS)]
        writer.items(names, ["shop"] * ITEMS, {"title": pa.array([f"Strap {name}" for name in names])})
        writer.histories(histories)
        writer.parts(np.concatenate(parts).astype(np.uint8))
        finish(writer, ("shop",))
    return Corpus.open(folder)


def ask(corpus: Corpus, home: Path, task: str, model: str, **settings: Any) -> Any:
    return run(RunRequest(task, model, corpus.folder, split="public", settings=settings), Workspace(home))[0]


@pytest.fixture
def whole(tmp_path: Path) -> Corpus:
    """A corpus whose public split has all parts."""
    return write(tmp_path / "data" / "whole", [WHOLE] * 8)


def test_a_public_split_is_the_only_one(whole: Corpus, planted: Corpus, tmp_path: Path) -> None:
    assert (default_split(whole), default_split(planted)) == ("public", "loo")
    for split in DRAWN_SPLITS:
        with pytest.raises(UsageError, match=f"has a public split and no split {split}; use --split public$"):
            target_examples(whole, split, "test", "t")
        with pytest.raises(UsageError, match="; use --split public"):
            run(RunRequest("recommendation", "popularity", whole.folder, split=split), Workspace(tmp_path))
    with pytest.raises(UsageError, match="has no public split; use --split loo, new-user, new-domain, global-time"):
        target_examples(planted, "public", "test", "t")
    assert users_of(whole, "public").all() and len(catalogue(whole, "public")) == ITEMS
    test = target_examples(whole, "public", "test", "t")
    assert test.split == "public" and len(test) == 8
    assert learned_from("public") == "public"


def test_commands_evaluate_the_public_split_where_there_is_one(
    whole: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--task", "recommendation", "--model", "popularity", "--corpus", "whole"]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "corpus whole, split public, protocol masked" in done.output
    (result,) = map(Result.read, tmp_path.glob("runs/*/result.json"))
    assert (result.spec.split, result.spec.fit.split) == ("public", "public")
    assert "--split public" in result.provenance.command


def test_suites_and_searches_use_the_public_split(whole: Corpus, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    found = cells(SUITES["recommendation"], whole.folder, ("recommendation",), 1, Budget(), workspace)
    assert {cell.request.split for cell in found} == {"public"} and any(cell.key for cell in found)
    by_time = [suite for suite in SUITES.values() if suite.split == "global-time"]
    for suite in by_time:
        found = cells(suite, whole.folder, ("recommendation",), 1, Budget(), workspace)
        assert {cell.request.split for cell in found} == {"global-time"}
        assert all("use --split public" in cell.refused for cell in found)
    space = space_of("transition-graph", {}, {})
    question = Question("recommendation", "transition-graph", whole.folder, 0, {})
    assert len(search(question, space, 2, workspace, lambda count, trial: None)) == 2
    specs = [FitSpec.model_validate_json(path.read_bytes()) for path in workspace.fits.glob("*/spec.json")]
    assert {spec.split for spec in specs} == {"public"}


def test_an_export_has_the_public_split(whole: Corpus, tmp_path: Path) -> None:
    request = ExportRequest(("recommendation",), whole.folder, tmp_path / "out")
    (outcome,) = export_datasets(request, Workspace(tmp_path))
    assert outcome.export is not None and outcome.export.skipped == {}
    assert sorted(outcome.export.parts) == ["public_test", "public_train", "public_validation"]


def test_an_audit_has_the_public_split(whole: Corpus) -> None:
    audit = audit_corpus(whole)
    assert {each.split for each in audit.splits} == {each.split for each in audit.sets} == {"public"}


@pytest.fixture
def unvalidated(tmp_path: Path) -> Corpus:
    """A corpus whose split has no validation part."""
    return write(tmp_path / "unvalidated", [[TRAIN] * 4 + [TEST] * 2] * 8)


@pytest.fixture
def cold(tmp_path: Path) -> Corpus:
    """All interactions of u3 are in the test part."""
    return write(tmp_path / "cold", [WHOLE if user != 3 else [TEST] * 6 for user in range(8)])


@pytest.mark.parametrize(
    ("task", "model", "settings"),
    [
        ("recommendation", "sasrec", {"epochs": 1}),
        ("recommendation", "mf", {"epochs": 1}),
        ("preference", "sancl", {"epochs": 1}),
        ("preference", "item-mean", {}),
        ("preference", "bias", {}),
        ("preference", "rating-mf", {}),
    ],
)
def test_a_model_with_selection_requires_a_validation_part(
    unvalidated: Corpus, tmp_path: Path, task: str, model: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match=f"no validation examples of {task} .* mark rows"):
        ask(unvalidated, tmp_path, task, model, **settings)
    assert not list(tmp_path.glob("runs/fits/*/model*"))


@pytest.mark.parametrize(("task", "model"), [("recommendation", "popularity"), ("preference", "global-mean")])
def test_a_model_without_selection_needs_no_validation_part(
    unvalidated: Corpus, tmp_path: Path, task: str, model: str
) -> None:
    assert ask(unvalidated, tmp_path, task, model).examples == 16


def test_tuning_requires_validation_examples(unvalidated: Corpus, tmp_path: Path) -> None:
    question = Question("recommendation", "transition-graph", unvalidated.folder, 0, {})
    space = space_of("transition-graph", {}, {})
    with pytest.raises(UsageError, match="corpus 'unvalidated' has no validation examples of recommendation"):
        search(question, space, 2, Workspace(tmp_path), lambda count, trial: pytest.fail("it was tried"))
    assert not list(tmp_path.glob("runs/fits/*"))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([TRAIN] * 5 + [VALIDATION], "no test examples of recommendation .* nothing to score"),
        ([VALIDATION] * 3 + [TEST] * 3, "no training examples of recommendation .* nothing to train on"),
    ],
)
def test_other_empty_parts_are_refused(tmp_path: Path, parts: list[int], message: str) -> None:
    corpus = write(tmp_path / "lacking", [parts] * 4)
    with pytest.raises(UsageError, match=message):
        ask(corpus, tmp_path, "recommendation", "popularity")
    assert not list(tmp_path.glob("runs/fits/*/model*"))


@pytest.mark.parametrize("protocol", ["paper", "masked"])
def test_unscorable_users_count_as_misses(cold: Corpus, tmp_path: Path, protocol: Any) -> None:
    request = RunRequest(
        task="recommendation",
        model="mf",
        corpus=cold.folder,
        split="public",
        protocol=protocol,
        settings={"epochs": 1},
    )
    workspace = Workspace(tmp_path)
    result, _ = run(request, workspace)
    rows = pq.read_table(workspace.runs / result.spec.key / "predictions.parquet").to_pylist()
    missed = [row for row in rows if "/u3/" in row["id"]]
    assert result.examples == len(rows) == 7 + 6 and len(missed) == 6
    assert all(row["rank"] == ITEMS and row["items"] == [] for row in missed)
    assert all(len(row["items"]) > 0 for row in rows if "/u3/" not in row["id"])
    found: dict[str, list[bool]] = {}
    for row in rows:
        found.setdefault(row["id"].split("/")[3], []).append(row["rank"] <= 10)
    recalls = [np.mean(hits) for hits in found.values()]
    assert result.metrics["Recall@10"].value == pytest.approx(np.mean(recalls)), "per user"
    assert result.example_values("Recall@10") == pytest.approx(recalls) and result.example_values("HR@10") is None
    counts = result.target_counts()
    assert counts is not None and counts.tolist() == [len(hits) for hits in found.values()] and counts.max() == 6
    assert not result.metrics.keys() & {"HR@10", "MRR@10"} and result.estimates() == result.metrics
    path = workspace.runs / result.spec.key / "result.json"
    assert Result.read(path) == result
    result.model_copy(update={"targets": pack_counts(counts[:-1])}).write(path)
    with pytest.raises(DataError, match="lacks the targets of its users"):
        Result.read(path)
    remark = "6 of 13 test examples are of users without a training interaction, which mf cannot score (1: u3)"
    assert f"{remark}: they count as misses" in result.remarks


def test_models_of_new_users_score_them(cold: Corpus, tmp_path: Path) -> None:
    result = ask(cold, tmp_path, "recommendation", "popularity")
    assert result.examples == 13 and not any("cannot score" in remark for remark in result.remarks)


def test_kinds_without_misses_refuse_unscorable_users_before_the_fit(cold: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"which mrg cannot score \(1: u3\); use a model that scores new users"):
        ask(cold, tmp_path, "preference", "mrg")
    assert not list(tmp_path.glob("runs/fits/*"))


def test_a_model_without_any_known_user_is_refused(tmp_path: Path) -> None:
    corpus = write(tmp_path / "strangers", [[TRAIN] * 4 + [VALIDATION] * 2] * 4 + [[TEST] * 6] * 4)
    with pytest.raises(UsageError, match=r"24 of 24 test .* cannot score \(4: u4, u5, u6, ...\); use a model"):
        ask(corpus, tmp_path, "recommendation", "mf", epochs=1)


def test_a_non_finite_validation_score_is_an_error(
    cold: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task("recommendation")
    monkeypatch.setattr(type(kind_of(task.kind)), "validation", lambda *_: {"paper": 0.5, "masked": float("nan")})
    setting = Setting(task, cold, "paper", tmp_path, "mine")
    with pytest.raises(ModelError, match="mine: the validation scores of recommendation are not all finite"):
        validation_scores(make_model("popularity"), task.examples(cold, "public", "validation"), setting)
