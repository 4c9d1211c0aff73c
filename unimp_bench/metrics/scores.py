"""A metric over a set of examples, with its interval by the percentile bootstrap (Efron and Tibshirani, 1993)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unimp_bench.records import FloatArray, IntArray

RESAMPLES = 10_000
TAILS = (0.025, 0.975)
"""Quantiles of the resampled values that end an interval."""

_MAX_CELLS = 1 << 20
_DRAWS_PER_COUNT = 14  # a multinomial count takes as long as this many plain draws


@dataclass(frozen=True)
class Score:
    """A metric with its 95% bootstrap interval over examples.

    Attributes:
        value: over all examples.
        low, high: ends of the interval.
        values: (n,) of each example, where the metric is defined for one; else None.
    """

    value: float
    low: float
    high: float
    values: FloatArray | None


@dataclass(frozen=True)
class Missing:
    """A metric that could not be computed, and why; its cell stays empty."""

    reason: str


Scores = Mapping[str, Score | Missing]


def mean_score(values: FloatArray) -> Score:
    """The mean of per-example values (n,), finite, with its interval."""
    values = np.asarray(values, dtype=np.float64)
    interval = bootstrap_interval(values, seed=0)
    return Score(float(values.mean()), interval.low, interval.high, values)


def joint_scores(values: Mapping[str, FloatArray], *, resamples: int = RESAMPLES) -> dict[str, Score]:
    """The means of several metrics over the same examples, (n,) finite values each, all on the same resamples."""
    columns = np.stack(list(values.values()), axis=1).astype(np.float64)
    means = np.concatenate([weights @ columns for weights in resampled(len(columns), resamples)]) / len(columns)
    low, high = np.quantile(means, TAILS, axis=0)
    return {
        name: Score(float(each.mean()), float(low[place]), float(high[place]), each)
        for place, (name, each) in enumerate(values.items())
    }


def resampled(count: int, resamples: int, *, seed: int = 0) -> Iterator[FloatArray]:
    """Bootstrap resamples of ``count`` examples as how often each has each example: blocks (resamples, count)."""
    generator = np.random.default_rng(seed)
    for size in _steps(resamples, count):
        drawn = generator.integers(count, size=(size, count), dtype=np.uint32)
        drawn += np.arange(size, dtype=np.uint32)[:, None] * np.uint32(count)
        yield np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)


@dataclass(frozen=True)
class Interval:
    """Both ends of a confidence interval."""

    low: float
    high: float


def bootstrap_interval(values: FloatArray, *, seed: int, level: float = 0.95, resamples: int = RESAMPLES) -> Interval:
    """Interval of the mean of ``values`` (n,) at confidence ``level``.

    A resample's mean depends only on how often it draws each distinct value, and those counts are multinomial. A
    rank metric at K has at most K + 1 distinct values, so a resample costs K draws instead of n. Where most values
    are distinct, as for METEOR, the n plain draws are quicker.

    Raises:
        ValueError: there are no values, or they are not all finite.
    """
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("an interval needs at least one value, all of them finite")
    distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    generator = np.random.default_rng(seed)
    if len(distinct) * _DRAWS_PER_COUNT < len(values):
        shares = counts / len(values)
        sizes = _steps(resamples, len(distinct))
        totals = [generator.multinomial(len(values), shares, size) @ distinct for size in sizes]
    else:
        ordered = np.repeat(distinct, counts)
        shapes = [(size, len(values)) for size in _steps(resamples, len(values))]
        totals = [ordered[generator.integers(len(values), size=shape, dtype=np.uint32)].sum(axis=1) for shape in shapes]
    low, high = np.quantile(np.concatenate(totals) / len(values), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def bootstrap_intervals(columns: Sequence[FloatArray], *, seed: int) -> list[Interval]:
    """``bootstrap_interval`` of several metrics (n,) over the same examples, all on the same resamples.

    Metrics of one ranking are functions of the same ranks, so they have hardly more distinct rows together than
    distinct values alone.

    Raises:
        ValueError: a metric has no values, not as many as the others, or some that are not finite.
    """
    table = np.stack(columns, axis=1).astype(np.float64)
    if not len(table) or not np.isfinite(table).all():
        raise ValueError("an interval needs at least one value, all of them finite")
    rows, counts = np.unique(table, axis=0, return_counts=True)
    weights: Iterator[FloatArray] | Iterator[IntArray]
    if len(rows) * _DRAWS_PER_COUNT < len(table):
        generator, shares = np.random.default_rng(seed), counts / len(table)
        weights = (generator.multinomial(len(table), shares, size) for size in _steps(RESAMPLES, len(rows)))
    else:
        rows = np.repeat(rows, counts, axis=0)
        weights = resampled(len(table), RESAMPLES, seed=seed)
    ends = np.quantile(np.concatenate([each @ rows for each in weights]) / len(table), TAILS, axis=0)
    return [Interval(float(low), float(high)) for low, high in ends.T]


def _steps(resamples: int, width: int) -> list[int]:
    """Resamples to draw at once, so that no step holds many more than ``_MAX_CELLS`` numbers."""
    step = max(1, _MAX_CELLS // width)
    return [min(step, resamples - start) for start in range(0, resamples, step)]
