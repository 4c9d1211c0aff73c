"""Which answers of a kind are the same, and how far they differ over all examples."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from unimp_bench.kinds import kind_of
from unimp_bench.records import Examples, Shown
from unimp_bench.runs.results import NEARLY, AnswerSpread
from unimp_bench.runs.scoring import spread_of


def _examples(**known: Any) -> Examples:
    return cast(Examples, SimpleNamespace(**known))


def _spread(kind: str, prediction: Any, **known: Any) -> AnswerSpread:
    spread = spread_of(kind_of(kind).answers(prediction, _examples(**known)))
    assert spread is not None
    return spread


def test_ratings_are_the_same_within_a_hundredth_of_a_step_and_at_the_ends_of_the_scale() -> None:
    rated = np.array([4.701, 4.6999, 4.7, 9.0, 5.0, np.nan, np.nan, -2.0, 1.0, 4.75])
    assert _spread("rating", rated, scale=(1.0, 5.0, 1.0)) == AnswerSpread(distinct=5, commonest=0.3)
    assert _spread("rating", np.array([3.5, 3.508]), scale=(0.5, 5.0, 0.5)).distinct == 2


def test_texts_are_the_same_but_for_white_space() -> None:
    assert _spread("text", ["a b", " a  b\n", "A b", ""]) == AnswerSpread(distinct=3, commonest=0.5)


def test_selections_are_equal_by_position_and_when_all_or_none_is_chosen() -> None:
    shown = Shown(np.array([0, 2, 5, 7, 9, 12]), np.arange(12))
    chosen = np.array([1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0], dtype=np.bool_)
    assert _spread("selection", chosen, shown=shown) == AnswerSpread(distinct=3, commonest=0.4)


def test_pictures_are_the_same_with_the_same_codes() -> None:
    assert _spread("picture", np.array([[1, 2], [1, 2], [2, 1]])) == AnswerSpread(distinct=2, commonest=2 / 3)


def test_rankings_are_not_compared() -> None:
    assert spread_of(kind_of("ranking").answers(None, _examples())) is None


@pytest.mark.parametrize(("same", "constant"), [(100, True), (95, True), (94, False)])
def test_nearly_all_the_same_is_constant(same: int, constant: bool) -> None:
    assert NEARLY == 0.95
    texts = ["always"] * same + [str(number) for number in range(100 - same)]
    assert _spread("text", texts).is_constant == constant
