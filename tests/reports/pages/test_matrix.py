"""The matrix of systems by tasks and corpora, and comparisons of any two rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel

from unimp_bench.reports.pages.matrix import domain_of, matrix_of, model_of
from unimp_bench.reports.pages.write import boards as pages_in
from unimp_bench.reports.store import Contents
from unimp_bench.reports.tables.pairs import compared_metric, pairs_of

pytestmark = pytest.mark.usefixtures("small")


def test_a_cell_is_the_place_in_the_main_table_of_a_task_and_corpus(boards: Path) -> None:
    matrix = matrix_of(pages_in(Contents.published(boards))[0])
    heads = [(head.table.task, head.table.corpus, head.table.split, head.table.protocol) for head in matrix.heads]
    assert heads == [
        ("recommendation", "toy", "loo", "masked"),
        ("search", "other", "loo", "masked"),
        ("search", "toy", "loo", "masked"),
    ]
    assert matrix.groups == [("recommendation", 1), ("search", 2)]
    places = {name: [None if row is None else row.place for row in cells] for name, cells in matrix.lines}
    assert places["best"] == [None, None, 1]
    assert places["middle"] == [None, None, 2]
    assert places["BM25"] == [None, 1, None]
    assert "oracle" not in places, "an upper bound has no place"
    assert {model_of(row) for name, cells in matrix.lines if name == "BM25" for row in cells if row} == {"bm25"}
    tasks = [
        next(head.table.task for head, row in zip(matrix.heads, cells, strict=True) if row) for _, cells in matrix.lines
    ]
    assert tasks == sorted(tasks, key=["recommendation", "search"].index), "systems of a task together"
    assert {domain: list(tasks) for domain, tasks in matrix.domains.items()} == {
        "toy": ["recommendation", "search"],
        "other": ["search"],
    }


@pytest.mark.parametrize(
    ("corpus", "domain"),
    [("beauty", "beauty"), ("beauty-s3rec", "beauty"), ("gift_cards+NT", "gift cards"), ("sports-s3rec+ST", "sports")],
)
def test_builds_and_views_of_a_corpus_are_of_one_domain(corpus: str, domain: str) -> None:
    assert domain_of(corpus) == domain


def test_all_pairs_of_rows_are_compared_by_the_values_of_the_table(boards: Path) -> None:
    contents = Contents.published(boards)
    table = pages_in(contents)[0][1].tables[1]
    results = {result.spec.key: result for result in contents.results}
    pairs = {(pair.first, pair.second): pair for pair in pairs_of(table, results)}
    count = len(table.filled)
    assert set(pairs) == {(one, other) for other in range(count) for one in range(other)}
    labels = [row.label for row in table.filled]

    def values(label: str) -> np.ndarray:
        details = table.filled[labels.index(label)].details
        assert details is not None and len(details.runs) == 1
        found = results[details.runs[0].key].example_values(compared_metric(table))
        assert found is not None
        return found

    pair, best, worse = pairs[labels.index("best"), labels.index("worse")], values("best"), values("worse")
    test = ttest_rel(best, worse)
    assert (pair.difference, pair.p_value) == pytest.approx((best.mean() - worse.mean(), test.pvalue))
    assert (pair.low, pair.high) == pytest.approx(tuple(test.confidence_interval()))
    assert (pair.higher, pair.lower) == ((best > worse).sum(), (best < worse).sum())


def test_rows_without_values_of_all_examples_have_no_pairs(boards: Path) -> None:
    contents = Contents.published(boards)
    table = pages_in(contents)[0][1].tables[1]
    results = {
        result.spec.key: result.model_copy(update={"missing": {compared_metric(table): "lost"}})
        if result.model.name == "worse"
        else result
        for result in contents.results
    }
    lost = [row.label for row in table.filled].index("worse")
    found = pairs_of(table, results)
    assert found and all(lost not in (pair.first, pair.second) for pair in found)
