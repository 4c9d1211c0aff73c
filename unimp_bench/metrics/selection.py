"""Precision, recall and F1 of the items chosen among an example's candidates (UniMP, Table 2c).

Each is computed for one example and averaged over examples; so is F1, as in UniMP's code: it is not the harmonic
mean of the two averages. ``Chosen``, the mean number of chosen items, distinguishes a cautious model from
one that chooses all.
"""

from __future__ import annotations

import numpy as np

from unimp_bench.metrics.scores import Scores, mean_score
from unimp_bench.records import BoolArray, FloatArray, IntArray


def selection_scores(chosen: BoolArray, relevant: BoolArray, offsets: IntArray) -> Scores:
    """``Precision``, ``Recall``, ``F1`` and ``Chosen`` over examples; a ratio is 0 where its denominator is.

    Args:
        chosen: (rows,) whether the model chose the candidate.
        relevant: (rows,) whether the candidate suits the user.
        offsets: (n + 1,) example ``e`` owns rows ``offsets[e]:offsets[e + 1]``, which may be none.

    Raises:
        ValueError: there are no examples.
    """
    hits = _counts(chosen & relevant, offsets)
    taken, wanted = _counts(chosen, offsets), _counts(relevant, offsets)
    return {
        "Precision": mean_score(_ratio(hits, taken)),
        "Recall": mean_score(_ratio(hits, wanted)),
        "F1": mean_score(_ratio(2 * hits, taken + wanted)),
        "Chosen": mean_score(taken.astype(np.float64)),
    }


def _counts(flags: BoolArray, offsets: IntArray) -> IntArray:
    """True rows of each example, (n,); differences of a running count, as ``np.add.reduceat`` errs on empty ones."""
    before = np.concatenate([[0], np.cumsum(flags, dtype=np.int64)])
    counts: IntArray = np.diff(before[offsets])
    return counts


def _ratio(part: IntArray, whole: IntArray) -> FloatArray:
    return part / np.maximum(whole, 1)
