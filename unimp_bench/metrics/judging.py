"""Whether a judge of texts can tell them apart, and whether two judges agree.

A judge gives a text a score. On the same n examples it scores two texts of each, one of which is better by
construction; the share of examples in which it says so is

    P = 1/n sum_e ([a_e > b_e] + [a_e = b_e] / 2)

so a judge that is blind to the difference has 0.5, as has one that always gives the same score (the probability of
superiority; Vargha and Delaney, 2000, A of paired scores). Two judges of the same texts are compared by Spearman's
correlation of their scores.
"""

from __future__ import annotations

import numpy as np

from unimp_bench.metrics.scores import Score, mean_score
from unimp_bench.records import FloatArray

BLIND = 0.5
"""Share of a judge that sees no difference."""

FEWEST = 20
"""Pairs without which nothing is known about a judge."""


def preferred(better: FloatArray, other: FloatArray) -> Score | None:
    """The share of examples in which the better text has the higher score, ties half, with its interval.

    Args:
        better, other: (n,) scores of both texts of each example; NaN where there is no such text.

    Returns:
        None where no example has both texts.
    """
    both = np.isfinite(better) & np.isfinite(other)
    if not both.any():
        return None
    return mean_score((better[both] > other[both]) + (better[both] == other[both]) / 2)


def tells(share: Score | None) -> bool:
    """Whether a share is of enough examples, and its interval is above that of a blind judge."""
    return share is not None and share.values is not None and len(share.values) >= FEWEST and share.low > BLIND


def rank_correlation(first: FloatArray, second: FloatArray) -> float | None:
    """Spearman's correlation of two judges' scores (n,) of the same texts, ties by their mean rank.

    None where one of them always gives the same score.
    """
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(first), rankdata(second)])
    if len(first) < 2 or not ranks.std(axis=1).all():
        return None
    return float(np.corrcoef(ranks)[0, 1])
