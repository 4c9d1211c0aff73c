"""Numbers as records keep them."""

from __future__ import annotations

import numpy as np

from unimp_bench.audit.corpus.measures import Spread
from unimp_bench.records import BoolArray, FloatArray, IntArray

_DIGITS = 6


def mean(values: BoolArray | IntArray | FloatArray) -> float:
    """The mean of one value or more, to the digits that are kept; of yes and no, the share of yes."""
    return round(float(np.mean(values, dtype=np.float64)), _DIGITS)


def share(part: float, whole: float) -> float:
    """``part / whole`` to the digits that are kept; 0 of nothing."""
    return round(float(part) / float(whole), _DIGITS) if whole else 0.0


def spread(values: IntArray | FloatArray) -> Spread:
    """Mean and quartiles of one value or more."""
    low, median, high = (round(float(value), _DIGITS) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    return Spread(mean=mean(values), low=low, median=median, high=high)
