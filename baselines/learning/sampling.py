"""Negatives: items that a user has no training interaction with, each as likely as any other."""

from __future__ import annotations

import numpy as np

from baselines.learning.interactions import Interactions
from unimp_bench.errors import UsageError
from unimp_bench.records import IntArray


class NegativeSampler:
    """Draws uniformly and draws again what the user knows.

    Raises:
        UsageError: a user has interacted with every item, so there is no negative.
    """

    def __init__(self, interactions: Interactions) -> None:
        self._items = len(interactions.items)
        matrix = interactions.matrix
        if np.diff(matrix.indptr).max() >= self._items:
            raise UsageError("a user has interacted with every item of the catalogue, so there is no negative to draw")
        owners = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
        self._known = owners * self._items + matrix.indices  # sorted: canonical CSR

    def draw(self, users: IntArray, rng: np.random.Generator) -> IntArray:
        """One negative for each entry of ``users`` (user rows, any shape), int64 item rows of the same shape."""
        flat = np.ravel(users)
        drawn = rng.integers(self._items, size=len(flat))
        left = np.flatnonzero(self._is_known(flat, drawn))
        while len(left):
            drawn[left] = rng.integers(self._items, size=len(left))
            left = left[self._is_known(flat[left], drawn[left])]
        return drawn.reshape(np.shape(users))

    def _is_known(self, users: IntArray, items: IntArray) -> np.ndarray:
        keys = users * self._items + items
        places = np.minimum(np.searchsorted(self._known, keys), len(self._known) - 1)
        known: np.ndarray = self._known[places] == keys
        return known
