"""Weighted reciprocal rank fusion of the lists of several rankings (Cormack, Clarke and Buettcher, SIGIR 2009).

An item's score is ``sum_p w_p / (k + r_p)`` over the lists ``p`` that hold it, for its place ``r_p`` in the list.
Unlike scores, places are comparable between models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from unimp_bench.kinds.ranks import Ranking
from unimp_bench.ragged import Ragged
from unimp_bench.records import FloatArray, IntArray

CONSTANTS = (1, 10, 60)
"""Candidates for ``k``: small ones favour the first places, 60 is that of the source."""

STEPS = 10
"""Weights are multiples of one over this number."""

_DIGITS = 12  # equal sums in another order differ in the last digits


@dataclass(frozen=True)
class Mix:
    """Settings of a fusion.

    Attributes:
        weights: one for each ranking, non-negative, of sum 1.
        constant: ``k``.
    """

    weights: tuple[float, ...]
    constant: int

    @classmethod
    def candidates(cls, parts: int) -> Iterator[Mix]:
        """All settings for some rankings, each with a positive weight for at least one of them.

        The weight of an earlier ranking falls first; a ranking alone, whose order the constant cannot change, has one.
        """
        for shares in _compositions(STEPS, parts):
            weights = tuple(share / STEPS for share in shares)
            for constant in CONSTANTS if max(weights) < 1 else CONSTANTS[-1:]:
                yield cls(weights, constant)


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (total,)
        return
    for first in range(total, -1, -1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)


class Fusion:
    """The lists of several rankings of the same examples, to be mixed.

    The target takes its rank, where ties count against the model, and other items their places in the list: a ranking
    with weight 1 keeps its list, and the ranks within it.

    Args:
        rankings: at least one, with lists.
        targets: (n,) item numbers.
        last: rank of a target that no list with a positive weight holds.
    """

    def __init__(self, rankings: Sequence[Ranking], targets: IntArray, last: int) -> None:
        self._examples, self._last = len(targets), last
        self._length = max(ranking.top.shape[1] for ranking in rankings)
        held = [np.nonzero(ranking.top >= 0) for ranking in rankings]
        size = 1 + max(int(ranking.top.max(initial=0)) for ranking in rankings)
        keys = [rows * size + ranking.top[rows, places] for ranking, (rows, places) in zip(rankings, held, strict=True)]
        pairs = np.unique(np.concatenate(keys))
        self._owners, self._items = np.divmod(pairs, size)
        self._is_target = self._items == targets[self._owners]
        self._places = np.full((len(rankings), len(pairs)), np.inf)
        self._target_ranks = np.full((len(rankings), len(targets)), np.inf)
        for part, (ranking, (_, places)) in enumerate(zip(rankings, held, strict=True)):
            self._places[part, np.searchsorted(pairs, keys[part])] = places + 1
            listed = ranking.ranks <= (ranking.top >= 0).sum(axis=1)
            # A target that is masked is in no list: another item has the place of its rank, and is below it.
            absent = (ranking.top != targets[:, None]).all(axis=1)
            self._target_ranks[part, listed] = ranking.ranks[listed] - 0.5 * absent[listed]

    def ranks(self, mix: Mix) -> IntArray:
        """(n,) rank of each target, ties counted against it."""
        return self._ranks(_mixed(self._places, mix), mix)

    def ranking(self, mix: Mix) -> Ranking:
        """Ranks and lists, as long as the longest list; equal scores by item number.

        ``depth`` is the length of the lists, as ranks beyond are not known.
        """
        scores = _mixed(self._places, mix)
        kept = np.flatnonzero(scores > 0)
        order = kept[np.lexsort((self._items[kept], -scores[kept], self._owners[kept]))]
        lists = Ragged.grouped(self._owners[order], self._examples, self._items[order])
        owners = lists.owners()
        places = np.arange(len(order)) - lists.offsets[owners]
        inside = places < self._length
        top = np.full((self._examples, self._length), -1, dtype=np.int64)
        top[owners[inside], places[inside]] = lists.values[inside]
        return Ranking(self._ranks(scores, mix), top, self._length)

    def _ranks(self, scores: FloatArray, mix: Mix) -> IntArray:
        bars = _mixed(self._target_ranks, mix)
        above = ~self._is_target & (scores > 0) & (scores >= bars[self._owners])
        ranks = 1 + np.bincount(self._owners[above], minlength=self._examples)
        return np.where(bars > 0, ranks, self._last)


def _mixed(places: FloatArray, mix: Mix) -> FloatArray:
    """The scores of places, (parts, n), infinite where a list does not hold the item."""
    weights = np.array(mix.weights)
    scores: FloatArray = np.round(weights @ (1 / (mix.constant + places)), _DIGITS)
    return scores
