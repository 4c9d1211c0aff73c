"""Leaderboards: what is committed is what its results give; rows are ordered, compared and labelled rightly."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from unimp_bench import registry
from unimp_bench.errors import DataError, UsageError
from unimp_bench.leaderboard.reported import load_reported
from unimp_bench.leaderboard.store import load_results, publish
from unimp_bench.leaderboard.tables import sections
from unimp_bench.leaderboard.write import pages, write_all
from unimp_bench.metrics.ranking import RANK_METRICS
from unimp_bench.paths import Workspace
from unimp_bench.records import IntArray
from unimp_bench.results import CorpusFacts, Cost, Estimate, ModelFacts, Provenance, Result, pack_ranks
from unimp_bench.spec import FitSpec, RunSpec

COMMITTED = Path(__file__).resolve().parents[2] / "leaderboards"


def make_result(model: str, ranks: IntArray, *, seed: int = 0, reads: tuple[str, ...] = ("order",)) -> Result:
    """A result of a pretended run."""
    fit = FitSpec(tasks=(("search", 1),), model=model, config={}, fingerprint="f" * 64, seed=seed)
    return Result(
        spec=RunSpec(fit=fit, task="search", task_version=1, split="loo", protocol="paper"),
        corpus=CorpusFacts(name="toy", synthetic=True, users=9, items=9, interactions=9, pictures=0, catalogue=9),
        model=ModelFacts(name=model, preset="default", settings={}, about="", source="", reads=reads),
        metrics={
            metric.name: Estimate(value=float(metric.values(ranks).mean()), low=0.0, high=1.0)
            for metric in RANK_METRICS
        },
        examples=len(ranks),
        ranks=pack_ranks(ranks),
        remarks=(),
        cost=Cost(
            fit_seconds=1,
            predict_seconds=1,
            examples_per_second=1,
            peak_memory_mib=1,
            parameters_trained=0,
            parameters_total=0,
        ),
        provenance=Provenance(command="c", commit="abc", clean=True, versions={}, machine="m", time="t"),
    )


def place(folder: Path, result: Result) -> Path:
    """Publish a pretended result."""
    path = folder / "results" / result.spec.task / result.corpus.name / f"{result.spec.key}.json"
    result.write(path)
    return path


def test_committed_tables_are_what_their_results_give() -> None:
    for name, content in pages(COMMITTED).items():
        assert (COMMITTED / name).read_text(encoding="utf-8") == content, f"{name}: run 'unimp-bench leaderboard'"


def test_committed_metrics_follow_from_their_ranks() -> None:
    for result in load_results(COMMITTED):
        for name, estimate in result.metrics.items():
            values = result.example_values(name)
            if values is not None:
                rounding = 1e-12 if result.ranks else 1e-3 * max(1, np.abs(values).max())
                assert estimate.value == pytest.approx(values.mean(), abs=rounding), (name, result.spec.key)


def test_a_changed_cell_of_a_table_is_noticed(tmp_path: Path) -> None:
    place(tmp_path, make_result("a", np.array([1, 2, 300])))
    write_all(tmp_path)
    page = (tmp_path / "search.md").read_text()
    assert page == pages(tmp_path)["search.md"]
    assert page.replace("0.6667", "0.9667") != pages(tmp_path)["search.md"]


def test_rows_are_ordered_and_compared_and_ceilings_take_no_place(tmp_path: Path) -> None:
    ranks = np.random.default_rng(0).integers(1, 12, 400)
    place(tmp_path, make_result("middle", ranks))
    place(tmp_path, make_result("same", ranks[::-1].copy()))
    place(tmp_path, make_result("worst", np.full(400, 200)))
    place(tmp_path, make_result("knows", np.full(400, 1), reads=("truth",)))
    (section,) = sections(load_results(tmp_path), registry.task_cards()["search"])
    assert [(row.place, row.label) for row in section.rows] == [
        (None, "knows"),
        (1, "middle"),
        (2, "same"),
        (3, "worst"),
    ]
    p_values = [row.p_value for row in section.rows]
    assert p_values[:2] == [None, None]
    assert p_values[2] is not None and p_values[2] > 0.5
    assert p_values[3] is not None and p_values[3] < 1e-3


def test_seeds_of_one_configuration_make_one_row(tmp_path: Path) -> None:
    for seed in range(3):
        place(tmp_path, make_result("a", np.array([1, 1 + 10 * seed, 9]), seed=seed))
    (section,) = sections(load_results(tmp_path), registry.task_cards()["search"])
    (row,) = section.rows
    assert len(row.results) == 3
    assert row.metrics["HR@5"].value == pytest.approx((2 / 3 + 1 / 3 + 1 / 3) / 3)


def test_a_generated_corpus_is_never_shown_as_amazon(tmp_path: Path) -> None:
    place(tmp_path, make_result("a", np.array([1])))
    assert "say nothing about Amazon" in pages(tmp_path)["search.md"]


def test_a_result_that_is_damaged_or_misplaced_is_named(tmp_path: Path) -> None:
    path = place(tmp_path, make_result("a", np.array([1, 2])))
    moved = path.with_name("0" * 16 + ".json")
    shutil.move(path, moved)
    with pytest.raises(DataError, match="holds the run"):
        load_results(tmp_path)
    moved.write_text("{}")
    with pytest.raises(DataError, match="is no result"):
        load_results(tmp_path)


def test_ranks_that_do_not_fit_the_result_are_damage(tmp_path: Path) -> None:
    result = make_result("a", np.array([1, 2]))
    path = place(tmp_path, result.model_copy(update={"examples": 3}))
    with pytest.raises(DataError, match="the values of its 3 examples"):
        load_results(tmp_path)
    place(tmp_path, result.model_copy(update={"ranks": "no base64"}))
    with pytest.raises(DataError, match="damaged"):
        Result.read(path)


def test_a_result_cannot_leave_its_folder(tmp_path: Path) -> None:
    result = make_result("a", np.array([1]))
    corpus = result.corpus.model_copy(update={"name": "../../evil"})
    folder = tmp_path / "runs" / "k"
    result.model_copy(update={"corpus": corpus}).write(folder / "result.json")
    with pytest.raises(DataError, match="no plain name"):
        publish(Workspace(tmp_path), ["k"])


def test_only_finished_runs_are_published(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(UsageError, match="no finished run"):
        publish(workspace, None)
    with pytest.raises(UsageError, match="no finished run 'abc'"):
        publish(workspace, ["abc"])
    result = make_result("a", np.array([1]))
    result.write(workspace.runs / result.spec.key / "result.json")
    (path,) = publish(workspace, [result.spec.key]).written
    assert Result.read(path) == result


def test_reported_numbers_carry_their_source() -> None:
    tables = load_reported(COMMITTED)
    assert {table.task for table in tables} == {"recommendation", "search", "preference", "explanation", "selection"}
    for table in tables:
        assert table.source and table.protocol and table.rows


def test_ranks_survive_packing() -> None:
    ranks = np.array([1, 254, 255, 256, 100_000])
    assert make_result("a", ranks).target_ranks().tolist() == [1, 254, 255, 255, 255]
