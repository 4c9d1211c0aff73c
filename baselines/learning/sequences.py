"""Histories as padded batches: windows of the training part to learn from, the end of a history to score with.

Items are rows of the fit's catalogue, 0..I-1; padding follows them and is ``I``, and ids from ``I + 1`` on are free
for a system's own tokens. Batches are cut to their longest history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from baselines.learning.interactions import Interactions
from unimp_bench.errors import UsageError
from unimp_bench.ragged import spans
from unimp_bench.records import BoolArray, Examples, IntArray

SCORED = 512
"""Number of histories per batch when scoring."""

_POOL = 16


@dataclass(frozen=True)
class Windows:
    """Stretches of the training sequences.

    Attributes:
        users: (n,) user rows.
        starts, stops: (n,) ``interactions.sequences.values[start:stop]``.
    """

    users: IntArray
    starts: IntArray
    stops: IntArray

    def __len__(self) -> int:
        return len(self.starts)

    def lengths(self) -> IntArray:
        """(n,) number of items of each."""
        return self.stops - self.starts

    def take(self, rows: IntArray | BoolArray) -> Windows:
        """The chosen ones, in the given order."""
        return Windows(self.users[rows], self.starts[rows], self.stops[rows])


def windows(interactions: Interactions, length: int, shared: int = 1, min_length: int = 2) -> Windows:
    """Stretches of at most ``length + shared`` items that cover every user's sequence, counted from its end.

    Args:
        length: distance from one window to the next.
        shared: items that two neighbouring windows of a user have in common: with 1, every step from an item to the
            next is in exactly one window.
        min_length: shorter stretches are left out.
    """
    begins, ends = interactions.sequences.offsets[:-1], interactions.sequences.offsets[1:]
    counts = np.maximum(1, -(-(ends - begins - shared) // length))
    users, back = spans(np.zeros_like(counts), counts)
    stops = ends[users] - back * length
    starts = np.maximum(begins[users], stops - length - shared)
    return Windows(users, starts, stops).take(stops - starts >= min_length)


def batches(windows: Windows, size: int, rng: np.random.Generator, *, by_items: bool = False) -> Iterator[IntArray]:
    """Numbers of windows, each once, in random order, but with windows of similar length in one batch, to pad little.

    Args:
        size: windows per batch.
        by_items: a batch holds about as many items as ``size`` windows do on average, so that a loss that is a mean
            over the positions of a batch gives equal weight to those of short and of long windows.

    Raises:
        UsageError: there is no window.
    """
    if not len(windows):
        raise UsageError(
            "no user has two training interactions, so there is no sequence to learn from; run popularity or mf instead"
        )
    order = rng.permutation(len(windows))
    lengths = windows.lengths()[order]
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
    positions = np.arange(max(1, int(lengths.max(initial=0))))
    inside = positions < lengths[:, None]
    taken: IntArray = sequence[np.where(inside, starts[:, None] + positions, 0)]
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
