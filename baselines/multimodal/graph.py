"""User-item graphs: constant operators, propagation by source, one-sided normalisation, nearest unknown items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from baselines.learning.graph import csr_tensor

BLOCK_BYTES = 64_000_000
"""Memory for the scores of a block of users."""


def split_propagation(adjacency: Tensor, users: Tensor, items: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    """``mean_propagation`` separated by source, users or items, in one pass.

    The graph is bipartite: an even number of hops leads to a node from its own side, an odd number from the other side.

    Args:
        adjacency: (U + I, U + I) sparse, symmetric, users first.
        users, items: (U, width) and (I, width).
        layers: number of hops.

    Returns:
        The contributions of users and of items, (U + I, width) each; their sum is ``mean_propagation`` of both.
    """
    own, other = _Hops.apply(adjacency, torch.cat([users, items]), layers)  # type: ignore[no-untyped-call]
    count = len(users)
    return torch.cat([own[:count], other[count:]]), torch.cat([other[:count], own[count:]])


class _Hops(torch.autograd.Function):
    """The sums of the even and of the odd hops, divided by the number of all hops."""

    @staticmethod
    def forward(context: Any, adjacency: Tensor, embeddings: Tensor, layers: int) -> tuple[Tensor, Tensor]:
        context.adjacency, context.layers = adjacency, layers
        hop = embeddings / (layers + 1)
        sums = hop.clone(), torch.zeros_like(hop)
        for number in range(1, layers + 1):
            hop = adjacency @ hop
            sums[number % 2].add_(hop)
        return sums

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[None, Tensor, None]:
        layers = context.layers
        total = gradients[layers % 2]
        for number in reversed(range(layers)):
            total = torch.addmm(gradients[number % 2], context.adjacency, total)
        return None, total / (layers + 1), None


@dataclass(frozen=True)
class Operator:
    """A constant sparse matrix, with its transpose for the backward pass; ``operator @ dense`` is their product."""

    _matrix: Tensor
    _transposed: Tensor

    @classmethod
    def of(cls, matrix: sparse.csr_array, device: torch.device) -> Operator:
        """Build from a SciPy matrix."""
        return cls(csr_tensor(matrix).to(device), csr_tensor(matrix.T.tocsr()).to(device))

    def __matmul__(self, dense: Tensor) -> Tensor:
        return _Product.apply(self._matrix, self._transposed, dense)  # type: ignore[no-any-return, no-untyped-call]


@dataclass(frozen=True)
class Relation:
    """``D_u^-1/2 R`` and ``D_i^-1/2 R^T``, sparse.

    Attributes:
        edges: number of pairs in ``R``.
    """

    edges: int
    _to_users: Operator
    _to_items: Operator

    @classmethod
    def of(cls, matrix: sparse.csr_array, device: torch.device) -> Relation:
        """Build from ``R``, (U, I) with ones."""

        def scaled(receivers: sparse.csr_array) -> Operator:
            factors = 1 / np.sqrt(np.maximum(receivers.sum(axis=1), 1))
            return Operator.of(receivers.multiply(factors[:, None]).tocsr(), device)

        return cls(matrix.nnz, scaled(matrix), scaled(matrix.T.tocsr()))

    def to_users(self, items: Tensor) -> Tensor:
        """``D_u^-1/2 R items``, (U, width); ``items`` is (I, width)."""
        return self._to_users @ items

    def to_items(self, users: Tensor) -> Tensor:
        """``D_i^-1/2 R^T users``, (I, width); ``users`` is (U, width)."""
        return self._to_items @ users


class _Product(torch.autograd.Function):
    """A constant sparse matrix times a dense one; the gradient is a product with the given transpose."""

    @staticmethod
    def forward(context: Any, matrix: Tensor, transposed: Tensor, dense: Tensor) -> Tensor:
        context.transposed = transposed
        return matrix @ dense

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[None, None, Tensor]:
        return None, None, context.transposed @ gradients[0]


def unknown_neighbours(users: Tensor, items: Tensor, known: sparse.csr_array, count: int) -> sparse.csr_array:
    """The items with the largest dot products among those without an edge to the user.

    Args:
        users, items: (U, width) and (I, width).
        known: (U, I), the edges.
        count: maximum number of neighbours per user.

    Returns:
        (U, I) float32 with a 1 per neighbour.
    """
    size = max(1, BLOCK_BYTES // (4 * len(items)))
    count = min(count, len(items))
    nearest, real = [], []
    for start in range(0, len(users), size):
        products = users[start : start + size] @ items.T
        rows, columns = known[start : start + size].nonzero()
        products[torch.from_numpy(rows).to(users.device), torch.from_numpy(columns).to(users.device)] = -torch.inf
        best = products.topk(count, dim=1)
        nearest.append(best.indices.cpu().numpy())
        real.append(best.values.cpu().numpy() > -np.inf)
    kept = np.concatenate(real)
    owners = np.broadcast_to(np.arange(len(users))[:, None], kept.shape)
    ones = np.ones(int(kept.sum()), dtype=np.float32)
    return sparse.csr_array((ones, (owners[kept], np.concatenate(nearest)[kept])), shape=known.shape)
