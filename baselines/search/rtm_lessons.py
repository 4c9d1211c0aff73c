"""What RTM learns from: the training interactions with one before them, and the negatives that are set against each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines.search.rtm_pool import Pools
from baselines.search.words import Documents, Vocabulary
from unimp_bench.errors import UsageError
from unimp_bench.records import Examples, IntArray


@dataclass(frozen=True)
class Lessons:
    """N training examples.

    Attributes:
        starts, ends: (N,) the training rows of what the user had before.
        targets: (N,) the item that was bought at row ``end``.
        queries: words of the distinct queries.
        query_rows: (N,) rows of ``queries``, and of ``pools``.
        pools: (queries, size) the items that are ranked for each query.
        catalogue: sorted items that may be answers.
    """

    starts: IntArray
    ends: IntArray
    targets: IntArray
    queries: Documents
    query_rows: IntArray
    pools: IntArray
    catalogue: IntArray

    @classmethod
    def of(cls, train: Examples, catalogue: IntArray, vocabulary: Vocabulary, pools: Pools) -> Lessons:
        """Of the training examples of search.

        Raises:
            UsageError: there is one item, and so no negative.
        """
        if len(catalogue) < 2:
            raise UsageError("the catalogue has a single item, so there is no negative to draw")
        assert train.targets is not None and train.queries is not None
        drawn, rows = pools.of(train)
        texts = [train.query_texts[query] for query in np.unique(train.queries)]
        return cls(
            train.starts(),
            train.ends,
            train.targets.astype(np.int64),
            vocabulary.queries(texts),
            rows,
            drawn,
            catalogue,
        )

    def __len__(self) -> int:
        return len(self.targets)

    def draw(self, rows: IntArray, count: int, hard: float, rng: np.random.Generator) -> IntArray:
        """Negatives of some examples, (rows, count): with probability ``hard`` from the query's pool, else from all.

        All items are equally likely, but never the target.
        """
        targets = self.targets[rows]
        others = self.catalogue[
            _other_places(np.searchsorted(self.catalogue, targets), len(self.catalogue), count, rng)
        ]
        if not hard:
            return others
        pools = self.pools[self.query_rows[rows]]
        at_target = pools == targets[:, None]
        places = np.where(at_target.any(axis=1), at_target.argmax(axis=1), pools.shape[1])
        near = np.take_along_axis(pools, _other_places(places, pools.shape[1], count, rng), axis=1)
        return np.where(rng.random(near.shape) < hard, near, others)


def _other_places(taken: IntArray, size: int, count: int, rng: np.random.Generator) -> IntArray:
    """(n, count) numbers below ``size``, in each row without that of ``taken`` (n,), which may be ``size`` for none."""
    left = size - (taken < size)
    places = (rng.random((len(taken), count)) * left[:, None]).astype(np.int64)
    return places + (places >= taken[:, None])
