"""HR, NDCG and MRR at a cutoff, from the rank of the one relevant item of each example.

With a single relevant item the ideal DCG is 1, so NDCG@K is ``1 / log2(rank + 1)`` and MRR@K is ``1 / rank`` for
a rank within K, and 0 beyond (Järvelin and Kekäläinen, 2002; UniMP, section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from unimp_bench.metrics.scores import RESAMPLES, TAILS, Score
from unimp_bench.records import FloatArray, IntArray

Measure = Literal["HR", "NDCG", "MRR"]

MEASURES: tuple[Measure, ...] = ("HR", "NDCG", "MRR")
CUTOFFS = (1, 3, 5, 10, 20, 50)


@dataclass(frozen=True)
class RankMetric:
    """One measure at one cutoff, named as tables write it: ``HR@5``."""

    measure: Measure
    cutoff: int

    @property
    def name(self) -> str:
        return f"{self.measure}@{self.cutoff}"

    def values(self, ranks: IntArray) -> FloatArray:
        """The value of each example, (n,) float64, from target ranks (n,), 1 is best."""
        if self.measure == "HR":
            gains = np.ones(len(ranks))
        elif self.measure == "NDCG":
            gains = 1 / np.log2(ranks + 1.0)
        else:
            gains = 1 / np.asarray(ranks, dtype=np.float64)
        return np.where(ranks <= self.cutoff, gains, 0.0)


RANK_METRICS = tuple(RankMetric(measure, cutoff) for measure in MEASURES for cutoff in CUTOFFS)
"""What every ranking result reports."""


def rank_metric_values(ranks: IntArray) -> dict[str, FloatArray]:
    """Per-example values of all of ``RANK_METRICS`` by name."""
    return {metric.name: metric.values(ranks) for metric in RANK_METRICS}


def rank_metric_means(ranks: IntArray) -> dict[str, float]:
    """Means over the examples of all of ``RANK_METRICS`` by name."""
    return {name: float(values.mean()) for name, values in rank_metric_values(ranks).items()}


def rank_scores(ranks: IntArray) -> dict[str, Score]:
    """All of ``RANK_METRICS`` by name, with their intervals, from target ranks (n,), n at least 1.

    A resample is drawn once for all metrics: it depends only on how often it has each rank up to the largest cutoff.
    """
    beyond = max(CUTOFFS) + 1
    distinct, counts = np.unique(np.minimum(ranks, beyond), return_counts=True)
    draws = np.random.default_rng(0).multinomial(len(ranks), counts / len(ranks), RESAMPLES)
    gains = np.stack([metric.values(distinct) for metric in RANK_METRICS], axis=1)
    low, high = np.quantile(draws @ gains / len(ranks), TAILS, axis=0)
    found = {}
    for place, metric in enumerate(RANK_METRICS):
        values = metric.values(ranks)
        found[metric.name] = Score(float(values.mean()), float(low[place]), float(high[place]), values)
    return found
