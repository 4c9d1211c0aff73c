"""Scored files give the result of the run that wrote them, and are marked in leaderboards."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest

from tests.interchange.external.files import write_jsonl
from unimp_bench import registry
from unimp_bench.cli.main import main
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace
from unimp_bench.generative.picture_tokens.tokenizer import PRESETS
from unimp_bench.interchange.submission import REMARK, Submission, score
from unimp_bench.reports.pages.write import pages
from unimp_bench.reports.store import publish
from unimp_bench.reports.tables.table import DEGENERATE as MARK
from unimp_bench.runs.results import Result
from unimp_bench.runs.runner import RunRequest, run

RUNS: list[tuple[str, str, dict[str, Any]]] = [
    ("recommendation", "transition-graph", {}),
    ("recommendation", "transition-graph", {"protocol": "masked", "views": ("NT",)}),
    ("search", "bm25", {"split": "new-domain"}),
    ("preference", "bias", {}),
    ("explanation", "typical-sentence", {}),
    ("selection", "popular-candidates", {"options": {"negatives": "same-category"}}),
    ("image_generation", "retrieved-picture", {}),
]


def submission_of(request: RunRequest, predictions: Path, system: str = "mine") -> Submission:
    return Submission(
        task=request.task,
        corpus=request.corpus,
        predictions=predictions,
        system=system,
        split=request.split,
        protocol=request.protocol,
        options=request.options,
        views=request.views,
    )


def check_identity(request: RunRequest, workspace: Workspace) -> None:
    """Run, score the run's predictions unchanged and as JSONL, and compare all computed values."""
    ran, _ = run(request, workspace)
    written = workspace.runs / ran.spec.key / "predictions.parquet"
    rows = pq.read_table(written).to_pylist()
    lines = write_jsonl(workspace.root / "predictions.jsonl", rows)
    for path in (written, lines):
        found = score(submission_of(request, path), workspace)
        folder = workspace.runs / found.spec.key
        assert Result.read(folder / "result.json") == found
        for field in ("metrics", "ranks", "values", "missing", "examples", "corpus"):
            assert getattr(found, field) == getattr(ran, field), field
        assert pq.read_table(folder / "predictions.parquet").to_pylist() == rows
        assert found.spec.options == ran.spec.options and found.corpus_id == ran.corpus_id
        assert found.spec.fit.config == {"predictions_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.mark.parametrize(("task", "model", "changes"), RUNS, ids=[f"{t}-{m}-{c}" for t, m, c in RUNS])
def test_scoring_a_run_gives_its_result(
    planted: Corpus,
    reviewed: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    model: str,
    changes: dict[str, Any],
) -> None:
    monkeypatch.setitem(PRESETS, "tiny", replace(PRESETS["tiny"], steps=2))
    corpus = reviewed if task == "explanation" else planted
    check_identity(RunRequest(task=task, model=model, corpus=corpus.folder, **changes), Workspace(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("recommendation", "transition-graph"),
        ("search", "bm25"),
        ("preference", "bias"),
        ("explanation", "typical-sentence"),
        ("selection", "popular-candidates"),
        ("image_generation", "category-picture"),
    ],
)
def test_scoring_a_run_on_the_sample_gives_its_result(sample: Corpus, tmp_path: Path, task: str, model: str) -> None:
    check_identity(RunRequest(task=task, model=model, corpus=sample.folder), Workspace(tmp_path))


@pytest.fixture
def ratings(planted: Corpus, tmp_path: Path) -> Callable[[str, float], Path]:
    """``ratings(name, rating)`` writes a file with the same rating for all examples."""
    workspace = Workspace(tmp_path / "made")
    ran, _ = run(RunRequest(task="preference", model="global-mean", corpus=planted.folder), workspace)
    ids = pq.read_table(workspace.runs / ran.spec.key / "predictions.parquet").column("id").to_pylist()

    def written(name: str, rating: float) -> Path:
        return write_jsonl(tmp_path / name, [{"id": each, "rating": rating} for each in ids])

    return written


def test_each_file_has_a_separate_row(planted: Corpus, tmp_path: Path, ratings: Callable[[str, float], Path]) -> None:
    workspace = Workspace(tmp_path)
    request = RunRequest(task="preference", model="item-mean", corpus=planted.folder)
    keys = [run(request, workspace)[0].spec.key]
    labels = []
    for name, rating in (("a.jsonl", 3.0), ("b.jsonl", 4.0)):
        result = score(submission_of(request, ratings(name, rating)), workspace)
        keys.append(result.spec.key)
        labels.append(f"external:mine (file={hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()[:8]})")
        assert result.cost is None and result.remarks == (REMARK,)
        assert str(tmp_path) not in result.model_dump_json()
    publish(workspace, keys, dirty=True)
    page = pages(workspace.leaderboards)[f"preference/{planted.name}_details.md"].splitlines()
    for label in labels:
        (row,) = [line for line in page if f"| {label} {MARK} |" in line]
        assert row.endswith("|  |  |  |  |")
        assert f"* {label}: {REMARK}" in page or f"* {label} {MARK}: {REMARK}" in page
    assert any("| Item mean |" in line and " s |" in line for line in page)
    assert any(
        line.startswith("unimp-bench score --task preference") and "--predictions a.jsonl" in line for line in page
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"system": ""}, "invalid name"),
        ({"system": "../up"}, "invalid name"),
        ({"system": "a|b"}, "invalid name"),
        ({"system": "a" * 41}, "invalid name"),
        ({"about": "two\nlines"}, "about takes one line"),
        ({"source": "a" * 201}, "source takes one line"),
        ({"reads": ("order", "txt")}, "did you mean 'text'"),
        ({"split": "new-user", "task": "preference", "options": {"a": 1}}, "unknown setting of preference"),
        ({"task": "preference", "protocol": "masked"}, "ranks no catalogue"),
        ({"task": "preferense"}, "did you mean 'preference'"),
        ({"views": ("NX",)}, "unknown view 'NX'"),
    ],
)
def test_invalid_submissions_are_refused(planted: Corpus, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = {"task": "search", "corpus": planted.folder, "predictions": Path("p"), "system": "mine"}
    with pytest.raises(UsageError, match=message):
        score(Submission(**{**fields, **change}), Workspace(tmp_path))
    assert not list(tmp_path.rglob("*.json"))


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    output = capsys.readouterr()
    return int(str(caught.value.code)), output.out, output.err


def test_the_command_scores_or_fails_in_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    planted: Corpus,
    tmp_path: Path,
    ratings: Callable[[str, float], Path],
) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path / "home"))
    path = ratings("mine.jsonl", 4.0)
    line = [
        "score",
        "--task",
        "preference",
        "--corpus",
        str(planted.folder),
        "--name",
        "mine",
        "--predictions",
        str(path),
    ]
    code, out, err = call(capsys, *line, "--about", "always four", "--reads", "ratings, text", "--source", "none")
    assert (code, err) == (0, "")
    assert "external:mine on preference, corpus planted" in out and "MAE" in out and REMARK in out
    (found,) = (tmp_path / "home" / "runs").glob("*/result.json")
    result = Result.read(found)
    assert result.model.reads == ("ratings", "text") and result.model.about == "always four"
    assert result.provenance.command == (
        "unimp-bench score --task preference --corpus planted --predictions mine.jsonl --name mine --split loo "
        "--protocol paper --about 'always four' --source none --reads ratings,text"
    )
    assert call(capsys, "publish", found.parent.name, "--dirty")[0] == 0
    path.write_bytes(path.read_bytes().replace(b"4.0", b"null", 1))
    assert "Unparsable  0.0069" in call(capsys, *line)[1]
    path.write_bytes(path.read_bytes() + b"{}\n")
    code, out, err = call(capsys, *line)
    assert (code, out) == (3, "") and err.startswith("error: mine.jsonl, line 145: missing column id")
    assert err.count("\n") == 1
    assert call(capsys, *line, "--reads", "txt")[0] == 2
    path.unlink()
    assert call(capsys, *line)[0] == 3


