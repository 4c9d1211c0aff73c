"""Confidence intervals of a mean over examples, by the percentile bootstrap (Efron and Tibshirani, 1993)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unimp_bench.records import FloatArray

_CELLS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Interval:
    """Both ends of a confidence interval."""

    low: float
    high: float


def bootstrap_interval(values: FloatArray, *, seed: int, level: float = 0.95, resamples: int = 10_000) -> Interval:
    """Interval of the mean of ``values`` (n,) at confidence ``level``.

    A resample's mean depends only on how often it draws each distinct value, and those counts are multinomial. A
    rank metric at K has at most K + 1 distinct values, so a resample costs K draws instead of n.

    Raises:
        ValueError: there are no values, or they are not all finite.
    """
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("an interval needs at least one value, all of them finite")
    distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    shares = counts / len(values)
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS_AT_ONCE // len(distinct))
    sizes = [min(step, resamples - start) for start in range(0, resamples, step)]
    means = np.concatenate([generator.multinomial(len(values), shares, size) @ distinct for size in sizes])
    low, high = np.quantile(means / len(values), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
