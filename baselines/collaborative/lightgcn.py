"""LightGCN: matrix factorisation with embeddings smoothed over the graph (He et al., SIGIR 2020).

    E = (E0 + A E0 + ... + A^K E0) / (K + 1),  A = D^-1/2 [[0, R], [R^T, 0]] D^-1/2      (Eq. 4, 5 and 8)
    y(u, i) = e_u . e_i
    L = mean over (u, i, j) of  -log sigmoid(y(u, i) - y(u, j)) + l2 / 2 (|e0_u|^2 + |e0_i|^2 + |e0_j|^2)

with ``j`` uniform among the items that ``u`` did not interact with. Every step propagates over the whole graph, so the
time of an epoch grows with the number of steps: batch size and learning rate are larger than the authors' 2,048 and
1e-3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from baselines.learning.graph import mean_propagation, normalised_adjacency
from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.network import TrainingSettings
from baselines.learning.objectives import PairwiseNetwork, Triples, bpr_loss, penalty
from unimp_bench.settings import Count, Number, Rate, Weight


@dataclass(frozen=True)
class LightGCNConfig(TrainingSettings):
    """Settings.

    Attributes:
        batch_size: interactions per step.
        width: of the embeddings.
        layers: K, the number of hops; 0 is matrix factorisation.
        l2: weight of the squared norms of a batch's rows of E0.
        init_std: standard deviation of the initial embeddings.
    """

    learning_rate: Rate = 5e-3
    batch_size: Count = 8192
    validate_every: Count = 5
    width: Count = 64
    layers: Number = 3
    l2: Weight = 1e-4
    init_std: Rate = 0.1


class LightGCNNetwork(PairwiseNetwork):
    """The tables E0 and the user-item graph."""

    adjacency: Tensor

    def __init__(self, interactions: Interactions, config: LightGCNConfig) -> None:
        super().__init__(interactions, config.width, config.batch_size, config.init_std)
        self.layers, self.l2 = config.layers, config.l2
        self.register_buffer("adjacency", normalised_adjacency(interactions.matrix), persistent=False)

    def vectors(self) -> tuple[Tensor, Tensor]:
        smoothed = mean_propagation(self.adjacency, self.tables(), self.layers)
        return smoothed[: len(self.users.weight)], smoothed[len(self.users.weight) :]

    def loss(self, batch: Triples) -> Tensor:
        tables, behind = self.tables(), len(self.users.weight)
        smoothed = mean_propagation(self.adjacency, tables, self.layers)
        rows = torch.cat([batch.users, batch.positives + behind, batch.negatives + behind])
        users, positives, negatives = functional.embedding(rows, smoothed).chunk(3)
        ranking = bpr_loss((users * positives).sum(dim=1), (users * negatives).sum(dim=1))
        return ranking + self.l2 * penalty(*functional.embedding(rows, tables).chunk(3))

    def tables(self) -> Tensor:
        """E0, (U + I, width)."""
        return torch.cat([self.users.weight, self.items.weight])


class LightGCN(LearnedRanker[LightGCNConfig]):
    """See the module."""

    Config = LightGCNConfig
    network_class = LightGCNNetwork
    name = "lightgcn"
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (5e-4, 1e-3, 5e-3),
        "layers": (1, 2, 3, 4),
        "l2": (1e-5, 1e-4, 1e-3),
    }
