"""What rankers by a fixed matrix of item-to-item weights share: a score is a sum over the history."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from scipy import sparse

from baselines.learning.interactions import TASK, Interactions
from unimp_bench.contracts import FitData, Ranker
from unimp_bench.corpus import Items
from unimp_bench.records import Examples, FloatArray, IntArray, slices

ConfigT = TypeVar("ConfigT")
WeightsT = TypeVar("WeightsT", sparse.csr_array, FloatArray)


class ItemToItem(Ranker[ConfigT], Generic[ConfigT, WeightsT]):
    """``score(i) = sum over j in the history of W[j, i]``: no user is learned, so new users are scored like others.

    The history is the example's own: in the test part it holds the validation item, as sequential models see it.
    """

    def __init__(self, config: ConfigT) -> None:
        super().__init__(config)
        self._fitted: tuple[Interactions, WeightsT] | None = None

    @abstractmethod
    def weigh(self, matrix: sparse.csr_array) -> WeightsT:
        """W, (I, I), from who interacted with what, (U, I) of ones."""

    @abstractmethod
    def write(self, weights: WeightsT, folder: Path) -> None:
        """Keep W in a folder."""

    @abstractmethod
    def read(self, folder: Path) -> WeightsT:
        """What ``write`` wrote."""

    def fit(self, data: FitData) -> None:
        interactions = Interactions.of(data.examples[TASK].train, data.catalogue)
        self._fitted = interactions, self.weigh(interactions.matrix)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        assert self._fitted is not None, "fit or load comes first"
        interactions, weights = self._fitted
        scores = history_matrix(examples, interactions) @ weights
        dense: FloatArray = scores.toarray() if sparse.issparse(scores) else scores
        if np.array_equal(catalogue, interactions.items):
            return dense
        return dense[:, interactions.item_rows(catalogue)]

    def save(self, folder: Path) -> None:
        assert self._fitted is not None, "fit or load comes first"
        interactions, weights = self._fitted
        interactions.write(folder)
        self.write(weights, folder)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._fitted = Interactions.read(folder), self.read(folder)


def history_matrix(examples: Examples, interactions: Interactions) -> sparse.csr_array:
    """Which items stand in each history, (n, I) float32, 1 where one does, however often.

    Raises:
        UsageError: an item is not in the catalogue of the fit.
    """
    owners, rows = slices(examples.starts(), examples.ends)
    items = interactions.item_rows(np.asarray(examples.histories.items[rows]))
    keys = np.unique(owners * len(interactions.items) + items)
    shape = (len(examples), len(interactions.items))
    ones = np.ones(len(keys), dtype=np.float32)
    return sparse.csr_array((ones, np.divmod(keys, len(interactions.items))), shape=shape)
