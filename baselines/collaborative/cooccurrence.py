"""Items that users interacted with together: the strongest neighbours of each item, as a sparse matrix."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy import sparse

from unimp_bench.progress import progress
from unimp_bench.records import FloatArray, IntArray

BLOCK_PAIRS = 1 << 22
"""Pairs of items of one user that a block of rows counts at once; they take some 300 MB at most."""

Weigh = Callable[[FloatArray, IntArray, IntArray], FloatArray]


def neighbours(matrix: sparse.csr_array, k: int, weigh: Weigh, label: str) -> sparse.csr_array:
    """The ``k`` largest weights of each item with others that share a user with it, (I, I) float32.

    ``G = X^T X`` is counted a block of rows at a time, so all of it is never there. No item is its own neighbour;
    equal weights go to the lower row.

    Args:
        matrix: X, (U, I) of ones, who interacted with what.
        k: most neighbours of an item.
        weigh: from ``G_ij``, ``i`` and ``j`` (each of the length of a block's entries) to positive weights.
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
    """Consecutive rows that count about ``BLOCK_PAIRS`` pairs together."""
    block = (np.cumsum(pairs) - pairs) // BLOCK_PAIRS
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(pairs)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _strongest(weights: FloatArray, rows: IntArray, k: int) -> IntArray:
    """Numbers of the ``k`` largest weights of each row, of equal ones the first; the rows in order."""
    order = np.lexsort((-weights, rows))
    sorted_rows = rows[order]
    places = np.arange(len(order)) - np.searchsorted(sorted_rows, sorted_rows)
    kept: IntArray = order[places < k]
    return kept
