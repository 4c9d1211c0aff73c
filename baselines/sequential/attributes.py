"""What an item is, as a set: the names of its categories and its brand."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from unimp_bench.corpus import Items
from unimp_bench.records import IntArray

COLUMNS = ("category", "brand")


def item_attributes(items: Items, numbers: IntArray) -> sparse.csr_array:
    """Which item has which attribute, (numbers, attributes) bool, without those that no or every item has.

    The top of a category path is such a one in a corpus of one domain. A category and a brand of one name are two
    attributes; a corpus with neither gives no columns.
    """
    names: dict[tuple[str, str], int] = {}
    pairs: set[tuple[int, int]] = set()
    for column in COLUMNS:
        if column in items.attributes:
            values = items.column(column).to_pylist()
            for row, number in enumerate(numbers.tolist()):
                for value in _listed(values[number]):
                    pairs.add((row, names.setdefault((column, value), len(names))))
    rows, columns = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2).T
    ones = np.ones(len(rows), dtype=np.bool_)
    matrix = sparse.csr_array((ones, (rows, columns)), shape=(len(numbers), len(names)))
    counts = np.bincount(columns, minlength=len(names))
    telling: sparse.csr_array = matrix[:, np.flatnonzero(counts < len(numbers))]
    return telling


def _listed(value: object) -> list[str]:
    if value is None:
        return []
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]
