"""Item-based nearest neighbours by cosine (Sarwar et al., WWW 2001; Deshpande and Karypis, ACM TOIS 2004).

    w(j, i) = n_ji / (sqrt(n_j n_i) + shrink)  for the k items i that are most similar to j, else 0
    score(i) = sum over j in the history of w(j, i)

where ``n_ji`` is the number of users of both items and ``n_j`` of one. Shrinkage lowers weights based on few users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from baselines.collaborative.item_to_item import ItemToItem, neighbours
from baselines.learning.files import read_csr, write_csr
from unimp_bench.records import FloatArray, IntArray
from unimp_bench.settings import Count, Weight


@dataclass(frozen=True)
class ItemKNNConfig:
    """Settings of the neighbourhood.

    Attributes:
        neighbours: maximum number of neighbours per item.
        shrink: added to the denominator of the cosine.
    """

    neighbours: Count = 20
    shrink: Weight = 100.0


class ItemKNN(ItemToItem[ItemKNNConfig, sparse.csr_array]):
    """Nearest items by a shrunk cosine, without training."""

    Config = ItemKNNConfig
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "neighbours": (10, 20, 50, 100, 200),
        "shrink": (0.0, 1.0, 10.0, 100.0, 300.0),
    }

    def weigh(self, matrix: sparse.csr_array) -> sparse.csr_array:
        lengths = np.sqrt(matrix.sum(axis=0, dtype=np.float64))

        def cosine(counts: FloatArray, first: IntArray, second: IntArray) -> FloatArray:
            weights: FloatArray = counts / (lengths[first] * lengths[second] + self.config.shrink)
            return weights

        return neighbours(matrix, self.config.neighbours, cosine, "itemknn")

    def write(self, weights: sparse.csr_array, folder: Path) -> None:
        write_csr(weights, folder)

    def read(self, folder: Path) -> sparse.csr_array:
        return read_csr(folder)
