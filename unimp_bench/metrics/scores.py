"""One metric over a set of examples, as every kind of task reports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from unimp_bench.metrics.intervals import bootstrap_interval
from unimp_bench.records import FloatArray


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
