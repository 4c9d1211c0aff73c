"""Asks every item of a history one question about the target."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from unimp_bench.records import BoolArray, Examples, IntArray, slices

_STEPS = 1 << 20
"""Interactions of histories that are looked at together; one longer history is looked at alone."""


def in_history(test: Examples, alike: Callable[[IntArray, IntArray], BoolArray]) -> BoolArray:
    """(n,) whether ``alike(items, targets)`` holds for an item of the example's history and its target."""
    assert test.targets is not None
    found = np.zeros(len(test), dtype=np.bool_)
    starts = test.starts()
    blocks = np.cumsum(test.ends - starts) // _STEPS
    for block in np.unique(blocks):
        chosen = np.flatnonzero(blocks == block)
        owners, rows = slices(starts[chosen], test.ends[chosen])
        examples = chosen[owners]
        yes = alike(test.histories.items[rows], test.targets[examples])
        found[examples[yes]] = True
    return found
