"""MMGCN: a graph network for each modality, tied by shared id embeddings (Wei et al., ACM Multimedia 2019).

    x = [P_m; W_m f + b_m] / |.|                                                        for modality m, users first
    h = leaky(mean over neighbours of V x),  x^ = leaky(L x) + E,  x <- leaky(G [h; x^])       in each of three layers
    vector = mean over m of x,  y(u, i) = vector_u . vector_i
    L = mean over (u, i, j) of -log sigmoid(y(u, i) - y(u, j))
        + l2 * (mean square of the rows of E of the batch + sum over m of the mean square of P_m)

``E``, the id embeddings of users and items, is shared by the modalities; ``L`` and ``G`` are affine, with weights of
their own in each layer. In the authors' code, ``E`` and ``P_m`` are no parameters and keep their initial values, and
published numbers include this defect: ``ids=frozen`` has it, the default trains them, as the paper means to. Features
of all modalities are projected to ``width``; in the authors' code pictures have 256 channels, texts as many as their
features. The penalty is on ``P_m`` of all modalities, theirs on that of pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.objectives import Triples, bpr_loss
from baselines.multimodal.features import modalities
from baselines.multimodal.graph import Operator
from baselines.multimodal.item_graphs import FeatureNetwork, ItemGraphConfig
from unimp_bench.corpus import Items
from unimp_bench.settings import Number, Weight, added


@dataclass(frozen=True)
class MMGCNConfig(ItemGraphConfig):
    """Settings.

    Attributes:
        layers: of each modality's network.
        l2: weight of the mean squares.
        ids: ``trained``, or ``frozen``: id embeddings and preferences keep their initial values.
        least_steps: 0, as the published rows were fitted; a longer fit on small corpora was not tried.
    """

    layers: Number = 3
    l2: Weight = 1e-3
    ids: Literal["trained", "frozen"] = "trained"
    least_steps: Number = added(0)


RELEASED = MMGCNConfig(ids="frozen")


class Layer(nn.Module):
    """One layer of a modality."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.send = nn.Linear(width, width, bias=False)
        self.keep = nn.Linear(width, width)
        self.join = nn.Linear(2 * width, width)
        for map_ in (self.send, self.keep, self.join):
            nn.init.xavier_normal_(map_.weight)

    def forward(self, means: Operator, nodes: Tensor, ids: Tensor) -> Tensor:
        """From and to (U + I, width); ``ids`` is ``E``."""
        heard = functional.leaky_relu(means @ self.send(nodes))
        kept = functional.leaky_relu(self.keep(nodes)) + ids
        joined: Tensor = functional.leaky_relu(self.join(torch.cat([heard, kept], dim=1)))
        return joined


class MMGCNNetwork(FeatureNetwork):
    """The tables, and projection, preferences and layers of each modality.

    Attributes:
        tastes: ``P_m``, (U, width) each.
        stacks: the layers, modality by modality.
    """

    def __init__(
        self, interactions: Interactions, features: tuple[Tensor, ...], remarks: tuple[str, ...], config: MMGCNConfig
    ) -> None:
        super().__init__(interactions, features, remarks, config)
        self.config, users = config, len(interactions.users)
        for project in self.project:
            nn.init.xavier_normal_(project.get_parameter("weight"))
        self.tastes = nn.ParameterList(nn.init.xavier_normal_(torch.empty(users, config.width)) for _ in features)
        self.stacks = nn.ModuleList(nn.ModuleList(Layer(config.width) for _ in range(config.layers)) for _ in features)
        for weight in (self.users.weight, self.items.weight, *self.tastes):
            weight.requires_grad_(config.ids == "trained")

    def loss(self, batch: Triples) -> Tensor:
        all_users, all_items = self.vectors()
        users, positives, negatives = self.chosen(batch, all_users, all_items)
        ranking = bpr_loss((users * positives).sum(dim=1), (users * negatives).sum(dim=1))
        ids = torch.cat(self.chosen(batch, self.users.weight, self.items.weight))
        squares = torch.stack([ids.square().mean(), *(taste.square().mean() for taste in self.tastes)]).sum()
        return ranking + self.config.l2 * squares

    @staticmethod
    def chosen(batch: Triples, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The rows of a batch, (B, width) each."""
        return (
            functional.embedding(batch.users, users),
            functional.embedding(batch.positives, items),
            functional.embedding(batch.negatives, items),
        )

    def vectors(self) -> tuple[Tensor, Tensor]:
        ids, views = torch.cat([self.users.weight, self.items.weight]), []
        for projected, tastes, layers in zip(self.projected(), self.tastes, self.stacks, strict=True):
            nodes = functional.normalize(torch.cat([tastes, projected]))
            for layer in layers:  # type: ignore[attr-defined]
                nodes = layer(self._means, nodes, ids)
            views.append(nodes)
        mean = torch.stack(views).mean(dim=0)
        return mean[: len(self.users.weight)], mean[len(self.users.weight) :]

    @cached_property
    def _means(self) -> Operator:
        matrix = self.interactions.matrix
        both = sparse.block_array([[None, matrix], [matrix.T, None]]).tocsr()
        counts = np.maximum(np.asarray(both.sum(axis=1)).ravel(), 1)
        return Operator.of(both.multiply(1 / counts[:, None]).tocsr(), self.device)


class MMGCN(LearnedRanker[MMGCNConfig]):
    """See the module."""

    Config = MMGCNConfig
    name = "mmgcn"
    presets: ClassVar[Mapping[str, Any]] = {"paper": MMGCNConfig(), "released": RELEASED}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 1e-4, 5e-4, 5e-3),
        "l2": (0.0, 1e-4, 1e-3, 1e-2, 1e-1),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> MMGCNNetwork:
        features, remarks = modalities(self.config, interactions.items, items, cache)
        return MMGCNNetwork(interactions, features, remarks, self.config)
