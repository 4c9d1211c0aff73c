"""The items that a costly model ranks anew: those of the queried category, the most popular first, then the others.

A query of this benchmark is the category path of the wanted item, so that all of a category fit it equally well and
popularity is what orders them before the user is known. Pools are drawn from all items of the corpus, whatever
catalogue is asked, so an item's score never depends on its competitors.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from baselines.popularity import QueryMatcher
from unimp_bench.corpus import Items
from unimp_bench.records import Examples, IntArray

_BLOCK = 128


class Pools:
    """The best ``size`` items of each query.

    Args:
        items: of the whole corpus.
        counts: (items,) interactions of each item in the training part.
        size: of a pool; a smaller corpus makes smaller ones.
    """

    def __init__(self, items: Items, counts: IntArray, size: int) -> None:
        self._matcher, self._all = QueryMatcher(items), np.arange(len(items))
        self._places = np.empty(len(items), dtype=np.int64)
        self._places[np.lexsort((-self._all, counts))] = self._all  # no two alike: the lower number before
        self.size = min(size, len(items))

    def of(self, examples: Examples) -> tuple[IntArray, IntArray]:
        """(queries, size) item numbers, best first, of the distinct queries; (examples,) the row of each example's."""
        assert examples.queries is not None
        distinct, row_of_example = np.unique(examples.queries, return_inverse=True)
        pools = np.empty((len(distinct), self.size), dtype=np.int64)
        for start in range(0, len(distinct), _BLOCK):
            asked = replace(examples, queries=distinct[start : start + _BLOCK])
            ranks = self._places + len(self._all) * self._matcher.matches(asked, self._all)
            best = np.argpartition(-ranks, self.size - 1, axis=1)[:, : self.size]
            order = np.argsort(-np.take_along_axis(ranks, best, axis=1), axis=1)
            pools[start : start + _BLOCK] = np.take_along_axis(best, order, axis=1)
        return pools, row_of_example

    def recall(self, examples: Examples) -> float:
        """Share of the examples whose target is in its query's pool."""
        assert examples.targets is not None
        pools, rows = self.of(examples)
        return float((pools[rows] == examples.targets[:, None]).any(axis=1).mean())
