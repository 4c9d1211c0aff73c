"""Propagation on the graph of users and items that tells apart whose vectors arrive."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def split_propagation(adjacency: Tensor, users: Tensor, items: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    """``mean_propagation`` of users alone and of items alone, in one pass.

    The graph is bipartite: what reaches a node in an even number of hops comes from its own side, and in an odd number
    from the other side.

    Args:
        adjacency: (U + I, U + I) sparse, symmetric, users first.
        users, items: (U, width) and (I, width).
        layers: hops.

    Returns:
        What users send and what items send, (U + I, width) each; their sum is ``mean_propagation`` of both.
    """
    own, other = _Hops.apply(adjacency, torch.cat([users, items]), layers)  # type: ignore[no-untyped-call]
    count = len(users)
    return torch.cat([own[:count], other[count:]]), torch.cat([other[:count], own[count:]])


class _Hops(torch.autograd.Function):
    """The sums of the even and of the odd hops, over their number."""

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
