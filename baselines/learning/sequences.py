"""Histories as padded batches: windows of the training part to learn from, the end of a history to score with.

Items are rows of the fit's catalogue, 0..I-1; the padding stands behind them and is ``I``, and ids from ``I + 1`` on
are free for a system's own tokens. Batches are cut to their longest history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from baselines.learning.interactions import Interactions
from unimp_bench.errors import UsageError
from unimp_bench.records import Examples, IntArray

SCORED = 512
"""Histories that are read together when scoring."""

_POOL = 16


@dataclass(frozen=True)
class Windows:
    """Stretches of the training sequences.

    Attributes:
        users: (n,) user rows.
        starts, stops: (n,) ``interactions.sequence[start:stop]``.
    """

    users: IntArray
    starts: IntArray
    stops: IntArray

    def __len__(self) -> int:
        return len(self.starts)


def windows(interactions: Interactions, length: int, shared: int = 1, least: int = 2) -> Windows:
    """Stretches of at most ``length + shared`` items that cover every user's sequence, counted from its end.

    Args:
        length: how far one window lies from the next.
        shared: items that two neighbouring windows of a user have in common: with 1, every step from an item to the
            next lies in exactly one window.
        least: shorter stretches are left out.
    """
    begins, ends = interactions.offsets[:-1], interactions.offsets[1:]
    counts = np.maximum(1, -(-(ends - begins - shared) // length))
    users = np.repeat(np.arange(len(begins)), counts)
    places = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    stops = ends[users] - places * length
    starts = np.maximum(begins[users], stops - length - shared)
    kept = stops - starts >= least
    return Windows(users[kept], starts[kept], stops[kept])


def batches(windows: Windows, size: int, rng: np.random.Generator, *, by_items: bool = False) -> Iterator[IntArray]:
    """Numbers of windows, each once: a random order, but windows of like length side by side, to pad little.

    Args:
        size: windows of a batch.
        by_items: a batch holds about as many items as ``size`` windows do on average, so that a loss that is a mean
            over the positions of a batch weighs those of short and of long windows alike.

    Raises:
        UsageError: there is no window.
    """
    if not len(windows):
        raise UsageError(
            "no user has two training interactions, so there is no sequence to learn from; run popularity or mf instead"
        )
    order = rng.permutation(len(windows))
    lengths = (windows.stops - windows.starts)[order]
    pools = np.arange(len(order)) // (size * _POOL)
    by_length = np.lexsort((lengths, pools))
    order, lengths = order[by_length], lengths[by_length]
    if by_items:
        # Each pool is cut on its own, or one batch would join its longest windows with the shortest of the next.
        totals = np.bincount(pools, weights=lengths)
        counts = np.maximum(np.rint(totals / (size * lengths.mean())), 1)
        before = np.cumsum(lengths) - lengths
        before -= before[np.searchsorted(pools, pools)]
        number = before * counts[pools] // totals[pools] + (np.cumsum(counts) - counts)[pools]
    else:
        number = np.arange(len(order)) // size
    parts = np.split(order, np.flatnonzero(np.diff(number)) + 1)
    for part in rng.permutation(len(parts)):
        yield parts[part]


def padded(sequence: IntArray, starts: IntArray, stops: IntArray, padding: int) -> IntArray:
    """``sequence[start:stop]`` of each row, padded behind to the longest, (rows, longest) int64."""
    lengths = stops - starts
    places = np.arange(max(1, int(lengths.max(initial=0))))
    inside = places < lengths[:, None]
    taken: IntArray = sequence[np.where(inside, starts[:, None] + places, 0)]
    return np.where(inside, taken, padding)


def ends_of_histories(examples: Examples, interactions: Interactions, length: int) -> tuple[IntArray, IntArray]:
    """The last items of each history as rows, padded behind to the longest, (n, longest); their number, (n,).

    Raises:
        UsageError: an item is not in the catalogue of the fit.
    """
    items = examples.histories.items
    starts = np.maximum(examples.starts(), examples.ends - length)
    taken = padded(items, starts, examples.ends, -1).astype(np.int64)
    known = taken >= 0
    taken[known] = interactions.item_rows(taken[known])
    taken[~known] = len(interactions.items)
    return taken, examples.ends - starts


def of_like_length(lengths: IntArray, size: int = SCORED) -> Iterator[IntArray]:
    """The rows of histories, shortest first, at most ``size`` at a time: little is padded where few are long."""
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]