def test_ranks_and_items_alone_give_the_metrics_of_a_run_without_ties(planted: Corpus, tmp_path: Path) -> None:
    """Ranks alone give the run's result; lists alone are taken as strict, so only ties can improve them."""
    workspace = Workspace(tmp_path)
    request = RunRequest(task="recommendation", model="transition-graph", corpus=planted.folder)
    ran, _ = run(request, workspace)
    rows = pq.read_table(workspace.runs / ran.spec.key / "predictions.parquet").to_pylist()
    ranks = write_jsonl(tmp_path / "ranks", [{"id": row["id"], "rank": row["rank"]} for row in rows])
    ranked = score(submission_of(request, ranks), workspace)
    of_lists = ranked.missing.keys() & ran.metrics.keys()
    assert ranked.metrics == {name: value for name, value in ran.metrics.items() if name not in of_lists}
    assert ranked.metrics.keys() >= {"HR@10", "NDCG@10", "MRR@10"}
    lists = write_jsonl(tmp_path / "lists", [{"id": row["id"], "items": row["items"]} for row in rows])
    places = [row["items"].index(row["target"]) + 1 if row["target"] in row["items"] else 48 for row in rows]
    assert score(submission_of(request, lists), workspace).target_ranks().tolist() == places
    assert np.mean([place == row["rank"] for place, row in zip(places, rows, strict=True) if place < 48]) > 0.5


def test_every_kind_reads_the_columns_that_it_writes(planted: Corpus) -> None:
    docs = (Path(__file__).resolve().parents[3] / "docs" / "external.md").read_text(encoding="utf-8")
    for card in registry.task_cards().values():
        assert f"| {card.name} |" in docs
    examples = [line for line in docs.splitlines() if line.startswith('{"id"')]
    assert {key for line in examples for key in orjson.loads(line)} == {
        "id", "items", "scores", "rank", "rating", "text", "chosen", "codes",
    }  # fmt: skip
