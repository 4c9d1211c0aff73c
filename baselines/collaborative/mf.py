"""Matrix factorisation by Bayesian personalised ranking (Rendle et al., UAI 2009; Koren, Bell and Volinsky, 2009).

    y(u, i) = p_u . q_i
    L = mean over (u, i, j) of  -log sigmoid(y(u, i) - y(u, j)) + l2 / 2 (|p_u|^2 + |q_i|^2 + |q_j|^2)

where ``j`` is drawn uniformly among the items that ``u`` did not interact with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.network import TrainingSettings
from baselines.learning.objectives import PairwiseNetwork, Triples, bpr_loss, penalty
from unimp_bench.settings import Count, Rate, Weight


@dataclass(frozen=True)
class MFConfig(TrainingSettings):
    """Settings.

    Attributes:
        batch_size: interactions per step.
        width: of the vectors.
        l2: weight of the squared norms of a batch's vectors.
        init_std: standard deviation of the initial vectors.
    """

    validate_every: Count = 5
    width: Count = 64
    l2: Weight = 1e-4
    init_std: Rate = 0.01


class MFNetwork(PairwiseNetwork):
    """The two embedding tables."""

    def __init__(self, interactions: Interactions, config: MFConfig) -> None:
        super().__init__(interactions, config.width, config.batch_size, config.init_std)
        self.l2 = config.l2

    def loss(self, batch: Triples) -> Tensor:
        users, positives, negatives = self.users(batch.users), self.items(batch.positives), self.items(batch.negatives)
        ranking = bpr_loss((users * positives).sum(dim=1), (users * negatives).sum(dim=1))
        return ranking + self.l2 * penalty(users, positives, negatives)


class MF(LearnedRanker[MFConfig]):
    """Matrix factorisation trained on pairs of items."""

    Config = MFConfig
    network_class = MFNetwork
    name = "mf"
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-4, 5e-3),
        "l2": (1e-5, 1e-4, 1e-3, 1e-2),
    }
