"""The unknown items nearest to each user, found a block of users at a time."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

BLOCK_BYTES = 64_000_000


def unknown_neighbours(users: Tensor, items: Tensor, known: sparse.csr_array, count: int) -> sparse.csr_array:
    """The items with the largest products among those that a user does not know.

    Args:
        users, items: (U, width) and (I, width).
        known: (U, I), who knows what.
        count: neighbours of a user; less where fewer items are unknown.

    Returns:
        (U, I) float32 with a 1 for each neighbour.
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
