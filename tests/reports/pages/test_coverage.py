"""The campaign and the page of what has no result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.reports.pretended import make_result, place
from unimp_bench import registry
from unimp_bench.reports.pages.brief import boards_of
from unimp_bench.reports.pages.coverage import Cell, campaign_cells, coverage_markdown, seconds_left
from unimp_bench.reports.pages.write import boards
from unimp_bench.reports.store import Contents
from unimp_bench.runs.campaign import CAMPAIGN, Block
from unimp_bench.runs.suites import SUITES

SEARCHED = Block("Who finds?", "search", ("toy", "none"), ("Popularity", "BM25", "HEM"))


@pytest.mark.parametrize("block", CAMPAIGN, ids=lambda block: f"{block.suite}-{block.corpora[0]}")
def test_blocks_name_rows_and_tasks_that_exist(block: Block) -> None:
    labels = {row.label for row in SUITES[block.suite].rows}
    assert set(block.rows) <= labels, set(block.rows) - labels
    assert len(set(block.rows)) == len(block.rows), "a row twice"
    assert set(block.tasks) <= registry.task_cards().keys()
    assert block.wanted


def test_no_cell_is_planned_twice() -> None:
    cells = [
        (block.suite, task, corpus, row.label)
        for block in CAMPAIGN
        for corpus in block.corpora
        for task in block.asked
        for row in block.wanted
    ]
    assert len(set(cells)) == len(cells)


def test_cells_count_with_all_their_seeds(tmp_path: Path) -> None:
    ranks = np.array([1, 2, 300])
    place(tmp_path, make_result("bm25", ranks))
    for seed in range(2):
        place(tmp_path, make_result("hem", ranks, seed=seed))
    published = Contents.published(tmp_path)
    tasks, topics = boards(published)
    shown = [board for page in tasks for board in boards_of(page)]
    assert campaign_cells(SEARCHED, shown, topics) == [
        Cell("Popularity", "search", "toy", 0, enough=False),
        Cell("BM25", "search", "toy", 1, enough=True),
        Cell("HEM", "search", "toy", 2, enough=False),
        *(Cell(label, "search", "none", 0, enough=False) for label in SEARCHED.rows),
    ]
    page = coverage_markdown(shown, topics, published.results, [SEARCHED])
    assert "1 of 6 planned cells (row, task and corpus) have all their seeds, 1 have some, 4 are open" in page
    assert 'unimp-bench suite search --corpus toy --seeds 3 --unpublished --row "Popularity" --row "HEM"\n' in page
    assert "* no result yet: UniMP; Popularity" in page


def test_rows_of_another_split_count_without_the_compared_model(tmp_path: Path) -> None:
    """A suite's page has no table of a corpus without a row of UniMP."""
    ranks = np.array([1, 2, 300])
    place(tmp_path, make_result("ease", ranks, task="recommendation", split="global-time", protocol="masked"))
    place(tmp_path, make_result("itemknn", ranks, task="recommendation", protocol="masked"))
    tasks, topics = boards(Contents.published(tmp_path))
    shown = [board for page in tasks for board in boards_of(page)]
    block = Block("By the clock?", "global_time", ("toy",), ("ItemKNN", "EASE"))
    found = {cell.label: cell.enough for cell in campaign_cells(block, shown, topics)}
    assert found == {"ItemKNN": False, "EASE": True}


def test_unimp_counts_under_any_preset(tmp_path: Path) -> None:
    for seed in range(3):
        place(tmp_path, make_result("unimp", np.array([1, 2, 300]), preset="long", seed=seed))
    tasks, topics = boards(Contents.published(tmp_path))
    shown = [board for page in tasks for board in boards_of(page)]
    block = Block("UniMP?", "search", ("toy",), ("UniMP",))
    assert campaign_cells(block, shown, topics) == [Cell("UniMP", "search", "toy", 3, enough=True)]


