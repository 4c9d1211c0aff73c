"""What a rule stores counts as parameters, none of them trained: numbers counted by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from baselines.learning.vocabulary import stems
from tests.baselines.conftest import Fit
from unimp_bench.contracts import Parameters
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.records import Histories


@pytest.fixture(scope="module")
def histories(planted: Corpus) -> Histories:
    return target_examples(planted, "loo", "train", "recommendation").histories


def sequences(histories: Histories) -> list[list[int]]:
    return [histories.items[start:end].tolist() for start, end in pairwise(histories.offsets)]


def test_counts_of_popularity(planted: Corpus, fit: Fit) -> None:
    assert fit("popularity", planted, "recommendation").parameters() == Parameters(0, len(planted.items))
    assert fit("popular-candidates", planted, "selection").parameters() == Parameters(0, len(planted.items) + 1)


def test_edges_of_the_transition_graph(planted: Corpus, histories: Histories, fit: Fit) -> None:
    pairs = {pair for items in sequences(histories) for pair in pairwise(items)}
    one_way = fit("transition-graph", planted, "recommendation", window=1, reverse=0.0)
    both = fit("transition-graph", planted, "recommendation", window=1)
    assert one_way.parameters() == Parameters(0, len(pairs))
    assert both.parameters() == Parameters(0, len(pairs | {(second, first) for first, second in pairs}))


def test_all_weights_of_ease_and_the_neighbours_of_itemknn(planted: Corpus, histories: Histories, fit: Fit) -> None:
    assert fit("ease", planted, "recommendation").parameters() == Parameters(0, len(catalogue(planted, "loo")) ** 2)
    beside: dict[int, set[int]] = {}
    for items in sequences(histories):
        for item in items:
            beside.setdefault(item, set()).update(set(items) - {item})
    expected = sum(min(3, len(others)) for others in beside.values())
    assert fit("itemknn", planted, "recommendation", neighbours=3).parameters() == Parameters(0, expected)


def test_postings_of_bm25(planted: Corpus, fit: Fit) -> None:
    fields = [planted.items.text(name) for name in ("title", "brand", "category") if name in planted.items.attributes]
    words = sum(len(set(stems(" ".join(texts)))) for texts in zip(*fields, strict=True))
    assert fit("bm25", planted, "search").parameters() == Parameters(0, words)


def test_constants_and_offsets(planted: Corpus, histories: Histories, fit: Fit) -> None:
    assert fit("global-mean", planted, "preference").parameters() == Parameters(0, 1)
    rated = len(np.unique(histories.items[np.isfinite(histories.ratings)]))
    assert fit("item-mean", planted, "preference").parameters().total == pytest.approx(1 + rated, abs=1)
    assert fit("constant-sentence", planted, "explanation").parameters() == Parameters(0, 1)
    assert fit("typical-sentence", planted, "explanation").parameters() == Parameters(0, len(planted.items))


def test_what_nothing_stores(planted: Corpus, fit: Fit) -> None:
    assert fit("select-all", planted, "selection").parameters() == Parameters()
