"""Visual Bayesian personalised ranking (VBPR; He and McAuley, AAAI 2016).

    y(u, i) = b_i + gamma_u . gamma_i + theta_u . (E f_i) + beta' . f_i                                     (Eq. 4)
    L = mean over (u, i, j) of  -log sigmoid(y(u, i) - y(u, j)) + l2 / 2 (the squared norms of the rows of the triple)
        + feature_l2 / 2 (|E|^2 + |beta'|^2)

where ``f_i`` is the item's frozen picture feature and ``j`` is drawn uniformly among the items that ``u`` did not
interact with. An item without a picture has the mean feature, which is zero.

Cornac's VBPR adds the scores of B triples, (B,), to ``(f_i - f_j) beta'``, (B, 1), and so sums the loss over B x B
mixed pairs. Here every term is (B,).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.objectives import PairwiseNetwork, Triples, bpr_loss, penalty
from baselines.multimodal.features import VisualSettings, item_looks
from unimp_bench.corpus import Items
from unimp_bench.settings import Count, Rate, Weight


@dataclass(frozen=True)
class VBPRConfig(VisualSettings):
    """Settings.

    Attributes:
        batch_size: interactions per step.
        width: of ``gamma``, the latent factors.
        visual_width: of ``theta``, the dimension to which visual features are projected.
        l2: weight of the squared norms of a triple's rows, including biases.
        feature_l2: weight of the squared norms of ``E`` and ``beta'``.
        init_std: standard deviation of the initial vectors.
    """

    validate_every: Count = 5
    width: Count = 32
    visual_width: Count = 32
    l2: Weight = 1e-2
    feature_l2: Weight = 0.0
    init_std: Rate = 0.01


class VisualNetwork(PairwiseNetwork):
    """The parameters and features of Eq. 4.

    Attributes:
        users, items: ``gamma``.
        biases: (I,) ``b``.
        tastes: ``theta``, (U, visual_width).
        project, style: ``E`` and ``beta'``.
        features: (I, F), frozen.
    """

    features: Tensor

    def __init__(
        self, interactions: Interactions, features: Tensor, remarks: tuple[str, ...], config: VBPRConfig
    ) -> None:
        super().__init__(interactions, config.width, config.batch_size, config.init_std)
        self.config, self.remarks = config, remarks
        self.biases = nn.Parameter(torch.zeros(len(features)))
        self.tastes = nn.Embedding(len(interactions.users), config.visual_width)
        nn.init.normal_(self.tastes.weight, std=config.init_std)
        self.project = nn.Linear(features.shape[1], config.visual_width, bias=False)
        self.style = nn.Linear(features.shape[1], 1, bias=False)
        for map_ in (self.project, self.style):
            nn.init.xavier_uniform_(map_.weight)
        self.register_buffer("features", features, persistent=False)

    def penalties(self, *rows: Tensor) -> Tensor:
        """The penalties on a batch's rows, of which ``rows[0]`` is (B, width), and on ``E`` and ``beta'``."""
        maps = (module.weight for module in self.children() if isinstance(module, nn.Linear))
        norms = torch.stack([weight.square().sum() for weight in maps]).sum() / 2
        return self.config.l2 * penalty(*rows) + self.config.feature_l2 * norms


class VBPRNetwork(VisualNetwork):
    """Scores by Eq. 4."""

    def loss(self, batch: Triples) -> Tensor:
        users, tastes = self.users(batch.users), self.tastes(batch.users)
        positives, negatives = self.items(batch.positives), self.items(batch.negatives)
        positive_biases, negative_biases = self.biases[batch.positives], self.biases[batch.negatives]
        difference = self.features[batch.positives] - self.features[batch.negatives]
        margins = (
            (positive_biases - negative_biases)
            + (users * (positives - negatives)).sum(dim=1)
            + (tastes * self.project(difference)).sum(dim=1)
            + self.style(difference).squeeze(1)
        )
        cost = self.penalties(users, tastes, positives, negatives, positive_biases, negative_biases)
        return bpr_loss(margins, torch.zeros_like(margins)) + cost

    def vectors(self) -> tuple[Tensor, Tensor]:
        biases = self.biases[:, None] + self.style(self.features)
        ones = torch.ones_like(self.users.weight[:, :1])
        users = torch.cat([self.users.weight, self.tastes.weight, ones], dim=1)
        return users, torch.cat([self.items.weight, self.project(self.features), biases], dim=1)


class VBPR(LearnedRanker[VBPRConfig]):
    """See the module."""

    Config = VBPRConfig
    name = "vbpr"
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-4, 5e-3),
        "l2": (1e-4, 1e-3, 1e-2, 1e-1),
        "feature_l2": (0.0, 1e-4, 1e-2),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> VBPRNetwork:
        features, remarks = item_looks(self.config, interactions.items, items, cache)
        return VBPRNetwork(interactions, features, remarks, self.config)
