"""Shares of preferred texts against plain loops, and rank correlation against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from unimp_bench.metrics.judging import FEWEST, preferred, rank_correlation, tells


def test_the_share_is_that_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    better, other = rng.integers(1, 6, 300).astype(float), rng.integers(1, 5, 300).astype(float)
    other[::7] = np.nan
    score = preferred(better, other)
    points = [
        1.0 if one > two else 0.5 if one == two else 0.0 for one, two in zip(better, other, strict=True) if two == two
    ]
    assert score is not None and score.values is not None and len(score.values) == len(points)
    assert score.value == pytest.approx(sum(points) / len(points))
    assert score.low < score.value < score.high and tells(score)


def test_a_blind_judge_has_a_half() -> None:
    same = np.full(50, 3.0)
    score = preferred(same, same)
    assert score is not None and (score.value, score.low, score.high) == (0.5, 0.5, 0.5) and not tells(score)
    rng = np.random.default_rng(1)
    chance = preferred(rng.random(400), rng.random(400))
    assert chance is not None and chance.low < 0.5 < chance.high and not tells(chance)


def test_the_wrong_way_round_is_no_way_to_tell() -> None:
    score = preferred(np.zeros(50), np.ones(50))
    assert score is not None and score.high == 0 and not tells(score)


def test_a_few_examples_tell_nothing() -> None:
    every = [preferred(np.ones(count), np.zeros(count)) for count in (FEWEST - 1, FEWEST)]
    assert [tells(each) for each in every] == [False, True]
    assert preferred(np.ones(3), np.full(3, np.nan)) is None and not tells(None)


def test_rank_correlation_is_that_of_scipy() -> None:
    rng = np.random.default_rng(2)
    first = rng.integers(0, 9, 200).astype(float)
    second = first + rng.normal(0, 5, 200).round()
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert rank_correlation(first, -first) == pytest.approx(-1)
    assert rank_correlation(first, np.ones(200)) is None
