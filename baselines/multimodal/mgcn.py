"""MGCN: features gate the id embeddings; separate views of behaviour and modalities (Yu et al., ACM Multimedia 2023).

    x_m = S_m (E_I * sigmoid(G_m (W_m f))),  X_m = [R x_m; x_m]             purified by behaviour, then by similar items
    C = mean over hops 0..L of A^l [E_U; E_I]                                                  view of the behaviour
    X = sum over m of a_m X_m,  a = softmax over m of q(X_m)                                   shared by the modalities
    Z_m = sigmoid(H_m C) * (X_m - X)                                                           special to a modality
    side = (X + sum of Z_m) / (1 + modalities),  final = C + side,  y(u, i) = final_u . final_i
    L = mean over (u, i, j) of -log sigmoid(y(u, i) - y(u, j)) + l2 / 2 (squared norms of the final vectors)
        + contrast * (InfoNCE(side_i, C_i) + InfoNCE(side_u, C_u))

``S_m`` has the cosines of the k nearest items as weights, normalised by row sums; ``R`` is the user-item part of the
normalised adjacency ``A``; ``G_m``, ``W_m`` and ``H_m`` are affine, ``q`` has one hidden layer with tanh. InfoNCE is
over the users or positive items of the batch, of which those that occur twice are no negatives of themselves, unlike in
the authors' code. Further differences: see ``item_graphs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.objectives import Triples, bpr_loss, penalty
from baselines.multimodal.features import modalities
from baselines.multimodal.graph import Operator
from baselines.multimodal.item_graphs import (
    FeatureNetwork,
    ItemGraphConfig,
    decayed,
    row_normalised,
    similarity_graph,
    two_sided,
)
from baselines.multimodal.mmgcl import across_views
from unimp_bench.corpus import Items
from unimp_bench.settings import Count, Rate, Weight


@dataclass(frozen=True)
class MGCNConfig(ItemGraphConfig):
    """Settings.

    Attributes:
        neighbours: k, edges of an item in the graph of a modality, including one to itself.
        contrast: weight of the contrastive losses (authors: mostly 0.01 is best).
        temperature: divisor of the cosines.
        l2: weight of the squared norms of a batch's final vectors.
    """

    neighbours: Count = 10
    contrast: Weight = 0.01
    temperature: Rate = 0.2
    l2: Weight = 1e-4


PUBLISHED = MGCNConfig(epochs=1000, patience=20, validate_every=1, least_steps=0)


class MGCNNetwork(FeatureNetwork):
    """The tables, the projections and the gates.

    Attributes:
        purify, prefer: ``G_m`` and ``H_m``, one per modality.
        judge: ``q``.
    """

    def __init__(
        self, interactions: Interactions, features: tuple[Tensor, ...], remarks: tuple[str, ...], config: MGCNConfig
    ) -> None:
        super().__init__(interactions, features, remarks, config)
        self.config, width = config, config.width
        self.purify = nn.ModuleList(nn.Linear(width, width) for _ in features)
        self.prefer = nn.ModuleList(nn.Linear(width, width) for _ in features)
        self.judge = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1, bias=False))

    def pace(self, epoch: int) -> float:
        return decayed(epoch)

    def loss(self, batch: Triples) -> Tensor:
        return self.loss_of(*self.states(), batch)

    def loss_of(self, behaviour: Tensor, side: Tensor, batch: Triples) -> Tensor:
        """The loss from the vectors ``C`` and ``side`` of all nodes, (U + I, width) each."""
        first_item = len(self.users.weight)
        rows = torch.cat([batch.users, first_item + batch.positives, first_item + batch.negatives])
        behaviour, side = functional.embedding(rows, behaviour), functional.embedding(rows, side)
        users, positives, negatives = (behaviour + side).chunk(3)
        ranking = bpr_loss((users * positives).sum(dim=1), (users * negatives).sum(dim=1))
        pairs = zip(side.chunk(3), behaviour.chunk(3), (batch.users, batch.positives), strict=False)  # no negatives
        contrasts = [across_views(one, other, nodes, self.config.temperature) for one, other, nodes in pairs]
        contrast = torch.stack(contrasts).sum()
        return ranking + self.config.l2 * penalty(users, positives, negatives) + self.config.contrast * contrast

    def vectors(self) -> tuple[Tensor, Tensor]:
        final = sum(self.states())
        return final[: len(self.users.weight)], final[len(self.users.weight) :]  # type: ignore[index]

    def states(self) -> tuple[Tensor, Tensor]:
        """``C`` and ``side``, (U + I, width) each."""
        behaviour = torch.cat(self.propagated(self.adjacency))
        return behaviour, self.side(behaviour, self.views())

    def views(self) -> list[Tensor]:
        """``X_m``, (U + I, width) each."""
        gates = [torch.sigmoid(purify(each)) for purify, each in zip(self.purify, self.projected(), strict=True)]
        return [self.spread(graph, gate) for graph, gate in zip(self._alike, gates, strict=True)]

    def spread(self, graph: Operator, gate: Tensor) -> Tensor:
        """``[R x; x]`` of ``x = S (E_I * gate)``, (U + I, width)."""
        items = graph @ (self.items.weight * gate)
        return torch.cat([self._to_users @ items, items])

    def side(self, behaviour: Tensor, views: list[Tensor]) -> Tensor:
        """``side`` of the views ``X_m``, (U + I, width)."""
        stacked = torch.stack(views)
        common = (self.judge(stacked).softmax(dim=0) * stacked).sum(dim=0)
        gates = [torch.sigmoid(prefer(behaviour)) for prefer in self.prefer]
        special = [gate * (view - common) for gate, view in zip(gates, views, strict=True)]
        return torch.stack([common, *special]).mean(dim=0)

    @cached_property
    def _alike(self) -> list[Operator]:
        graphs = [row_normalised(similarity_graph(table, self.config.neighbours)) for table in self.features]
        return [Operator.of(graph, self.device) for graph in graphs]

    @cached_property
    def _to_users(self) -> Operator:
        return Operator.of(two_sided(self.interactions.matrix), self.device)


class MGCN(LearnedRanker[MGCNConfig]):
    """See the module."""

    Config = MGCNConfig
    name = "mgcn"
    presets: ClassVar[Mapping[str, Any]] = {"small": MGCNConfig(), "published": PUBLISHED}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-4, 5e-3),
        "contrast": (0.001, 0.01, 0.1),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> MGCNNetwork:
        features, remarks = modalities(self.config, interactions.items, items, cache)
        return MGCNNetwork(interactions, features, remarks, self.config)
