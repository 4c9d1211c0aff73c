"""Rankers with a fixed matrix of item-to-item weights: the score of an item is a sum over the history."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from scipy import sparse

from baselines.learning.interactions import TASK, Interactions, occurrences
from unimp_bench.contracts import FitData, Parameters, Ranker
from unimp_bench.corpus import Items
from unimp_bench.progress import progress
from unimp_bench.ragged import spans
from unimp_bench.records import Examples, FloatArray, IntArray

BLOCK_PAIRS = 1 << 22
"""Number of item pairs per user counted in one block of rows; about 300 MB at most."""

Weigh = Callable[[FloatArray, IntArray, IntArray], FloatArray]

ConfigT = TypeVar("ConfigT")
WeightsT = TypeVar("WeightsT", sparse.csr_array, FloatArray)


class ItemToItem(Ranker[ConfigT], Generic[ConfigT, WeightsT]):
    """``score(i) = sum over j in the history of W[j, i]``: without user parameters, new users are scored like others.

    The history is that of the example: in the test part it includes the validation item, as for sequential models.
    """

    def __init__(self, config: ConfigT) -> None:
        super().__init__(config)
        self._fitted: tuple[Interactions, WeightsT] | None = None

    @abstractmethod
    def weigh(self, matrix: sparse.csr_array) -> WeightsT:
        """W, (I, I), from the user-item matrix, (U, I) of ones."""

    @abstractmethod
    def write(self, weights: WeightsT, folder: Path) -> None:
        """Write W to a folder."""

    @abstractmethod
    def read(self, folder: Path) -> WeightsT:
        """Read the files written by ``write``."""

    def fit(self, data: FitData) -> None:
        interactions = Interactions.of(data.examples[TASK].train, data.catalogue)
        self._fitted = interactions, self.weigh(interactions.matrix)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        assert self._fitted is not None, "fit or load comes first"
        interactions, weights = self._fitted
        scores = history_matrix(examples, interactions) @ weights
        return interactions.columns(scores.toarray() if sparse.issparse(scores) else scores, catalogue)

    def parameters(self) -> Parameters:
        """The weights: all of a dense matrix, those that are stored of a sparse one."""
        assert self._fitted is not None, "fit or load comes first"
        weights = self._fitted[1]
        return Parameters(total=int(weights.size if isinstance(weights, np.ndarray) else weights.nnz))

    def save(self, folder: Path) -> None:
        assert self._fitted is not None, "fit or load comes first"
        interactions, weights = self._fitted
        interactions.write(folder)
        self.write(weights, folder)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._fitted = Interactions.read(folder), self.read(folder)


def history_matrix(examples: Examples, interactions: Interactions) -> sparse.csr_array:
    """The items of each history, (n, I) float32, 1 for one or more occurrences.

    Raises:
        UsageError: an item is not in the catalogue of the fit.
    """
    owners, rows = spans(examples.starts(), examples.ends)
    items = interactions.item_rows(np.asarray(examples.histories.items[rows]))
    return occurrences(owners, items, (len(examples), len(interactions.items)))


def neighbours(matrix: sparse.csr_array, k: int, weigh: Weigh, label: str) -> sparse.csr_array:
    """The ``k`` largest weights of each item with other items that share a user with it, (I, I) float32.

    ``G = X^T X`` is computed in blocks of rows and never stored completely. An item is not its own neighbour; ties go
    to the lower row.

    Args:
        matrix: X, (U, I) of ones, the user-item matrix.
        k: maximum number of neighbours per item.
        weigh: maps ``G_ij``, ``i`` and ``j`` (arrays over the entries of a block) to positive weights.
        label: for the progress bar.
    """
    items = matrix.shape[1]
    users = sparse.csr_array(matrix.T)
    blocks = []
    for rows in progress(_blocks(users @ np.diff(matrix.indptr)), f"{label}: counting pairs", unit="block"):
        product = users[rows] @ matrix
        product.sort_indices()
        counts = sparse.coo_array(product)
        first, second = counts.coords[0] + rows.start, counts.coords[1]
        others = first != second
        first, second = first[others], second[others]
        weights = weigh(counts.data[others], first, second).astype(np.float32)
        kept = _strongest(weights, first, k)
        blocks.append((weights[kept], first[kept], second[kept]))
    weights, first, second = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return sparse.csr_array((weights, (first, second)), shape=(items, items))


def _blocks(pairs: FloatArray) -> list[slice]:
    """Blocks of consecutive rows with about ``BLOCK_PAIRS`` pairs each."""
    block = (np.cumsum(pairs) - pairs) // BLOCK_PAIRS
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(pairs)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _strongest(weights: FloatArray, rows: IntArray, k: int) -> IntArray:
    """Indices of the ``k`` largest weights of each row, row by row; ties go to the first."""
    order = np.lexsort((-weights, rows))
    sorted_rows = rows[order]
    ranks = np.arange(len(order)) - np.searchsorted(sorted_rows, sorted_rows)
    kept: IntArray = order[ranks < k]
    return kept
