"""UltraGCN: the limit of infinitely many propagation layers as loss weights (Mao et al., CIKM 2021).

    y(u, i) = e_u . e_i
    b(u, i) = sqrt(d_u + 1) / d_u / sqrt(d_i + 1)                                            (Eq. 9)
    L_C + L_O = sum over (u, i) of  -(w1 + w2 b(u, i)) log sigmoid(y(u, i))
                + negative_weight mean over j of  -(w3 + w4 b(u, j)) log sigmoid(-y(u, j))   (Eq. 10 and 11)
    omega(i, j) = G_ij / (g_i - G_ii) sqrt(g_i / g_j),  G = R^T R, g_i = sum of row i        (Eq. 13)
    L_I = sum over (u, i), j in the neighbours of i, of  -omega(i, j) log sigmoid(e_u . e_j) (Eq. 15)
    L = L_C + L_O + item_weight L_I + l2 / 2 |all parameters|^2

where ``d`` are the training degrees, and the neighbours of an item are the ``neighbours`` other items with the largest
omega. The authors' code keeps the diagonal of G, so that an item is its own neighbour, and smooths the degrees in
omega; this follows the paper. As in their code, negatives are uniform over all items, including the user's own; here a
batch shares one sample, which has the same expectation and computes the scores of all negatives in one matrix product.
The penalty on all parameters is the weight decay of Adam: the same gradient, without a pass over the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from baselines.collaborative.item_to_item import neighbours
from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.network import Network, TrainingSettings, shuffled
from unimp_bench.records import Examples, FloatArray, IntArray
from unimp_bench.settings import Count, Rate, Weight


@dataclass(frozen=True)
class UltraGCNConfig(TrainingSettings):
    """Settings of the authors' run on Amazon CDs, but fewer negatives, a higher rate and larger initial embeddings.

    Attributes:
        batch_size: interactions per step.
        width: of the embeddings.
        w1, w2: an interaction has weight ``w1 + w2 b`` in L_C, with b from the degrees of user and item.
        w3, w4: a negative has weight ``w3 + w4 b`` in L_O.
        negatives: items drawn per batch.
        negative_weight: weight of the mean over the negatives.
        neighbours: number of neighbours per item in L_I.
        item_weight: weight of L_I.
        l2: weight of the penalty.
        init_std: standard deviation of the initial embeddings.
    """

    validate_every: Count = 5
    learning_rate: Rate = 5e-3
    batch_size: Count = 1024
    width: Count = 64
    w1: Weight = 1e-7
    w2: Weight = 1.0
    w3: Weight = 1e-7
    w4: Weight = 1.0
    negatives: Count = 200
    negative_weight: Weight = 200.0
    neighbours: Count = 10
    item_weight: Weight = 1.0
    l2: Weight = 1e-4
    init_std: Rate = 0.01


class Batch(NamedTuple):
    """Rows of users and of an item each user interacted with, (B,) each; rows of the shared negatives, (N,)."""

    users: Tensor
    positives: Tensor
    negatives: Tensor


class UltraGCNNetwork(Network):
    """The two embedding tables, and the loss weights derived from the graph."""

    user_factors: Tensor
    item_factors: Tensor
    neighbours: Tensor
    omega: Tensor

    def __init__(self, interactions: Interactions, config: UltraGCNConfig) -> None:
        super().__init__()
        self.interactions, self.config, self.weight_decay = interactions, config, config.l2
        self.users = nn.Embedding(len(interactions.users), config.width)
        self.items = nn.Embedding(len(interactions.items), config.width)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=config.init_std)
        matrix = interactions.matrix
        of_users, of_items = (matrix.sum(axis=axis, dtype=np.float64) for axis in (1, 0))
        nearest, omega = item_graph(matrix, config.neighbours)
        derived = {
            "user_factors": (np.sqrt(of_users + 1) / of_users).astype(np.float32),
            "item_factors": (1 / np.sqrt(of_items + 1)).astype(np.float32),
            "neighbours": nearest,
            "omega": omega,
        }
        for name, values in derived.items():
            self.register_buffer(name, torch.from_numpy(values), persistent=False)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        owners, sequence = self.interactions.owners, self.interactions.sequences.values
        for rows in shuffled(len(owners), self.config.batch_size, rng):
            negatives = rng.integers(len(self.interactions.items), size=self.config.negatives)
            yield Batch(*(self.tensor(column) for column in (owners[rows], sequence[rows], negatives)))

    def loss(self, batch: Batch) -> Tensor:
        config = self.config
        users, positives = self.users(batch.users), self.items(batch.positives)
        factors = self.user_factors[batch.users]
        weights = config.w1 + config.w2 * factors * self.item_factors[batch.positives]
        known = (weights * functional.softplus(-(users * positives).sum(dim=1))).sum()
        shares = config.w3 + config.w4 * factors[:, None] * self.item_factors[batch.negatives]
        unknown = (shares * functional.softplus(users @ self.items(batch.negatives).T)).sum() / len(batch.negatives)
        scores = torch.einsum("bd,bkd->bk", users, self.items(self.neighbours[batch.positives]))
        related = (self.omega[batch.positives] * functional.softplus(-scores)).sum()
        return known + config.negative_weight * unknown + config.item_weight * related

    def score(self, examples: Examples) -> Tensor:
        rows = self.tensor(self.interactions.user_rows(examples.users))
        scores: Tensor = self.users(rows) @ self.items.weight.T
        return scores


class UltraGCN(LearnedRanker[UltraGCNConfig]):
    """See the module."""

    Config = UltraGCNConfig
    network_class = UltraGCNNetwork
    name = "ultragcn"
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-3),
        "item_weight": (1e-3, 0.1, 1.0, 2.75),
        "l2": (1e-5, 1e-4),
        "negative_weight": (50.0, 200.0, 500.0),
    }


def item_graph(matrix: sparse.csr_array, k: int) -> tuple[IntArray, FloatArray]:
    """The ``k`` neighbours of each item, (I, k) int64, and their omega, (I, k) float32; both 0 beyond its last one."""
    degrees = matrix.sum(axis=0, dtype=np.float64)
    sums = matrix.T @ matrix.sum(axis=1, dtype=np.float64)  # of the rows of G, including its diagonal

    def omega(counts: FloatArray, first: IntArray, second: IntArray) -> FloatArray:
        weights: FloatArray = counts / (sums[first] - degrees[first]) * np.sqrt(sums[first] / sums[second])
        return weights

    graph = neighbours(matrix, k, omega, "ultragcn")
    filled = np.arange(k) < np.diff(graph.indptr)[:, None]
    nearest, weights = np.zeros(filled.shape, dtype=np.int64), np.zeros(filled.shape, dtype=np.float32)
    nearest[filled], weights[filled] = graph.indices, graph.data
    return nearest, weights
