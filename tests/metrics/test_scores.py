"""Bootstrap intervals against scipy's, and what they promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import bootstrap

from unimp_bench.metrics.ranking import RankMetric
from unimp_bench.metrics.scores import Interval, bootstrap_interval, bootstrap_intervals
from unimp_bench.records import FloatArray

RNG = np.random.default_rng(0)
SAMPLES = {
    "binary": (RNG.random(400) < 0.2).astype(float),
    "ndcg": RankMetric("NDCG", 10).values(RNG.geometric(0.1, 500)),
    "continuous": RNG.lognormal(size=300),
}


@pytest.mark.parametrize("values", SAMPLES.values(), ids=list(SAMPLES))
def test_agrees_with_scipy(values: FloatArray) -> None:
    theirs = bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    ours = bootstrap_interval(values, seed=1, resamples=20_000)
    # Both sample the same distribution; 20,000 resamples place its quantiles to a few hundredths of its width.
    tolerance = 0.04 * (theirs.high - theirs.low)
    assert ours.low == pytest.approx(theirs.low, abs=tolerance)
    assert ours.high == pytest.approx(theirs.high, abs=tolerance)


def _ranked(rng: np.random.Generator) -> list[FloatArray]:
    ranks = rng.integers(1, 60, size=4000)
    return [np.where(ranks <= cut, 1 / np.log2(ranks + 1.0), 0.0) for cut in (1, 5, 10)]


def _continuous(rng: np.random.Generator) -> list[FloatArray]:
    return [rng.lognormal(size=400), (rng.random(400) < 0.2).astype(float), rng.normal(size=400)]


@pytest.mark.parametrize("drawn", [_ranked, _continuous])
def test_intervals_made_at_once_are_those_of_each_metric(
    drawn: Callable[[np.random.Generator], list[FloatArray]],
) -> None:
    columns = drawn(np.random.default_rng(4))
    for found, values in zip(bootstrap_intervals(columns, seed=3), columns, strict=True):
        alone = bootstrap_interval(values, seed=3, resamples=40_000)
        tolerance = 0.04 * (alone.high - alone.low)
        assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=tolerance)


def test_intervals_made_at_once_are_on_the_same_resamples() -> None:
    """So the interval of a metric mirrored is the mirrored interval."""
    values = np.random.default_rng(4).random(400)
    both = bootstrap_intervals([values, 1 - values], seed=3)
    assert both[0].low + both[1].high == pytest.approx(1, rel=1e-12)
    with pytest.raises(ValueError, match="finite"):
        bootstrap_intervals([values, np.append(values[1:], np.nan)], seed=3)


def test_covers_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    inside = 0
    for trial in range(400):
        values = (rng.random(300) < 0.3).astype(float)
        interval = bootstrap_interval(values, seed=trial, level=0.9, resamples=500)
        inside += interval.low <= 0.3 <= interval.high
    assert 0.86 <= inside / 400 <= 0.94


def test_a_seed_gives_the_same_interval_whatever_the_order_of_the_values() -> None:
    values = SAMPLES["ndcg"]
    first = bootstrap_interval(values, seed=3, resamples=1000)
    assert bootstrap_interval(values[::-1].copy(), seed=3, resamples=1000) == first
    assert bootstrap_interval(values, seed=4, resamples=1000) != first


def test_chunks_of_resamples_are_all_there() -> None:
    values = np.arange(5_000, dtype=float)  # 5,000 distinct values do not fit 1,000 resamples at once
    interval = bootstrap_interval(values, seed=0, resamples=1_000)
    half_width = 1.96 * values.std() / np.sqrt(len(values))
    assert (interval.high - interval.low) / 2 == pytest.approx(half_width, rel=0.1)


def test_constant_values_have_no_width() -> None:
    assert bootstrap_interval(np.zeros(50), seed=0) == Interval(0.0, 0.0)


@pytest.mark.parametrize("values", [np.array([]), np.array([1.0, np.nan]), np.array([np.inf])])
def test_refuses_values_without_a_mean(values: FloatArray) -> None:
    with pytest.raises(ValueError, match="at least one value, all of them finite"):
        bootstrap_interval(values, seed=0)
