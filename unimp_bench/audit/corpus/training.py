"""What models may learn from in a split, and what it says of items."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unimp_bench.audit.corpus.graph import TransitionGraph
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.records import Examples, Histories, IntArray, Split
from unimp_bench.splits import catalogue, target_examples

_TASK = "audit"
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Training:
    """The training part of a split.

    Attributes:
        split: whose test examples are asked.
        histories: the training interactions of all users.
        catalogue: sorted numbers of the items that may be an answer.
        items: number of items of the corpus.
    """

    split: Split
    histories: Histories
    catalogue: IntArray
    items: int

    @cached_property
    def counts(self) -> IntArray:
        """(items,) training interactions of each item."""
        return np.bincount(self.histories.items, minlength=self.items)

    @cached_property
    def first_times(self) -> IntArray:
        """(items,) int64 time of each item's first training interaction; the largest number for an item without."""
        first = np.full(self.items, _NEVER, dtype=np.int64)
        np.minimum.at(first, self.histories.items, self.histories.times)
        return first

    @cached_property
    def graph(self) -> TransitionGraph:
        """Who went where."""
        return TransitionGraph(self.histories, self.items)

    def most_popular(self, share: float) -> IntArray:
        """The ``share`` of the catalogue (rounded up) with the most training interactions; equal ones by number."""
        kept = math.ceil(round(share * len(self.catalogue), 6))  # 0.07 * 100 is a little above 7
        order = np.argsort(-self.counts[self.catalogue], kind="stable")
        chosen: IntArray = self.catalogue[order[:kept]]
        return chosen


def asked_splits(corpus: Corpus, splits: tuple[Split, ...]) -> list[tuple[Training, Examples]]:
    """Of each split that has test examples: its training part, and the test examples of recommendation.

    A split without a training part of its own is asked of models that were fitted on ``loo``.

    Raises:
        UsageError: no split has any.
    """
    found = []
    for split in splits:
        try:
            test = target_examples(corpus, split, "test", _TASK)
        except UsageError:
            continue  # the corpus has no such users
        found.append((_training(corpus, split), test))
    if not found:
        raise UsageError(f"corpus {corpus.name!r} has no test examples to audit: no user has three interactions")
    return found


def _training(corpus: Corpus, split: Split) -> Training:
    try:
        train = target_examples(corpus, split, "train", _TASK)
    except UsageError:
        train = target_examples(corpus, "loo", "train", _TASK)
    return Training(split, train.histories, catalogue(corpus, split), len(corpus.items))
