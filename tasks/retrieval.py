"""The fixed retriever of image generation: items that followed those of the history, within the query's category.

The paper uses its own search model; a fixed retriever without training gives every model the same pictures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csc_array, csr_array

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.reader import PATH_SEPARATOR
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.records import Examples, FloatArray, IntArray, Split, learned_from

HISTORY = 5
_CELLS_AT_ONCE = 1 << 22


class Retriever:
    """Ranks the items with a picture under the query's category by transitions from the history, then by popularity.

    The transitions are those between consecutive interactions of the training part, summed over the last ``HISTORY``
    items; ties go to the lower item number. A training example's own transition is not counted, since it would reveal
    the target. A category with too few pictures is widened to its parent, finally to the whole catalogue.

    Args:
        paths: the category path of every item.
    """

    def __init__(self, corpus: Corpus, split: Split, paths: Sequence[str]) -> None:
        train = target_examples(corpus, learned_from(split), "train", "retrieval")
        assert train.targets is not None
        pairs = (np.ones(len(train), dtype=np.float32), (train.histories.items[train.ends - 1], train.targets))
        self._transitions = csc_array(pairs, shape=(len(corpus.items), len(corpus.items)))
        self._popularity = np.bincount(train.histories.items, minlength=len(corpus.items)).astype(np.float32)
        items = catalogue(corpus, split)
        self._items = items[corpus.items.has_picture[items]]
        self._with_path: dict[str, list[int]] = defaultdict(list)
        self._below: dict[str, list[int]] = defaultdict(list)
        for item in self._items.tolist():
            self._with_path[paths[item]].append(item)
            for prefix in _prefixes(paths[item]):
                self._below[prefix].append(item)

    def retrieve(self, examples: Examples, count: int) -> IntArray:
        """(n, count) item numbers, best first; an item is repeated only if the catalogue has fewer pictures."""
        assert examples.queries is not None
        found = np.empty((len(examples), count), dtype=np.int64)
        order = np.argsort(examples.queries, kind="stable")
        cuts = np.flatnonzero(np.diff(examples.queries[order])) + 1
        for group in np.split(order, cuts):
            if not len(group):
                continue
            pool = self._pool(examples.query_texts[int(examples.queries[group[0]])], count)
            step = max(1, _CELLS_AT_ONCE // len(pool))
            for start in range(0, len(group), step):
                rows = group[start : start + step]
                found[rows] = pool[self._best(examples.select(rows), pool, count)]
        return found

    def _best(self, examples: Examples, pool: IntArray, count: int) -> IntArray:
        """(n, count) indices in the pool."""
        scores = self._scores(examples, pool)
        indices = np.empty((len(examples), count), dtype=np.int64)
        for rank in range(min(count, len(pool))):
            indices[:, rank] = scores.argmax(axis=1)
            scores[np.arange(len(examples)), indices[:, rank]] = -np.inf
        indices[:, len(pool) :] = indices[:, :1]
        return indices

    def _scores(self, examples: Examples, pool: IntArray) -> FloatArray:
        """(n, pool): integer parts count transitions, fractional parts order by popularity."""
        history = examples.last_items(HISTORY)
        rows, columns = np.nonzero(history >= 0)
        shape = (len(examples), self._transitions.shape[0])
        last = csr_array((np.ones(len(rows), dtype=np.float32), (rows, history[rows, columns])), shape=shape)
        scores: FloatArray = (last @ self._transitions[:, pool]).toarray().astype(np.float64)
        popularity = np.broadcast_to(self._popularity[pool].astype(np.float64), scores.shape).copy()
        if examples.part == "train":
            assert examples.targets is not None
            index = np.minimum(np.searchsorted(pool, examples.targets), len(pool) - 1)
            own = np.flatnonzero(pool[index] == examples.targets)
            # The transition from the last item counts once for each time that the item occurs in the window.
            scores[own, index[own]] -= (history == history[:, -1:]).sum(axis=1)[own]
            popularity[own, index[own]] -= 1
        ordered: FloatArray = scores + popularity / (1 + self._popularity.max())
        return ordered

    def _pool(self, query: str, count: int) -> IntArray:
        """Sorted items with the query's category path, or with the longest prefix of it that has enough items."""
        exact = self._with_path.get(query, [])
        if len(exact) >= count:
            return np.array(exact)
        wider = (self._below.get(prefix, []) for prefix in reversed(_prefixes(query)[:-1]))
        enough = next((pool for pool in wider if len(pool) >= count), None)
        return self._items if enough is None else np.array(enough)


def _prefixes(path: str) -> list[str]:
    """A category path and its ancestors, from the root down."""
    parts = path.split(PATH_SEPARATOR)
    return [PATH_SEPARATOR.join(parts[:kept]) for kept in range(1, len(parts) + 1)]
