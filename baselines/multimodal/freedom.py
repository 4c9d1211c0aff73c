"""FREEDOM: a frozen item graph and a pruned user-item graph (Zhou and Shen, ACM Multimedia 2023).

    S = a S_pictures + (1 - a) S_text                          k nearest items by cosine, each edge 1 / k, built once
    [U*; I'] = mean over hops 0..L of A^l [E_U; E_I],  A of a part of the edges drawn in each epoch (``pruned``)
    I* = I' + S^M E_I,  y(u, i) = u* . i*
    L = B(u*, i*, j*) + modal * sum over modalities m of B(u*, W_m f_i + b_m, W_m f_j + b_m)

where ``B`` is the BPR loss and ``j`` an item without interaction of the user. Predictions use all edges. As in the
authors' code, there is no penalty on norms. Differences from it: see ``item_graphs``; the projections of the auxiliary
loss are computed for the items of the batch, which gives the same gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from baselines.learning.graph import normalised_adjacency
from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.objectives import Triples, bpr_loss
from baselines.multimodal.features import modalities
from baselines.multimodal.graph import Operator
from baselines.multimodal.item_graphs import (
    FeatureNetwork,
    ItemGraphConfig,
    pruned,
    row_normalised,
    shares,
    similarity_graph,
    unweighted,
)
from unimp_bench.corpus import Items
from unimp_bench.settings import Count, Number, Share, Weight


@dataclass(frozen=True)
class FreedomConfig(ItemGraphConfig):
    """Settings.

    Attributes:
        neighbours: k, edges of an item in the graph of a modality, including one to itself.
        hops: M, of the item graph.
        picture_share: a, weight of the pictures' graph.
        pruning: share of the user-item edges left out in an epoch (authors: 0.8 or 0.9).
        modal: weight of the losses of the projected features (authors: 0 to 1e-3).
    """

    neighbours: Count = 10
    hops: Number = 1
    picture_share: Share = 0.1
    pruning: Share = 0.8
    modal: Weight = 1e-3


PUBLISHED = FreedomConfig(epochs=1000, patience=20, validate_every=1, least_steps=0)


class FreedomNetwork(FeatureNetwork):
    """The tables, the projections and both graphs.

    Attributes:
        thinned: the user-item graph of the current epoch.
    """

    def __init__(
        self, interactions: Interactions, features: tuple[Tensor, ...], remarks: tuple[str, ...], config: FreedomConfig
    ) -> None:
        super().__init__(interactions, features, remarks, config)
        self.config = config
        self.thinned = self.adjacency

    def batches(self, rng: np.random.Generator) -> Iterator[Triples]:
        part = pruned(self.interactions.matrix, self.config.pruning, rng)
        self.thinned = normalised_adjacency(part).to(self.device)
        yield from super().batches(rng)

    def loss(self, batch: Triples) -> Tensor:
        users, items = self.states(self.thinned)
        chosen, rows = users[batch.users], torch.cat([batch.positives, batch.negatives])
        tables = [functional.embedding(rows, items)]
        if self.config.modal:
            tables += self.projected(rows)
        losses = [bpr_loss(*((chosen * half).sum(dim=1) for half in table.chunk(2))) for table in tables]
        total: Tensor = losses[0] + self.config.modal * sum(losses[1:])
        return total

    def vectors(self) -> tuple[Tensor, Tensor]:
        return self.states(self.adjacency)

    def states(self, adjacency: Tensor) -> tuple[Tensor, Tensor]:
        """``U*`` and ``I*`` on a user-item graph, (U, width) and (I, width)."""
        users, items = self.propagated(adjacency)
        alike = self.items.weight
        for _ in range(self.config.hops):
            alike = self._alike @ alike
        return users, items + alike

    @cached_property
    def _alike(self) -> Operator:
        graphs = [row_normalised(unweighted(similarity_graph(f, self.config.neighbours))) for f in self.features]
        weights = shares(len(graphs), self.config.picture_share)
        first, *others = (weight * graph for weight, graph in zip(weights, graphs, strict=True))
        return Operator.of(sum(others, first), self.device)


class Freedom(LearnedRanker[FreedomConfig]):
    """See the module."""

    Config = FreedomConfig
    name = "freedom"
    presets: ClassVar[Mapping[str, Any]] = {"small": FreedomConfig(), "published": PUBLISHED}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-4, 5e-3),
        "pruning": (0.8, 0.9),
        "modal": (0.0, 1e-5, 1e-4, 1e-3),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> FreedomNetwork:
        features, remarks = modalities(self.config, interactions.items, items, cache)
        return FreedomNetwork(interactions, features, remarks, self.config)
