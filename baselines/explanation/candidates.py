"""What is said of the items of a group: the mean of it, and the sentences nearest to that mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from baselines.explanation.typical import DIGITS, NONE
from unimp_bench.records import FloatArray, IntArray


@dataclass(frozen=True)
class Said:
    """The training sentences on each group of items.

    Attributes:
        groups: (items,) row of each item in ``means``; row 0, which is empty, for an item in no group.
        means: (groups, words) mean vector of the sentences on each group.
        starts, stops: (items,) the rows of ``typical`` that stand for the group of each item.
        typical: (rows,) numbers of sentences, each group's most typical ones first.
    """

    groups: IntArray
    means: sparse.csr_array
    starts: IntArray
    stops: IntArray
    typical: IntArray

    @classmethod
    def of(
        cls, vectors: sparse.csr_array, group_of_item: IntArray, about: IntArray, wordings: IntArray, most: int
    ) -> Said:
        """At most ``most`` sentences a group, those with the largest product with the mean; one of each wording.

        Args:
            vectors: (n, words) of the sentences.
            group_of_item: (items,) from 0, or ``NONE``.
            about: (n,) the item of each sentence.
            wordings: (n,) equal for sentences that count as the same.
        """
        group_of_item = group_of_item - NONE
        groups = group_of_item[about]
        grouped = groups > 0
        totals = sums(groups[grouped], int(group_of_item.max()) + 1) @ vectors[grouped]
        sizes = np.bincount(groups[grouped], minlength=totals.shape[0])
        means = (sparse.diags_array(1 / np.maximum(sizes, 1)) @ totals).tocsr()
        typicality = np.round(row_products(vectors, means, groups), DIGITS)
        order = np.lexsort([np.arange(len(about)), -typicality, groups])[np.count_nonzero(~grouped) :]
        firsts = np.unique(groups[order] * len(about) + wordings[order], return_index=True)[1]
        order = order[np.sort(firsts)]
        places = np.arange(len(order)) - np.searchsorted(groups[order], groups[order])
        order = order[places < most]
        starts, stops = (np.searchsorted(groups[order], group_of_item, side) for side in ("left", "right"))
        return cls(group_of_item, means, starts, stops, order)


def wordings(sentences: Sequence[str]) -> IntArray:
    """(n,) the same number for the same text."""
    numbers: IntArray = np.unique(np.array(sentences, dtype=object), return_inverse=True)[1]
    return numbers


def row_products(rows: sparse.csr_array, others: sparse.csr_array, owners: IntArray) -> FloatArray:
    """(n,) the product of each of n sparse rows with the row of ``others`` that ``owners`` (n,) names."""
    entries = rows.tocoo()
    others.sum_duplicates()  # sorted rows are looked up by halves
    matched = np.asarray(others[owners[entries.row], entries.col], dtype=np.float64).ravel()
    return np.bincount(entries.row, entries.data * matched, minlength=rows.shape[0]).astype(np.float64)


def sums(owners: IntArray, count: int) -> sparse.csr_array:
    """(count, n) with a 1 where a row belongs to an owner: its product with n rows adds up those of each owner."""
    return counts(owners, np.arange(len(owners)), (count, len(owners)))


def counts(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> sparse.csr_array:
    """How often each pair of a row and a column occurs."""
    return sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()


def unit_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """The same rows, each of length 1 or empty."""
    lengths = np.sqrt((matrix**2).sum(axis=1))
    return (sparse.diags_array(1 / np.where(lengths > 0, lengths, 1)) @ matrix).tocsr()
