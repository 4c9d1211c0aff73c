"""Recall, Precision, NDCG and MAP at a cutoff for users with several relevant items, from the ranks of these items.

The rank of a target counts the user's other targets as competitors, so a target is in the user's list of K items
exactly if its rank is at most K. Two targets of one user with the same score count against each other, as all ties do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from unimp_bench.metrics.scores import Score, joint_scores
from unimp_bench.ragged import offsets_of
from unimp_bench.records import FloatArray, IntArray

UserMeasure = Literal["Recall", "Precision", "NDCG", "MAP"]

USER_MEASURES: tuple[UserMeasure, ...] = ("Recall", "Precision", "NDCG", "MAP")
USER_CUTOFFS = (5, 10, 20, 50)


@dataclass(frozen=True)
class UserMetric:
    """One measure at one cutoff, named as tables write it: ``Recall@10``."""

    measure: UserMeasure
    cutoff: int

    @property
    def name(self) -> str:
        return f"{self.measure}@{self.cutoff}"

    def values(self, ranks: IntArray, counts: IntArray) -> FloatArray:
        """The value of each user, (users,) float64.

        With the ranks ``r_1 <= ... <= r_n`` of a user's n targets, those up to K being hits: Recall is ``hits / n``,
        Precision ``hits / K``; NDCG is the sum of ``1 / log2(r_j + 1)`` over the hits, divided by that of the ranks 1
        to ``min(K, n)`` (Järvelin and Kekäläinen, 2002); MAP is the mean over users of ``sum_hits (j / r_j) /
        min(K, n)``.

        Args:
            ranks: (targets,) the user's targets one after another; 1 is best.
            counts: (users,) number of targets of each user, at least 1.
        """
        owners = np.repeat(np.arange(len(counts)), counts)
        ordered = ranks[np.lexsort((ranks, owners))].astype(np.float64)
        hit = ordered <= self.cutoff
        best = np.minimum(counts, self.cutoff)
        if self.measure == "NDCG":
            discounts = 1 / np.log2(np.arange(self.cutoff) + 2.0)
            ndcg: FloatArray = _sums(owners, hit / np.log2(ordered + 1), counts) / np.cumsum(discounts)[best - 1]
            return ndcg
        if self.measure == "MAP":
            found = np.arange(len(ordered)) - np.repeat(offsets_of(counts)[:-1], counts) + 1
            return _sums(owners, hit * found / ordered, counts) / best
        hits = _sums(owners, hit.astype(np.float64), counts)
        return hits / (counts if self.measure == "Recall" else self.cutoff)


USER_METRICS = tuple(UserMetric(measure, cutoff) for measure in USER_MEASURES for cutoff in USER_CUTOFFS)
"""What every ranking with several targets per user reports."""


def user_scores(ranks: IntArray, counts: IntArray) -> dict[str, Score]:
    """All of ``USER_METRICS`` by name, with intervals over users; arguments as of ``UserMetric.values``."""
    return joint_scores({metric.name: metric.values(ranks, counts) for metric in USER_METRICS})


def target_counts(users: IntArray) -> IntArray:
    """(users,) number of targets of each user, in the order of the examples.

    Args:
        users: (targets,) user of each target.

    Raises:
        ValueError: the targets of a user are not one after another.
    """
    starts = np.flatnonzero(np.diff(users, prepend=-1))
    if len(np.unique(users)) != len(starts):
        raise ValueError("the targets of a user must follow one another")
    counts: IntArray = np.diff(starts, append=len(users))
    return counts


def _sums(owners: IntArray, values: FloatArray, counts: IntArray) -> FloatArray:
    sums: FloatArray = np.bincount(owners, weights=values, minlength=len(counts)).astype(np.float64)
    return sums
