"""Bipartite graphs of users and items that messages pass over, each way scaled by its receivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from baselines.learning.graph import csr_tensor


@dataclass(frozen=True)
class Relation:
    """``D_u^-1/2 R`` and ``D_i^-1/2 R^T``, sparse, each with its transpose for the way back of gradients.

    Attributes:
        edges: number of pairs in ``R``.
    """

    edges: int
    _to_users: tuple[Tensor, Tensor]
    _to_items: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, matrix: sparse.csr_array, device: torch.device) -> Relation:
        """Of ``R``, (U, I) with ones."""

        def both(receivers: sparse.csr_array) -> tuple[Tensor, Tensor]:
            scaled = receivers.multiply(1 / np.sqrt(np.maximum(receivers.sum(axis=1), 1))[:, None]).tocsr()
            return csr_tensor(scaled).to(device), csr_tensor(scaled.T.tocsr()).to(device)

        return cls(matrix.nnz, both(matrix), both(matrix.T.tocsr()))

    def to_users(self, items: Tensor) -> Tensor:
        """``D_u^-1/2 R items``, (U, width); ``items`` is (I, width)."""
        return _Product.apply(*self._to_users, items)  # type: ignore[no-any-return, no-untyped-call]

    def to_items(self, users: Tensor) -> Tensor:
        """``D_i^-1/2 R^T users``, (I, width); ``users`` is (U, width)."""
        return _Product.apply(*self._to_items, users)  # type: ignore[no-any-return, no-untyped-call]


class _Product(torch.autograd.Function):
    """A constant sparse matrix times a dense one; the gradient is a product with the transpose at hand."""

    @staticmethod
    def forward(context: Any, matrix: Tensor, transposed: Tensor, dense: Tensor) -> Tensor:
        context.transposed = transposed
        return matrix @ dense

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[None, None, Tensor]:
        return None, None, context.transposed @ gradients[0]
