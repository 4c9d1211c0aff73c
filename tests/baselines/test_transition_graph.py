"""The transition graph against its formula written as loops, and against numbers measured on real data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data_prep.build import build_corpus
from unimp_bench import registry
from unimp_bench.contracts import Ranker
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.metrics.ranking import rank_metric_means

Fit = Callable[..., Ranker[Any]]


def _by_loops(corpus: Corpus, history: list[int], window: int, reverse: float) -> dict[int, float]:
    train = registry.make_task("recommendation").examples(corpus, "loo", "train").histories
    weights: dict[tuple[int, int], float] = defaultdict(float)
    for user in range(train.users):
        items = train.items[train.offsets[user] : train.offsets[user + 1]].tolist()
        for first in range(len(items)):
            for second in range(first + 1, min(first + window + 1, len(items))):
                weights[items[first], items[second]] += 1 / (second - first)
                weights[items[second], items[first]] += reverse / (second - first)
    indegrees: dict[int, float] = defaultdict(float)
    for (_, item), weight in weights.items():
        indegrees[item] += weight
    scores: dict[int, float] = defaultdict(float)
    for age, source in enumerate(history[::-1][:5]):
        for (before, after), weight in weights.items():
            if before == source:
                scores[after] += 0.7**age * weight / indegrees[after] ** 0.3
    return scores


@pytest.mark.parametrize(("window", "reverse"), [(3, 0.5), (1, 0.0)])
def test_scores_follow_the_formula(fit: Fit, planted: Corpus, window: int, reverse: float) -> None:
    model = fit("transition-graph", planted, "recommendation", window=window, reverse=reverse)
    test = registry.make_task("recommendation").examples(planted, "loo", "test").hidden().select(slice(0, 4))
    items = catalogue(planted, "loo")
    scores = model.score(test, items)
    for row in range(len(test)):
        expected = _by_loops(planted, test.history(row).tolist(), window, reverse)
        assert max(expected.values()) > 0.1
        assert scores[row] == pytest.approx([expected[item] for item in items.tolist()], abs=1e-7)


# Item 5 has a transition from item 0; 2, 3 and 4 have none and differ from item 0 in brand, in category, in both.
HISTORIES = [[0, 5, 6, 7], [6, 0, 1, 7], [1, 1, 1, 1]]
ATTRIBUTES = {
    "brand": pa.array(["x", "x", "y", "x", "y", "z", None, "w"]),
    "category": pa.array([["A", "B"], ["A", "C"], ["A", "B"], ["A", "C"], ["A", "C"], ["A"], ["A"], ["A"]]),
}


@pytest.fixture
def small(make_corpus: Callable[..., Corpus]) -> Corpus:
    return make_corpus(HISTORIES, ATTRIBUTES)


def test_similarity_breaks_ties_only(fit: Fit, small: Corpus) -> None:
    model = fit("transition-graph", small, "recommendation", recent=1)
    test = registry.make_task("recommendation").examples(small, "loo", "validation").hidden()
    scores = model.score(test, np.arange(8))
    assert test.history(1).tolist() == [6, 0]
    after_zero = scores[1]
    assert after_zero[5] > 0.1
    assert after_zero[2] > after_zero[4] and after_zero[3] > after_zero[4]
    assert after_zero[[2, 3, 4]].max() < 1e-8


def test_items_of_the_queried_category_come_first(fit: Fit, small: Corpus) -> None:
    model = fit("transition-graph", small, "search", recent=1)
    test = registry.make_task("search").examples(small, "loo", "validation").hidden()
    test = replace(test, queries=np.zeros_like(test.queries), query_texts=("A > C",)).select(slice(1, 2))
    scores = model.score(test, np.arange(8))[0]
    assert set(np.argsort(-scores)[:3].tolist()) == {1, 3, 4}
    assert np.argsort(-scores)[3] == 5  # by its transition


def test_runs_on_a_corpus_without_attributes(fit: Fit, make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(HISTORIES, {"title": pa.array(["t"] * 8)})
    test = registry.make_task("recommendation").examples(corpus, "loo", "test").hidden()
    assert np.isfinite(fit("transition-graph", corpus, "recommendation").score(test, np.arange(8))).all()


@pytest.mark.parametrize("task", ["recommendation", "search"])
def test_loads_what_it_saved(fit: Fit, reload: Callable[..., Ranker[Any]], planted: Corpus, task: str) -> None:
    test = registry.make_task(task).examples(planted, "loo", "test").hidden()
    model = fit("transition-graph", planted, task)
    items = np.arange(48)
    assert np.array_equal(reload(model, planted).score(test, items), model.score(test, items))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("beauty", {"paper": (0.0517, 0.0367), "masked": (0.0586, 0.0427)}),
        ("sports", {"paper": (0.0317, 0.0227), "masked": (0.0344, 0.0248)}),
    ],
)
@pytest.mark.slow
def test_figures_measured_on_real_data(
    name: str,
    expected: dict[Any, tuple[float, float]],
    realdata: Path,
    fit: Fit,
    tmp_path: Path,
) -> None:
    build_corpus("atomic", tmp_path / name, realdata / name)
    corpus = Corpus.open(tmp_path / name)
    model = fit("transition-graph", corpus, "recommendation")
    test = registry.make_task("recommendation").examples(corpus, "loo", "test")
    for protocol, figures in expected.items():
        ranking = rank_examples(model, test, catalogue(corpus, "loo"), protocol, top=0, label="transition-graph")
        means = rank_metric_means(ranking.ranks)
        assert (round(means["HR@5"], 4), round(means["NDCG@5"], 4)) == figures
