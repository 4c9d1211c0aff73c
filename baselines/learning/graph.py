"""The bipartite graph of users and items, and embeddings propagated on it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor


def normalised_adjacency(matrix: sparse.csr_array) -> Tensor:
    """``D^-1/2 A D^-1/2`` with ``A = [[0, R], [R^T, 0]]``, without self-loops (LightGCN, He et al., 2020, Eq. 8).

    Args:
        matrix: R, (U, I), the user-item interactions.

    Returns:
        (U + I, U + I) sparse CSR float32, users first. A node without an edge has an empty row.
    """
    users = matrix.shape[0]
    both = sparse.coo_array(sparse.block_array([[None, matrix], [matrix.T, None]]))
    degrees = np.bincount(both.coords[0], weights=both.data, minlength=users + matrix.shape[1])
    scale = 1 / np.sqrt(np.maximum(degrees, 1))
    rows, columns = both.coords
    both.data = (both.data * scale[rows] * scale[columns]).astype(np.float32)
    return csr_tensor(both.tocsr())


def csr_tensor(matrix: sparse.csr_array) -> Tensor:
    """A SciPy matrix as a torch sparse CSR tensor, float32.

    Indices are int32, which MKL uses directly; int64 indices would be copied at every product.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")  # the operations used are tested
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int32)),
            torch.from_numpy(matrix.indices.astype(np.int32)),
            torch.from_numpy(matrix.data.astype(np.float32)),
            size=matrix.shape,
            check_invariants=False,
        )


def mean_propagation(adjacency: Tensor, embeddings: Tensor, layers: int) -> Tensor:
    """``(E + A E + ... + A^layers E) / (layers + 1)`` (LightGCN, Eq. 4 and 5), (nodes, width).

    ``adjacency`` is symmetric, so the gradient is the same sum; no layer is stored for the backward pass.
    """
    return _MeanPropagation.apply(adjacency, embeddings, layers)  # type: ignore[no-any-return, no-untyped-call]


class _MeanPropagation(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, adjacency: Tensor, embeddings: Tensor, layers: int) -> Tensor:
        context.adjacency, context.layers = adjacency, layers
        return _mean(adjacency, embeddings, layers)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[None, Tensor, None]:
        return None, _mean(context.adjacency, gradients[0], context.layers), None


def _mean(adjacency: Tensor, embeddings: Tensor, layers: int) -> Tensor:
    total = embeddings
    for _ in range(layers):  # Horner's rule: E + A (E + A (E + ...)), so that each hop is added when it is computed
        total = torch.addmm(embeddings, adjacency, total)
    return total / (layers + 1)
