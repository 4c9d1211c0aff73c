"""Precision, recall and F1 of each example against scikit-learn's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from unimp_bench.metrics.scores import Score, Scores
from unimp_bench.metrics.selection import selection_scores
from unimp_bench.records import FloatArray

candidate = st.tuples(st.booleans(), st.booleans())
examples = st.lists(st.lists(candidate, max_size=8), min_size=1, max_size=12)


def score(lists: list[list[tuple[bool, bool]]]) -> Scores:
    flags = np.array([flag for rows in lists for flag in rows], dtype=bool).reshape(-1, 2)
    return selection_scores(flags[:, 0], flags[:, 1], np.cumsum([0, *map(len, lists)]))


def values(scores: Scores, name: str) -> FloatArray:
    found = scores[name]
    assert isinstance(found, Score)
    assert found.values is not None
    assert found.value == pytest.approx(found.values.mean())
    return found.values


@settings(deadline=None)
@given(examples)
def test_scikit_learn(lists: list[list[tuple[bool, bool]]]) -> None:
    scores = score(lists)
    for place, rows in enumerate(lists):
        chosen, relevant = zip(*rows, strict=True) if rows else ((), ())
        if rows:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = precision_recall_fscore_support(relevant, chosen, average="binary", zero_division=0)[:3]
        else:
            expected = (0, 0, 0)
        found = [values(scores, name)[place] for name in ("Precision", "Recall", "F1")]
        assert found == pytest.approx(list(expected))
        assert values(scores, "Chosen")[place] == sum(chosen)


def test_f1_is_averaged_over_examples_and_not_made_of_the_averages() -> None:
    scores = score([[(True, True), (True, False)], [(False, True), (False, False)]])
    assert values(scores, "Precision").tolist() == [0.5, 0]
    assert values(scores, "Recall").tolist() == [1, 0]
    assert values(scores, "F1").mean() == pytest.approx(1 / 3)


def test_empty_examples_take_nothing_from_their_neighbours() -> None:
    scores = score([[], [(True, True)], [], [(True, False)], []])
    assert values(scores, "F1").tolist() == [0, 1, 0, 0, 0]
