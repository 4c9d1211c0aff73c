"""A data set small enough to compute every equation by loops."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from baselines.learning.interactions import Interactions
from unimp_bench.ragged import Ragged
from unimp_bench.records import Examples, Histories

HISTORIES = ((0, 1, 2), (1, 2), (0, 2, 3), (3, 4), (1, 3, 2))
ITEMS = 6
"""The last one is in no history."""


def interactions(histories: tuple[tuple[int, ...], ...] = HISTORIES, items: int = ITEMS) -> Interactions:
    """The training part with the given histories."""
    return Interactions(np.arange(len(histories)), np.arange(items), Ragged.of_rows(histories, np.int64))


def matrix() -> sparse.csr_array:
    """The user-item matrix of ``HISTORIES``."""
    return interactions().matrix


def examples(histories: tuple[tuple[int, ...], ...] = HISTORIES) -> Examples:
    """Examples that request the next item after each complete history."""
    sequence = np.concatenate(histories).astype(np.int32)
    offsets = np.cumsum([0, *map(len, histories)])
    rows = Histories(offsets, sequence, np.full(len(sequence), np.nan, np.float32), np.arange(len(sequence)))
    users = np.arange(len(histories), dtype=np.int32)
    return Examples("recommendation", "loo", "test", rows, users, offsets[1:], None)


def sigmoid(value: float) -> float:
    """Scalar sigmoid."""
    return float(1 / (1 + np.exp(-value)))
