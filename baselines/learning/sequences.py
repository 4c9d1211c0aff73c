"""Histories as padded batches: windows of the training sequences for training, the end of a history for scoring.

Items are rows of the catalogue of the fit, 0..I-1; ``I`` is the padding, on the right, and ids from ``I + 1`` on are
free for special tokens of a system. Batches are cut to their longest history.
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
    """Contiguous parts of the training sequences.

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
        """(n,) number of items of each window."""
        return self.stops - self.starts

    def take(self, rows: IntArray | BoolArray) -> Windows:
        """The chosen windows, in the given order."""
        return Windows(self.users[rows], self.starts[rows], self.stops[rows])


def windows(interactions: Interactions, length: int, shared: int = 1, min_length: int = 2) -> Windows:
    """Windows of at most ``length + shared`` items that cover every user's sequence, starting from its end.

    Args:
        length: distance from one window to the next.
        shared: overlap of neighbouring windows of a user: with 1, every transition from an item to the next is in
            exactly one window.
        min_length: shorter windows are left out.
    """
    begins, ends = interactions.sequences.offsets[:-1], interactions.sequences.offsets[1:]
    counts = np.maximum(1, -(-(ends - begins - shared) // length))
    users, back = spans(np.zeros_like(counts), counts)
    stops = ends[users] - back * length
    starts = np.maximum(begins[users], stops - length - shared)
    return Windows(users, starts, stops).take(stops - starts >= min_length)


def sampled_histories(interactions: Interactions, length: int, count: int, rng: np.random.Generator) -> Windows:
    """At most ``count`` histories of at most ``length`` items, without repetition; the next item is at ``stop``."""
    owners = interactions.owners
    begins = interactions.sequences.offsets[owners]
    with_past = np.flatnonzero(np.arange(len(owners)) > begins)
    stops = np.sort(rng.choice(with_past, min(count, len(with_past)), replace=False))
    return Windows(owners[stops], np.maximum(begins[stops], stops - length), stops)


def batches(windows: Windows, size: int, rng: np.random.Generator, *, by_items: bool = False) -> Iterator[IntArray]:
    """Batches of window numbers, each once, in random order; windows of similar length share a batch, to pad little.

    Args:
        size: windows per batch.
        by_items: a batch holds about as many items as ``size`` windows on average, so that a loss averaged over the
            positions of a batch gives equal weight to positions of short and of long windows.

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
        # Each pool is cut separately; else one batch would mix its longest windows with the shortest of the next.
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
    """``sequence[start:stop]`` of each row, padded on the right, (rows, longest) int64."""
    lengths = stops - starts
    positions = np.arange(max(1, int(lengths.max(initial=0))))
    inside = positions < lengths[:, None]
    taken: IntArray = sequence[np.where(inside, starts[:, None] + positions, 0)]
    return np.where(inside, taken, padding)


def ends_of_histories(examples: Examples, interactions: Interactions, length: int) -> tuple[IntArray, IntArray]:
    """The last items of each history as rows, padded on the right, (n, longest); and their number, (n,).

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
    """Batches of at most ``size`` row numbers, shortest history first, which keeps padding small."""
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]
