"""What the stored order owes to a file: checks that need no clock.

Sources write down what a user did on one day in the order of a file, often sorted by item, and a model that learns that
order predicts the file. Two things give it away. Neighbouring interactions lean to one direction of the item ids. And
frequent pairs of neighbours only ever go one way: where the direction of each of n is by chance, all of them are the
same with probability 2 * (1/2)^n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unimp_bench.corpus import Corpus
from unimp_bench.records import BoolArray, Examples, IntArray
from unimp_bench.reports.audit.corpus.measures import FREQUENT, FileOrder, Ids
from unimp_bench.reports.audit.corpus.order import last_items, mean, share

_SEED = 0
"""Of the order by chance among ties."""


@dataclass(frozen=True)
class Neighbours:
    """Pairs of neighbouring interactions of a user, of two different items, in the stored order.

    Attributes:
        first, second: (pairs,) item numbers.
        last: (pairs,) whether the second is the user's last interaction, the test target of ``loo``.
        tied: (pairs,) whether both have one time; None without clock times.
    """

    first: IntArray
    second: IntArray
    last: BoolArray
    tied: BoolArray | None

    @classmethod
    def of(cls, corpus: Corpus, *, shuffled: bool = False) -> Neighbours:
        """Args: shuffled: with interactions of one user and time in an order by chance."""
        histories = corpus.histories
        items, times = np.asarray(histories.items), np.asarray(histories.times)
        if shuffled:
            owners = np.repeat(np.arange(histories.users), histories.lengths())
            begins = np.append(True, (owners[1:] != owners[:-1]) | (times[1:] != times[:-1]))
            items = items[np.lexsort((np.random.default_rng(_SEED).random(len(items)), np.cumsum(begins)))]
        rows = np.setdiff1d(np.arange(len(histories)), histories.offsets[:-1])  # that have one before them
        rows = rows[items[rows] != items[rows - 1]]
        return cls(
            first=items[rows - 1].astype(np.int64),
            second=items[rows].astype(np.int64),
            last=np.isin(rows, histories.offsets[1:] - 1),
            tied=times[rows] == times[rows - 1] if corpus.has_clock else None,
        )


def file_order(corpus: Corpus) -> FileOrder | None:
    """The checks over all interactions; None for a corpus where no user has two different items."""
    pairs = Neighbours.of(corpus)
    if not len(pairs.first):
        return None
    ids, places = _id_order(corpus, pairs)
    upward = places[pairs.second] > places[pairs.first]
    by_chance = Neighbours.of(corpus, shuffled=True) if corpus.has_clock else None
    low, high = np.minimum(pairs.first, pairs.second), np.maximum(pairs.first, pairs.second)
    _, key_of_pair = np.unique(low * len(places) + high, return_inverse=True)
    counts = np.bincount(key_of_pair)
    ascents = np.bincount(key_of_pair, weights=upward)
    frequent = counts >= FREQUENT
    one_way = frequent & ((ascents == 0) | (ascents == counts))
    return FileOrder(
        ids=ids,
        pairs=len(upward),
        ascending=mean(upward),
        expected=0.5 if by_chance is None else mean(places[by_chance.second] > places[by_chance.first]),
        last=_mean(upward[pairs.last]),
        tied=None if pairs.tied is None else _mean(upward[pairs.tied]),
        untied=None if pairs.tied is None else _mean(upward[~pairs.tied]),
        frequent=int(frequent.sum()),
        one_way=share(one_way.sum(), frequent.sum()) if frequent.any() else None,
        by_chance=mean(2.0 ** (1 - counts[frequent])) if frequent.any() else None,
        one_way_ascending=_mean(ascents[one_way] > 0),
    )


def with_file(corpus: Corpus, test: Examples) -> BoolArray:
    """(n,) whether the target follows the last item of the history in the order of a file sorted by id.

    That is ascending, or descending where the order of the corpus is that of such a file. A repeat of the last item,
    and a target without a history, follow no order.
    """
    assert test.targets is not None
    order, last = file_order(corpus), last_items(test)
    if order is None:
        return np.zeros(len(test), dtype=np.bool_)
    places = _places(corpus, order.ids)
    before, after = places[last], places[test.targets]
    follows: BoolArray = (last >= 0) & (after < before if order.descends else after > before)
    return follows


def _id_order(corpus: Corpus, pairs: Neighbours) -> tuple[Ids, IntArray]:
    """How ids are compared, and (items,) the place of each item in that order.

    As text; or as numbers where all ids are whole numbers and the neighbours lean further to one side by those: a file
    may be sorted either way.
    """
    numbered = all(name.isascii() and name.isdigit() for name in corpus.items.names)
    kinds: tuple[Ids, ...] = ("text", "number") if numbered else ("text",)
    orders = {kind: _places(corpus, kind) for kind in kinds}

    def lean(kind: Ids) -> float:
        return abs(float(np.mean(orders[kind][pairs.second] > orders[kind][pairs.first])) - 0.5)

    kind = max(kinds, key=lean)
    return kind, orders[kind]


def _places(corpus: Corpus, kind: Ids) -> IntArray:
    """(items,) the place of each item when all are sorted by id."""
    names = corpus.items.names
    keys = names if kind == "text" else [int(name) for name in names]
    places = np.empty(len(names), dtype=np.int64)
    places[sorted(range(len(names)), key=keys.__getitem__)] = np.arange(len(names))
    return places


def _mean(values: BoolArray) -> float | None:
    return mean(values) if len(values) else None
