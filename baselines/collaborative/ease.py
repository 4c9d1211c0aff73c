"""EASE, a linear autoencoder in closed form (Steck, WWW 2019).

The minimum of ``|X - X B|^2 + l2 |B|^2`` subject to ``diag(B) = 0`` is (Eq. 8)

    P = (X^T X + l2 I)^-1,   B_ij = -P_ij / P_jj for i != j, else 0
    score(i) = sum over j in the history of B_ji

``P`` is dense, (I, I), which limits the model to catalogues of some ten thousand items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from baselines.collaborative.item_to_item import ItemToItem
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.records import FloatArray
from unimp_bench.settings import Rate

_WEIGHTS = "weights.npy"
_STRIPE = 1024


@dataclass(frozen=True)
class EASEConfig:
    """Settings.

    Attributes:
        l2: weight of the squared entries of B.
        memory_gib: maximum memory of the fit, in GiB.
    """

    l2: Rate = 500.0
    memory_gib: Rate = 8.0


class EASE(ItemToItem[EASEConfig, FloatArray]):
    """See the module. Solved in place in float32, within 1e-4 of float64 at a condition number of 2,000."""

    Config = EASEConfig
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {"l2": (10.0, 50.0, 100.0, 250.0, 500.0, 1000.0)}

    def weigh(self, matrix: sparse.csr_array) -> FloatArray:
        check_memory(matrix.shape[1], self.config.memory_gib)
        return closed_form(matrix, self.config.l2)

    def write(self, weights: FloatArray, folder: Path) -> None:
        np.save(folder / _WEIGHTS, weights, allow_pickle=False)

    def read(self, folder: Path) -> FloatArray:
        weights: FloatArray = np.load(folder / _WEIGHTS, allow_pickle=False)
        return weights


def check_memory(items: int, memory_gib: float) -> None:
    """Check that the (I, I) float32 matrix of a catalogue fits into memory.

    Raises:
        UsageError: it does not fit.
    """
    need = items**2 * np.dtype(np.float32).itemsize / 2**30
    if need > memory_gib:
        raise UsageError(
            f"ease needs {need:.1f} GiB for a dense matrix of {items:,} x {items:,} items, more than the setting "
            f"memory_gib={memory_gib:g}; raise it where there is enough memory, or run itemknn"
        )


def closed_form(matrix: sparse.csr_array, l2: float) -> FloatArray:
    """B, (I, I) float32, from X, (U, I) of ones.

    Raises:
        ModelError: ``X^T X + l2 I`` is not positive definite in float32.
    """
    items = matrix.shape[1]
    gram = np.zeros((items, items), dtype=np.float32, order="F")
    for start in range(0, items, _STRIPE):
        columns = slice(start, start + _STRIPE)
        gram[:, columns] = (matrix.T @ matrix[:, columns]).toarray()
    gram[np.diag_indices(items)] += np.float32(l2)
    factor, failed = lapack.spotrf(gram, lower=True, overwrite_a=True, clean=False)
    if not failed:
        inverse, failed = lapack.spotri(factor, lower=True, overwrite_c=True)
    if failed:
        raise ModelError(f"ease: the item-item matrix with l2={l2:g} cannot be inverted; try a larger l2")
    return _weights_in_place(inverse.T)


def _weights_in_place(inverse: FloatArray) -> FloatArray:
    """Convert the upper triangle of P to B, in place."""
    for start in range(0, len(inverse), _STRIPE):
        stripe, behind = slice(start, start + _STRIPE), slice(start + _STRIPE, None)
        corner = np.triu(inverse[stripe, stripe])
        inverse[stripe, stripe] = corner + np.triu(corner, 1).T
        inverse[behind, stripe] = inverse[stripe, behind].T
    diagonal = inverse.diagonal().copy()
    inverse /= -diagonal
    inverse[np.diag_indices(len(inverse))] = 0.0
    return inverse
