"""File-order artefacts in the stored order of interactions; the checks need no timestamps.

Sources often store a user's interactions of one day sorted by item, and a model that learns this order predicts the
file. There are two symptoms: neighbouring interactions ascend (or descend) by item id more often than expected, and
frequent pairs of neighbours have only one direction. With random directions, all n occurrences of a pair have the same
one with probability 2 * (1/2)^n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unimp_bench.corpus import Corpus
from unimp_bench.records import BoolArray, Examples, IntArray
from unimp_bench.reports.audit.corpus.interactions import last_items, mean, share
from unimp_bench.reports.audit.corpus.record import FREQUENT, FileOrder, Ids

_SEED = 0
"""For shuffling ties."""


@dataclass(frozen=True)
class Neighbours:
    """Pairs of neighbouring interactions of a user with two different items, in the stored order.

    Attributes:
        first, second: (pairs,) item numbers.
        last: (pairs,) whether the second is the user's last interaction, the test target of ``loo``.
        tied: (pairs,) whether both have the same time; None without timestamps.
    """

    first: IntArray
    second: IntArray
    last: BoolArray
    tied: BoolArray | None

    @classmethod
    def of(cls, corpus: Corpus, *, shuffled: bool = False) -> Neighbours:
        """Args: shuffled: with simultaneous interactions of a user in random order."""
        histories = corpus.histories
        items, times = np.asarray(histories.items), np.asarray(histories.times)
        if shuffled:
            owners = np.repeat(np.arange(histories.users), histories.lengths())
            begins = np.append(True, (owners[1:] != owners[:-1]) | (times[1:] != times[:-1]))
            items = items[np.lexsort((np.random.default_rng(_SEED).random(len(items)), np.cumsum(begins)))]
        rows = np.setdiff1d(np.arange(len(histories)), histories.offsets[:-1])  # with a predecessor
        rows = rows[items[rows] != items[rows - 1]]
        return cls(
            first=items[rows - 1].astype(np.int64),
            second=items[rows].astype(np.int64),
            last=np.isin(rows, histories.offsets[1:] - 1),
            tied=times[rows] == times[rows - 1] if corpus.has_clock else None,
        )


def file_order(corpus: Corpus) -> FileOrder | None:
    """The checks over all interactions; None if no user has two different items."""
    pairs = Neighbours.of(corpus)
    if not len(pairs.first):
        return None
    ids, positions = _id_order(corpus, pairs)
    upward = positions[pairs.second] > positions[pairs.first]
    at_random = Neighbours.of(corpus, shuffled=True) if corpus.has_clock else None
    low, high = np.minimum(pairs.first, pairs.second), np.maximum(pairs.first, pairs.second)
    _, key_of_pair = np.unique(low * len(positions) + high, return_inverse=True)
    counts = np.bincount(key_of_pair)
    ascents = np.bincount(key_of_pair, weights=upward)
    frequent = counts >= FREQUENT
    one_way = frequent & ((ascents == 0) | (ascents == counts))
    return FileOrder(
        ids=ids,
        pairs=len(upward),
        ascending=mean(upward),
        expected=0.5 if at_random is None else mean(positions[at_random.second] > positions[at_random.first]),
        last=_mean(upward[pairs.last]),
        tied=None if pairs.tied is None else _mean(upward[pairs.tied]),
        untied=None if pairs.tied is None else _mean(upward[~pairs.tied]),
        frequent=int(frequent.sum()),
        one_way=share(one_way.sum(), frequent.sum()) if frequent.any() else None,
        by_chance=mean(2.0 ** (1 - counts[frequent])) if frequent.any() else None,
        one_way_ascending=_mean(ascents[one_way] > 0),
    )


def with_file(corpus: Corpus, test: Examples) -> BoolArray:
    """(n,) whether the target follows the last item of the history in a file sorted by id.

    The order is descending if the artefact of the corpus is, else ascending. False for repeats of the last item and
    for empty histories.
    """
    assert test.targets is not None
    order, last = file_order(corpus), last_items(test)
    if order is None:
        return np.zeros(len(test), dtype=np.bool_)
    positions = _positions(corpus, order.ids)
    before, after = positions[last], positions[test.targets]
    follows: BoolArray = (last >= 0) & (after < before if order.descends else after > before)
    return follows


def _id_order(corpus: Corpus, pairs: Neighbours) -> tuple[Ids, IntArray]:
    """How ids are compared, and (items,) the position of each item in that order.

    As text; or as numbers if all ids are integers and the neighbours deviate further from a half in that order, as a
    file may be sorted either way.
    """
    numbered = all(name.isascii() and name.isdigit() for name in corpus.items.names)
    kinds: tuple[Ids, ...] = ("text", "number") if numbered else ("text",)
    orders = {kind: _positions(corpus, kind) for kind in kinds}

    def deviation(kind: Ids) -> float:
        return abs(float(np.mean(orders[kind][pairs.second] > orders[kind][pairs.first])) - 0.5)

    kind = max(kinds, key=deviation)
    return kind, orders[kind]


def _positions(corpus: Corpus, kind: Ids) -> IntArray:
    """(items,) the position of each item when sorted by id."""
    names = corpus.items.names
    keys = names if kind == "text" else [int(name) for name in names]
    positions = np.empty(len(names), dtype=np.int64)
    positions[sorted(range(len(names)), key=keys.__getitem__)] = np.arange(len(names))
    return positions


def _mean(values: BoolArray) -> float | None:
    return mean(values) if len(values) else None