def test_models_of_another_task_are_no_cells() -> None:
    """A suite of encoders compares models of several tasks."""
    block = Block("Which encoders?", "encoders", ("toy",), ("VBPR", "Dense retrieval", "SANCL"), ("recommendation",))
    assert [cell.label for cell in campaign_cells(block, [], [])] == ["VBPR"]


def test_the_time_of_missing_runs(tmp_path: Path) -> None:
    """Of the missing seeds alone, from the result with the same settings, in proportion to interactions."""
    ranks = np.array([1, 2, 300])
    hem = make_result("hem", ranks)
    assert hem.cost is not None
    hem = hem.model_copy(update={"cost": hem.cost.model_copy(update={"fit_seconds": 3600.0, "predict_seconds": 0.0})})
    large = hem.corpus.model_copy(update={"name": "large", "interactions": 10 * hem.corpus.interactions})
    results = [hem, make_result("bm25", ranks).model_copy(update={"corpus": large})]
    block = Block("Who finds?", "search", ("toy", "large", "none"), ("BM25", "HEM", "ZAM"), seeds=3)
    cells = [Cell("HEM", "search", "toy", 1, enough=False), Cell("HEM", "search", "large", 0, enough=False)]
    assert seconds_left([(block, cells)], results)[0] == pytest.approx([2 * 3600, 3 * 36000])
    unknown = [Cell("ZAM", "search", "toy", 0, enough=False), Cell("HEM", "search", "none", 0, enough=False)]
    assert seconds_left([(block, unknown)], results) == [[None, None]], "never run; of a corpus of unknown size"

    for seed in range(2):
        place(tmp_path, make_result("hem", ranks, seed=seed))
    published = Contents.published(tmp_path)
    tasks, topics = boards(published)
    shown = [board for page in tasks for board in boards_of(page)]
    page = coverage_markdown(shown, topics, [hem], [block])
    assert "| Who finds? | search | toy, large, none | 9 | 0 | 1 | 8 | ≥ 1.0 |" in page
    assert "roughly ≥ 1.0 core hours" in page and "Not counted (≥): 8 cells" in page


def test_cells_of_one_fit_count_its_time_once() -> None:
    """Views at test leave the fit as it is, those of the fit do not; a table of the same rows has the same fits."""
    made = make_result("unisrec", np.array([1, 2, 300]), task="recommendation", protocol="masked")
    assert made.cost is not None
    cost = made.cost.model_copy(update={"fit_seconds": 3600.0, "predict_seconds": 60.0})
    labels = ("UniSRec", "UniSRec, all texts missing at test", "UniSRec, texts exchanged")
    blocks = [Block("", "robustness", ("toy",), labels), Block("", "recommendation", ("toy",), labels[:1])]
    cells = [[Cell(label, "recommendation", "toy", 0, enough=False) for label in block.rows] for block in blocks]
    left = seconds_left(list(zip(blocks, cells, strict=True)), [made.model_copy(update={"cost": cost})])
    assert left == [pytest.approx([3 * 3660, 3 * 60, 3 * 3660]), pytest.approx([3 * 60])]


def test_rows_with_the_features_of_the_block_count(tmp_path: Path) -> None:
    given = {"features.text": "minilm", "features.pictures": "none"}
    for model, settings in (("freedom", given), ("bm3", {"features.text": "lsa"})):
        for seed in range(3):
            made = make_result(
                model, np.array([1, 2, 300]), task="recommendation", protocol="masked", settings=settings, seed=seed
            )
            place(tmp_path, made)
    tasks, topics = boards(Contents.published(tmp_path))
    shown = [board for page in tasks for board in boards_of(page)]
    features = (("text", "minilm"), ("pictures", "none"))
    block = Block("With features?", "recommendation", ("toy",), ("FREEDOM", "BM3"), features=features)
    assert {cell.label: cell.seeds for cell in campaign_cells(block, shown, topics)} == {"FREEDOM": 3, "BM3": 0}
