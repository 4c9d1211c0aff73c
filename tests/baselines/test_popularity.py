"""Popularity counts the training part, without held-out interactions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from unimp_bench import registry
from unimp_bench.contracts import Ranker
from unimp_bench.corpus import Corpus

# The last two of each history are held out; the two interactions of the third user all belong to training.
HISTORIES = [[0, 1, 2, 3], [0, 1, 3, 4], [1, 5]]
CATEGORIES = [["A"], ["A", "B"], ["A"], ["A"], ["A", "B"], ["A"]]


@pytest.fixture
def corpus(make_corpus: Callable[..., Corpus]) -> Corpus:
    return make_corpus(HISTORIES, {"category": pa.array(CATEGORIES)})


def test_counts_only_the_training_part(fit: Callable[..., Ranker[Any]], corpus: Corpus) -> None:
    test = registry.make_task("recommendation").examples(corpus, "loo", "test").hidden()
    scores = fit("popularity", corpus, "recommendation").score(test, np.array([0, 1, 2, 3, 5]))
    assert scores.tolist() == [[2, 3, 0, 0, 1]] * 2


def test_items_of_the_queried_category_come_first(fit: Callable[..., Ranker[Any]], corpus: Corpus) -> None:
    test = registry.make_task("search").examples(corpus, "loo", "test").hidden()
    assert [test.query_texts[query] for query in test.queries] == ["A", "A > B"]
    scores = fit("query-popularity", corpus, "search").score(test, np.arange(6))
    assert np.argsort(-scores, axis=1, kind="stable").tolist() == [[0, 5, 2, 3, 1, 4], [1, 4, 0, 5, 2, 3]]


def test_an_unknown_query_ranks_by_popularity(fit: Callable[..., Ranker[Any]], corpus: Corpus) -> None:
    from dataclasses import replace

    test = replace(registry.make_task("search").examples(corpus, "loo", "test").hidden(), query_texts=("Z",) * 2)
    scores = fit("query-popularity", corpus, "search").score(test, np.arange(6))
    assert scores.tolist() == [[2, 3, 0, 0, 0, 1]] * 2


@pytest.mark.parametrize(("name", "task"), [("popularity", "recommendation"), ("query-popularity", "search")])
def test_loads_what_it_saved(
    name: str,
    task: str,
    fit: Callable[..., Ranker[Any]],
    reload: Callable[..., Ranker[Any]],
    planted: Corpus,
) -> None:
    test = registry.make_task(task).examples(planted, "loo", "test").hidden()
    model = fit(name, planted, task)
    items = np.arange(48)
    assert np.array_equal(reload(model, planted).score(test, items), model.score(test, items))
