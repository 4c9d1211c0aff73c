"""The fixed retriever of image generation: what users who had these items took next, among items of the query.

Any search model could stand here (the paper uses its own); a fixed one that needs no training gives every model the
same pictures to draw from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.reader import PATH_SEPARATOR
from unimp_bench.records import Examples, FloatArray, IntArray, Split
from unimp_bench.splits import catalogue, target_examples

HISTORY = 5
_CELLS_AT_ONCE = 1 << 22


class Retriever:
    """Ranks the items with a picture under the query's category by transitions from the history, then by popularity.

    The transitions are those between consecutive interactions of the training part, summed over the last ``HISTORY``
    items; equal scores go to the lower item number. A training example's own transition is not counted, or the
    target would tell itself. A category with too few pictures widens to the one above it, and last to everything.

    Args:
        paths: the category path of every item.
    """

    def __init__(self, corpus: Corpus, split: Split, paths: Sequence[str]) -> None:
        train = target_examples(corpus, "loo", "train", "retrieval")
        assert train.targets is not None
        before = train.histories.items[train.ends - 1]
        shape = (len(corpus.items), len(corpus.items))
        pairs = (np.ones(len(before), dtype=np.float32), (before, train.targets))
        self._transitions = csr_array(pairs, shape=shape)
        self._popularity = np.bincount(train.histories.items, minlength=shape[0]).astype(np.float32)
        self._by_target = self._transitions.tocsc()
        items = catalogue(corpus, split)
        self._items = items[corpus.items.has_picture[items]]
        self._paths = [paths[item] for item in self._items]

    def retrieve(self, examples: Examples, count: int) -> IntArray:
        """(n, count) item numbers, best first; an item stands twice only where the catalogue has fewer pictures."""
        assert examples.queries is not None
        found = np.empty((len(examples), count), dtype=np.int64)
        order = np.argsort(examples.queries, kind="stable")
        cuts = np.flatnonzero(np.diff(examples.queries[order])) + 1
        for group in np.split(order, cuts):
            if not len(group):
                continue
            shelf = self._shelf(examples.query_texts[int(examples.queries[group[0]])], count)
            step = max(1, _CELLS_AT_ONCE // len(shelf))
            for start in range(0, len(group), step):
                rows = group[start : start + step]
                found[rows] = shelf[self._best(examples.select(rows), shelf, count)]
        return found

    def _best(self, examples: Examples, shelf: IntArray, count: int) -> IntArray:
        """(n, count) places on the shelf."""
        scores = self._scores(examples, shelf)
        places = np.empty((len(examples), count), dtype=np.int64)
        for place in range(min(count, len(shelf))):
            places[:, place] = scores.argmax(axis=1)
            scores[np.arange(len(examples)), places[:, place]] = -np.inf
        places[:, len(shelf) :] = places[:, :1]
        return places

    def _scores(self, examples: Examples, shelf: IntArray) -> FloatArray:
        """(n, shelf): whole numbers are transitions, the part below one orders by popularity."""
        history = examples.last_items(HISTORY)
        rows, columns = np.nonzero(history >= 0)
        shape = (len(examples), self._transitions.shape[0])
        last = csr_array((np.ones(len(rows), dtype=np.float32), (rows, history[rows, columns])), shape=shape)
        scores: FloatArray = (last @ self._by_target[:, shelf]).toarray().astype(np.float64)
        popularity = np.broadcast_to(self._popularity[shelf].astype(np.float64), scores.shape).copy()
        if examples.part == "train":
            assert examples.targets is not None
            place = np.minimum(np.searchsorted(shelf, examples.targets), len(shelf) - 1)
            own = np.flatnonzero(shelf[place] == examples.targets)
            scores[own, place[own]] -= 1
            popularity[own, place[own]] -= 1
        ordered: FloatArray = scores + popularity / (1 + self._popularity.max())
        return ordered

    def _shelf(self, query: str, count: int) -> IntArray:
        """Sorted items whose category path is the query, or begins with so much of it that there are enough."""
        parts = query.split(PATH_SEPARATOR)
        exact = self._items[[path == query for path in self._paths]]
        if len(exact) >= count:
            return exact
        for kept in range(len(parts) - 1, 0, -1):
            begin = PATH_SEPARATOR.join(parts[:kept])
            inside = [path == begin or path.startswith(begin + PATH_SEPARATOR) for path in self._paths]
            if sum(inside) >= count:
                return self._items[inside]
        return self._items
