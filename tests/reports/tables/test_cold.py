"""Cold items in results, completed from stored lists, and on pages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_cli import call
from tests.reports.pretended import make_result, place
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import DataError
from unimp_bench.files import Workspace
from unimp_bench.interchange.completion import lacks_cold_items
from unimp_bench.kinds.cold import ColdRanks
from unimp_bench.metrics.lists import popularity_of
from unimp_bench.metrics.ranking import RankMetric
from unimp_bench.records import BoolArray, IntArray
from unimp_bench.reports.pages.write import pages
from unimp_bench.reports.rows.sections import Section, sections
from unimp_bench.reports.store import load_results
from unimp_bench.reports.tables.cold import cold_of
from unimp_bench.reports.tables.table import MIN_MEAN
from unimp_bench.runs.packed import ColdItems
from unimp_bench.runs.results import Result
from unimp_bench.runs.runner import RunRequest, run
from unimp_bench.runs.stored import find_run, stored_runs

pytestmark = pytest.mark.usefixtures("small")

N = 60
COLD = np.arange(N) % 3 == 0


def with_cold(result: Result, cold: BoolArray, above: IntArray | None, listed: float | None = 0.25) -> Result:
    return result.model_copy(update={"cold": ColdItems.of(ColdRanks(2, cold, above, listed))})


def section_of(folder: Path) -> Section:
    (section,) = sections(load_results(folder), registry.task_cards()["search"])
    return section


def test_means_are_those_of_plain_loops_over_seeds(tmp_path: Path) -> None:
    rng, values = np.random.default_rng(0), []
    for seed in range(2):
        ranks = rng.integers(1, 14, N)
        above = rng.integers(0, ranks)
        place(tmp_path, with_cold(make_result("reads", ranks, seed=seed), COLD, above))
        values.append((ranks, ranks - above))
    place(tmp_path, make_result("older", np.full(N, 2), reads=("order", "pictures", "text")))
    place(tmp_path, with_cold(make_result("short", np.full(N, 3)), COLD, None, None))
    found = cold_of(section_of(tmp_path))
    assert found is not None and (found.items, found.catalogue, found.warm, found.cold) == (2, 9, 40, 20)
    assert found.chance == pytest.approx(sum(1 / np.log2(place + 1) for place in range(1, 10)) / 9)
    rows = {row.label: row for row in found.rows}

    def mean(column: int, cold: bool) -> float:
        gains = [
            1 / np.log2(rank + 1) if rank <= 10 else 0.0
            for seed in values
            for rank, is_cold in zip(seed[column], COLD, strict=True)
            if is_cold == cold
        ]
        return float(np.mean(gains))

    reads = rows["reads"]
    assert reads.warm == pytest.approx(mean(0, cold=False)) and reads.warm_alone == pytest.approx(mean(1, cold=False))
    assert reads.cold == pytest.approx(mean(0, cold=True)) and reads.cold_alone == pytest.approx(mean(1, cold=True))
    assert reads.content == () and "| reads | none | 25.00% |" in pages(tmp_path)["search/toy_details.md"]
    assert reads.listed == 0.25 and reads.warm_alone > reads.warm
    at_two, at_three = RankMetric("NDCG", 10).values(np.array([2, 3]))
    assert (rows["older"].warm, rows["older"].cold, rows["older"].warm_alone) == (at_two, at_two, None)
    assert (rows["short"].cold, rows["short"].cold_alone, rows["short"].listed) == (at_three, None, None)
    page = pages(tmp_path)["search/toy_details.md"]
    assert "<details><summary>Cold items</summary>" in page and "among all 9 candidates" in page
    heads = "Content | Cold items listed | warm (40) | warm, no cold items | cold (20) | cold, no other cold items"
    assert f"| Model | {heads} |" in page
    assert f"| older | text, pictures | - | {at_two:.4f} | - | {at_two:.4f} | - |" in page


def test_few_cold_targets_have_no_mean_and_none_no_section(tmp_path: Path) -> None:
    few = np.arange(N) < MIN_MEAN - 1
    zeros = np.zeros(N, dtype=np.int64)
    place(tmp_path / "few", with_cold(make_result("reads", zeros + 1), few, zeros))
    found = cold_of(section_of(tmp_path / "few"))
    assert found is not None and found.rows[0].cold is None and found.rows[0].warm == 1
    assert "no mean over fewer than 20" in pages(tmp_path / "few")["search/toy_details.md"]
    place(tmp_path / "none", with_cold(make_result("reads", zeros + 1), few & False, zeros))
    place(tmp_path / "old", make_result("reads", zeros + 1))
    assert cold_of(section_of(tmp_path / "none")) is None is cold_of(section_of(tmp_path / "old"))
    assert "Cold items" not in pages(tmp_path / "old")["search/toy_details.md"]


@pytest.fixture
def home(tmp_path: Path, planted: Corpus, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with runs on the planted corpus: rankings, and one of another kind."""
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    workspace = Workspace(tmp_path)
    workspace.data.mkdir()
    corpus = workspace.data / planted.name
    corpus.symlink_to(planted.folder)
    run(RunRequest("recommendation", "itemknn", corpus, split="global-time", protocol="masked"), workspace)
    run(RunRequest("recommendation", "popularity", corpus, protocol="paper"), workspace)
    run(RunRequest("preference", "global-mean", corpus), workspace)
    return workspace


def test_results_are_completed_from_their_lists(
    home: Workspace, planted: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {each.key: each.result for each in stored_runs(home)}
    for each in stored_runs(home):
        result = made[each.key]
        assert result is not None and (result.cold is not None) == (result.spec.task == "recommendation")
        if result.cold is not None:
            cold, above = result.cold_targets(), result.cold_above()
            assert cold is not None and len(cold) == result.examples and above is not None
            unsold = popularity_of(planted, result.spec.split) == 0
            assert result.cold.items == unsold[catalogue(planted, result.spec.split)].sum()
        path = each.folder / "result.json"
        kept = json.loads(path.read_text())
        del kept["cold"]
        path.write_text(json.dumps(kept))
    assert sum(lacks_cold_items(each) for each in stored_runs(home)) == 2
    code, output, _ = call(capsys, "runs", "complete")
    assert code == 0 and "completed 2 of 3 runs" in output
    assert {each.key: each.result for each in stored_runs(home)} == made
    code, output, _ = call(capsys, "runs", "complete")
    assert code == 0 and "completed 0 of 3 runs" in output


def test_lists_of_other_ranks_complete_nothing(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    found = next(each for each in stored_runs(home) if each.spec.protocol == "masked")
    path = found.folder / "result.json"
    kept = json.loads(path.read_text())
    del kept["cold"]
    other = make_result("any", np.ones(kept["examples"], dtype=np.int64)).ranks
    path.write_text(json.dumps({**kept, "ranks": other}))
    code, output, error = call(capsys, "runs", "complete", found.key)
    assert code == 1 and "has other ranks than result.json" in error and "completed 0 of 1" in output
    assert find_run(home, found.key).result == Result.read(path) and Result.read(path).cold is None


def test_damaged_cold_items_are_refused(tmp_path: Path) -> None:
    zeros = np.zeros(N, dtype=np.int64)
    result = make_result("reads", zeros + 1)
    path = place(tmp_path, with_cold(result, COLD[:-1], zeros))
    with pytest.raises(DataError, match="lacks the cold items"):
        Result.read(path)
    place(tmp_path, with_cold(result, COLD, None))
    assert Result.read(path).cold_above() is None
