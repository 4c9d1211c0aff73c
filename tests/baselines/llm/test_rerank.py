"""The order of a base's first items, and its scores in that order."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.llm.rerank import Weights, chosen_weights, mixed_order, reordered, top_columns


def test_the_best_items_outside_the_history_are_ordered() -> None:
    scores = np.array([[5.0, 4, 3, 2, 1], [1, 1, 1, 1, 1]])
    found = top_columns(scores, np.array([[-1, 20], [10, 99]]), np.array([10, 20, 30, 40, 50]), 3)
    assert [each.tolist() for each in found] == [[0, 2, 3], [1, 2, 3]]


def test_a_mixture_goes_from_the_base_to_the_model() -> None:
    scores = np.array([0.0, 2.0, 1.0])
    assert mixed_order(scores, 0).tolist() == [0, 1, 2]
    assert mixed_order(scores, 1).tolist() == [1, 2, 0]
    assert mixed_order(scores, 0.5).tolist() == [1, 0, 2]  # places 0.5 * (0 + 2), 0.5 * (1 + 0), 0.5 * (2 + 1)
    assert mixed_order(np.zeros(3), 1).tolist() == [0, 1, 2]  # equal titles stay in the base's order


def test_other_scores_stay_and_the_same_order_changes_nothing() -> None:
    row = np.array([0.1, 0.9, 0.5, 0.7])
    columns = np.array([1, 3, 2])
    assert reordered(row, columns, np.array([0, 1, 2])).tolist() == row.tolist()
    assert reordered(row, columns, np.array([2, 0, 1])).tolist() == [0.1, 0.7, 0.9, 0.5]


def test_ties_become_strict_and_stay_below_nothing_else() -> None:
    row = np.array([1.0, 1.0, 1.0, 1.0, 0.5])
    new = reordered(row, np.array([0, 1, 2]), np.array([2, 1, 0]))
    assert new[2] > new[1] > new[0] > new[3] == 1.0 and new[4] == 0.5
    assert new == pytest.approx(row)


def test_the_base_alone_is_chosen_where_the_model_adds_nothing() -> None:
    wrong = [np.array([0.0, 1.0, 2.0])] * 4
    same = [np.ones(3, np.int64)] * 4
    weights, reached = chosen_weights(wrong, wrong, same, [0, 0, None, 0])
    assert weights.mix == 0 and reached == 0.75
    weights, _ = chosen_weights(wrong, [np.zeros(3)] * 4, same, [2, 2, None, 2])
    assert weights.mix > 0 and weights.null_weight < 1


def test_scores_of_titles() -> None:
    weights = Weights(length_power=0.5, null_weight=0.5, mix=1)
    assert weights.scores(np.array([-8.0]), np.array([-4.0]), np.array([4])).tolist() == [-3.0]
