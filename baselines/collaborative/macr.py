"""MACR: matrix factorisation with counterfactual removal of popularity bias (Wei et al., KDD 2021).

    y_k = p_u . q_i            the match of user and item
    y_i = w_I . q_i            the item alone: its popularity
    y_u = w_U . p_u            the user alone: its conformity
    y(u, i) = y_k sigmoid(y_i) sigmoid(y_u)                                                  (Eq. 3)
    L = L_O + item_weight L_I + user_weight L_U + l2 / 2 (|p_u|^2 + |q_i|^2 + |q_j|^2)       (Eq. 5)
    score(u, i) = (y_k - c) sigmoid(y_i) sigmoid(y_u)                                        (Eq. 8)

``L_O``, ``L_I`` and ``L_U`` are the binary cross-entropies of the three scores over an interaction (u, i) and a
negative (u, j). The constant ``c`` is the reference match, equal for all items: the larger it is, the lower popular
items rank. It is chosen on the validation part after training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.network import TrainingSettings
from baselines.learning.objectives import PairwiseNetwork, Triples, penalty
from unimp_bench.contracts import FitData
from unimp_bench.records import Examples, Protocol
from unimp_bench.settings import Count, Rate, Weight

CONSTANTS = (0.0, 10.0, 20.0, 30.0, 40.0)
"""Candidate values of ``c``; 0 is the score used in training."""


@dataclass(frozen=True)
class MACRConfig(TrainingSettings):
    """Settings.

    Attributes:
        batch_size: interactions per step.
        width: of the vectors.
        item_weight, user_weight: alpha and beta, weights of the losses of the two branches.
        l2: weight of the squared norms of a batch's vectors.
        init_std: standard deviation of the initial vectors.
    """

    validate_every: Count = 5
    width: Count = 64
    item_weight: Weight = 1e-3
    user_weight: Weight = 1e-3
    l2: Weight = 1e-5
    init_std: Rate = 0.01


class MACRNetwork(PairwiseNetwork):
    """The two tables, a vector per branch, and the constant.

    Attributes:
        constant: c, a scalar that is not trained; 0 during training.
    """

    constant: Tensor

    def __init__(self, interactions: Interactions, config: MACRConfig) -> None:
        super().__init__(interactions, config.width, config.batch_size, config.init_std)
        self.config = config
        self.item_branch = nn.Parameter(torch.randn(config.width) * config.init_std)
        self.user_branch = nn.Parameter(torch.randn(config.width) * config.init_std)
        self.register_buffer("constant", torch.zeros(()))

    def loss(self, batch: Triples) -> Tensor:
        users, positives, negatives = self.users(batch.users), self.items(batch.positives), self.items(batch.negatives)
        of_user = users @ self.user_branch
        of_items = positives @ self.item_branch, negatives @ self.item_branch
        matches = (users * positives).sum(dim=1), (users * negatives).sum(dim=1)
        fused = [
            match * of_item.sigmoid() * of_user.sigmoid() for match, of_item in zip(matches, of_items, strict=True)
        ]
        return (
            cross_entropy(*fused)
            + self.config.item_weight * cross_entropy(*of_items)
            + self.config.user_weight * cross_entropy(of_user, of_user)
            + self.config.l2 * penalty(users, positives, negatives)
        )

    def prepare(self) -> None:
        super().prepare()
        self._of_users = (self.users.weight @ self.user_branch).sigmoid()
        self._of_items = (self.items.weight @ self.item_branch).sigmoid()

    def score(self, examples: Examples) -> Tensor:
        rows = self.tensor(self.interactions.user_rows(examples.users))
        scores = super().score(examples).sub_(self.constant)
        return scores.mul_(self._of_items).mul_(self._of_users[rows, None])


class MACR(LearnedRanker[MACRConfig]):
    """Matrix factorisation with scores corrected for popularity."""

    Config = MACRConfig
    network_class = MACRNetwork
    name = "macr"
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (5e-4, 1e-3, 5e-3),
        "item_weight": (1e-4, 1e-3, 1e-2),
        "l2": (1e-5, 1e-4, 1e-3, 1e-2),
    }

    def settle(self, protocol: Protocol, data: FitData, best: float) -> None:
        network = self.network
        assert isinstance(network, MACRNetwork)
        chosen = network.constant.clone()
        for constant in CONSTANTS[1:]:
            network.constant.fill_(constant)
            score = self.quality(data)[protocol]
            if score > best:
                chosen, best = network.constant.clone(), score
        network.constant.copy_(chosen)


def cross_entropy(positives: Tensor, negatives: Tensor) -> Tensor:
    """Mean of ``-log sigmoid(positive) - log(1 - sigmoid(negative))``, a scalar; both (B,)."""
    return (functional.softplus(-positives) + functional.softplus(negatives)).mean()
