"""Inputs of RTM: reviews of users and items, the candidates per query, and the training examples.

The review of the predicted interaction is excluded on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from baselines.learning.files import reading
from baselines.popularity import QueryMatcher
from baselines.search.learned import ItemTexts, SearchVocabulary
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError
from unimp_bench.ragged import Ragged, offsets_of
from unimp_bench.records import Examples, Histories, IntArray, Texts

FILE = "reviews.safetensors"
PADDING = -1
"""Document number of padding."""

_QUERIES = 128


@dataclass(frozen=True)
class Reviews:
    """The documents of I items and T training interactions.

    Numbering of documents: first a pseudo-review per item of the corpus, its text, then the training reviews in the
    order of their interactions. On a corpus without reviews, interactions have the text of their item as document.

    Attributes:
        vocabulary: of the documents.
        documents: the first words of each document.
        items: (T,) item of each interaction.
        times: (T,) int64 time of each interaction.
        recall: share of the validation targets contained in the pools.
    """

    vocabulary: SearchVocabulary
    documents: Ragged
    items: IntArray
    times: IntArray
    recall: float

    @classmethod
    def of(
        cls, histories: Histories, items: Items, vocabulary: SearchVocabulary, max_words: int, recall: float
    ) -> Reviews:
        """Build from the training histories; documents are cut to ``max_words``."""
        documents = vocabulary.documents(Texts(ItemTexts(items), np.arange(len(items))))
        if histories.reviews is not None:
            reviews = vocabulary.documents(histories.reviews)
            lengths = np.concatenate([documents.lengths(), reviews.lengths()])
            documents = Ragged.of_lengths(lengths, np.concatenate([documents.values, reviews.values]))
        documents = documents.keep(documents.positions() < max_words)
        rows, times = np.asarray(histories.items, dtype=np.int64), np.asarray(histories.times, dtype=np.int64)
        return cls(vocabulary, documents, rows, times, recall)

    @classmethod
    def read(cls, folder: Path) -> Reviews:
        path = folder / FILE
        with reading(path):
            kept = load_file(path)
            documents = Ragged(kept["offsets"], kept["words"])
            recall = float(kept["recall"][0])
            return cls(SearchVocabulary.read(folder), documents, kept["items"], kept["times"], recall)

    def write(self, folder: Path) -> None:
        self.vocabulary.write(folder)
        arrays = {"offsets": self.documents.offsets, "words": self.documents.values}
        rest = {"items": self.items, "times": self.times, "recall": np.array([self.recall])}
        save_file(arrays | rest, folder / FILE)

    @property
    def item_count(self) -> int:
        """The number of items, I."""
        return len(self.documents) - (len(self.items) if self.vocabulary.reviewed else 0)

    def of_users(self, starts: IntArray, ends: IntArray, count: int) -> IntArray:
        """The last ``count`` documents of training interactions ``start:end``, oldest first, (n, longest).

        Padded with ``PADDING`` on the right.
        """
        rows = last_of(starts, ends, count)
        documents = rows + self.item_count if self.vocabulary.reviewed else self.items[rows]
        return np.where(rows >= 0, documents, PADDING)

    def of_items(self, items: IntArray, without: IntArray, count: int) -> IntArray:
        """The last ``count`` training reviews of items, oldest first, (n, longest), ``PADDING`` on the right.

        An item without reviews has its pseudo-review.

        Args:
            items: (n,) item numbers.
            without: (n,) the predicted training interaction, whose review is excluded; -1 for none.
            count: maximum number of documents per item.
        """
        if not self.vocabulary.reviewed:
            return np.asarray(items)[:, None]
        by_item = self._interactions_of_items
        positions = last_of(by_item.offsets[items], by_item.offsets[items + 1], count + 1)
        rows = np.where(positions >= 0, by_item.values[positions], PADDING)
        left_out = (rows == without[:, None]) & (rows >= 0)
        left_out[:, 0] |= ~left_out.any(axis=1) & ((rows >= 0).sum(axis=1) > count)  # one more than needed was taken
        rows[left_out] = PADDING
        rows = np.take_along_axis(rows, np.argsort(rows < 0, axis=1, kind="stable"), axis=1)[:, :count]
        documents = np.where(rows >= 0, rows + self.item_count, PADDING)
        documents[:, 0] = np.where(rows[:, 0] >= 0, documents[:, 0], items)
        return documents

    @cached_property
    def _interactions_of_items(self) -> Ragged:
        """Training interactions of each item, ordered by time."""
        offsets = offsets_of(np.bincount(self.items, minlength=self.item_count))
        return Ragged(offsets, np.lexsort((self.times, self.items)))


class Pools:
    """The candidates per query: the items of the queried category by decreasing popularity, then all other items.

    A query of this benchmark is the category path of the target, so all items of a category match equally well, and
    without the user only popularity orders them. Pools are chosen from all items of the corpus, not from the catalogue,
    so the score of an item never depends on its competitors.

    Args:
        items: of the whole corpus.
        counts: (items,) training interactions of each item.
        size: of a pool; smaller on a smaller corpus.
    """

    def __init__(self, items: Items, counts: IntArray, size: int) -> None:
        self._matcher, self._all = QueryMatcher(items), np.arange(len(items))
        self._ranks = np.empty(len(items), dtype=np.int64)
        self._ranks[np.lexsort((-self._all, counts))] = self._all  # ties go to the lower number
        self.size = min(size, len(items))

    def of(self, examples: Examples) -> tuple[IntArray, IntArray]:
        """Pools of the distinct queries, (queries, size), best first; query row of each example, (examples,)."""
        assert examples.queries is not None
        distinct, row_of_example = np.unique(examples.queries, return_inverse=True)
        pools = np.empty((len(distinct), self.size), dtype=np.int64)
        for start in range(0, len(distinct), _QUERIES):
            block = replace(examples, queries=distinct[start : start + _QUERIES])
            ranks = self._ranks + len(self._all) * self._matcher.matches(block, self._all)
            best = np.argpartition(-ranks, self.size - 1, axis=1)[:, : self.size]
            order = np.argsort(-np.take_along_axis(ranks, best, axis=1), axis=1)
            pools[start : start + _QUERIES] = np.take_along_axis(best, order, axis=1)
        return pools, row_of_example

    def recall(self, examples: Examples) -> float:
        """Share of the examples whose target is in the pool of its query."""
        assert examples.targets is not None
        pools, rows = self.of(examples)
        return float((pools[rows] == examples.targets[:, None]).any(axis=1).mean())


@dataclass(frozen=True)
class TrainingExamples:
    """N training interactions with an earlier interaction of the same user.

    Attributes:
        starts, ends: (N,) range of the user's earlier training interactions.
        targets: (N,) item of interaction ``end``.
        queries: words of the distinct queries.
        query_rows: (N,) rows of ``queries``, and of ``pools``.
        pools: (queries, size) candidates per query.
        catalogue: sorted candidate items.
    """

    starts: IntArray
    ends: IntArray
    targets: IntArray
    queries: Ragged
    query_rows: IntArray
    pools: IntArray
    catalogue: IntArray

    @classmethod
    def of(cls, train: Examples, catalogue: IntArray, vocabulary: SearchVocabulary, pools: Pools) -> TrainingExamples:
        """Build from the training examples of search.

        Raises:
            UsageError: the catalogue has a single item, and so no negative.
        """
        if len(catalogue) < 2:
            raise UsageError("the catalogue has a single item, so there is no negative to draw")
        assert train.targets is not None
        candidates, rows = pools.of(train)
        queries = vocabulary.queries(train.distinct_queries()[0])
        targets = train.targets.astype(np.int64)
        return cls(train.starts(), train.ends, targets, queries, rows, candidates, catalogue)

    def __len__(self) -> int:
        return len(self.targets)

    def draw(self, rows: IntArray, count: int, hard: float, rng: np.random.Generator) -> IntArray:
        """Negatives of the given examples, (rows, count): with probability ``hard`` from the pool, else from all items.

        Uniform over all of them except the target.
        """
        targets = self.targets[rows]
        columns = np.searchsorted(self.catalogue, targets)
        easy = self.catalogue[_draw_others(columns, len(self.catalogue), count, rng)]
        if not hard:
            return easy
        pools = self.pools[self.query_rows[rows]]
        at_target = pools == targets[:, None]
        columns = np.where(at_target.any(axis=1), at_target.argmax(axis=1), pools.shape[1])
        near = np.take_along_axis(pools, _draw_others(columns, pools.shape[1], count, rng), axis=1)
        return np.where(rng.random(near.shape) < hard, near, easy)


def last_of(starts: IntArray, ends: IntArray, count: int) -> IntArray:
    """The last ``count`` integers of each ``start:end``, ascending, padded with -1, (n, longest >= 1) int64."""
    starts = np.maximum(starts, ends - count)
    rows = starts[:, None] + np.arange(max(1, int((ends - starts).max(initial=0))))
    return np.where(rows < ends[:, None], rows, -1)


def _draw_others(excluded: IntArray, size: int, count: int, rng: np.random.Generator) -> IntArray:
    """(n, count) uniform integers below ``size`` other than ``excluded`` (n,); ``size`` itself excludes none."""
    left = size - (excluded < size)
    drawn = (rng.random((len(excluded), count)) * left[:, None]).astype(np.int64)
    return drawn + (drawn >= excluded[:, None])
