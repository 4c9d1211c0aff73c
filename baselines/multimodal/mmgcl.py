"""Multi-modal graph contrastive learning (MMGCL; Yi, Wang, Ounis and Macdonald, SIGIR 2022).

An item has a channel of id embeddings and one channel per modality, ``X_m W_m + b_m``; users share one table in all
channels. Each channel is propagated as in LightGCN, and linear maps of the concatenated channels give the vectors:

    user = W_U [u^id; u^picture; u^text],  item = W_I [i^id; i^picture; i^text],  y(u, i) = user . item
    L = mean over (u, i, j) of -log sigmoid(y(u, i) - y(u, j)) + contrast * (C(users) + C(positive items))
    C = mean over nodes x of -log e^s(x', x'') / (sum over nodes b of e^s(x', b'') + [x is an item] e^s(x', x~))

where ``s`` is the cosine over ``temperature``. View 1, ``x'``, drops a share of the edges in all channels (modality
edge dropout); view 2, ``x''``, replaces one modality of all items, drawn at each step, by random vectors (modality
masking). The challenging negative ``x~`` is the item with one modality taken from the step's negative item.

The authors' code differs from their paper; this file follows the paper. In their code both contrastive losses compare
users with items of view 1, so that view 2 and the challenging negative enter no loss; view 2 drops nodes instead of
masking a modality; its text branch propagates pictures and its picture branch text; and edges are dropped anew at each
step, here once per epoch. Our own choices: modalities are drawn uniformly, the random vectors are fixed, and a user or
item that occurs twice in a batch is not a negative of itself.

Propagation is linear in the item channels, so the constant features are propagated before they are multiplied by
``W_m``: once on the full graph, and once per epoch on the graph with dropped edges. A step propagates only the two
tables. This takes 8 (U + I) bytes per feature channel: 0.1 GB on Beauty, 2 GB at 300,000 nodes with 768 channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.graph import mean_propagation, normalised_adjacency
from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.objectives import PairwiseNetwork, Triples, bpr_loss
from baselines.multimodal.features import VisualSettings, modalities
from baselines.multimodal.graph import split_propagation
from unimp_bench.corpus import Items
from unimp_bench.settings import Count, Rate, Share, Weight

BLANK_STD = 0.1
"""Seed of the random vectors that replace a masked modality."""


@dataclass(frozen=True)
class MMGCLConfig(VisualSettings):
    """Settings.

    Attributes:
        batch_size: interactions per step.
        width: of the vectors.
        layers: hops of the propagation.
        contrast: weight of the contrastive losses, alpha of the paper (authors' code: 0.4).
        temperature: divisor of the cosines.
        edge_dropout: share of the interactions missing in view 1.
        weight_decay: of Adam, on all parameters (authors' code: 1e-4).
        init_std: standard deviation of the initial vectors.
    """

    validate_every: Count = 5
    width: Count = 64
    layers: Count = 3
    contrast: Weight = 0.05
    temperature: Rate = 0.2
    edge_dropout: Share = 0.05
    weight_decay: Weight = 0.0
    init_std: Rate = 0.1


@dataclass(frozen=True)
class Graph:
    """A graph, with the features propagated on it.

    Attributes:
        adjacency: (U + I, U + I) sparse, normalised.
        features: one per modality, (U + I, F + 1); the last column is a propagated constant, for the bias.
    """

    adjacency: Tensor
    features: tuple[Tensor, ...]


class MMGCLNetwork(PairwiseNetwork):
    """Embedding tables, projections of the modalities, and the maps that combine the channels.

    Attributes:
        project: one per modality, (F + 1, width): ``W_m`` with ``b_m`` as its last row.
        mix_users, mix_items: ``W_U`` and ``W_I``.
        features: one per modality, (I, F + 1), the last column constant.
        blank: (I, width) random vectors that replace a masked modality.
        thinned: the graph of view 1 in the current epoch.
    """

    def __init__(
        self, interactions: Interactions, features: tuple[Tensor, ...], remarks: tuple[str, ...], config: MMGCLConfig
    ) -> None:
        super().__init__(interactions, config.width, config.batch_size, config.init_std)
        self.config, self.remarks, self.weight_decay = config, remarks, config.weight_decay
        self.project = nn.ParameterList(torch.zeros(table.shape[1] + 1, config.width) for table in features)
        for projection in self.project:
            nn.init.xavier_uniform_(projection.data[:-1])
        channels = (1 + len(features)) * config.width
        self.mix_users, self.mix_items = nn.Linear(channels, config.width), nn.Linear(channels, config.width)
        for mix in (self.mix_users, self.mix_items):
            nn.init.xavier_uniform_(mix.weight)
        self.features = tuple(functional.pad(table, (0, 1), value=1.0) for table in features)
        self.blank = BLANK_STD * torch.randn(len(interactions.items), config.width)
        self.thinned: Graph | None = None

    def batches(self, rng: np.random.Generator) -> Iterator[Triples]:
        edges = sparse.coo_array(self.interactions.matrix)
        kept = rng.random(edges.nnz) >= self.config.edge_dropout
        coordinates = tuple(each[kept] for each in edges.coords)
        self.thinned = self._graph(sparse.csr_array((edges.data[kept], coordinates), shape=edges.shape))
        yield from super().batches(rng)

    def loss(self, batch: Triples) -> Tensor:
        masked, swapped = torch.randint(len(self.project), (2,)).tolist()
        return self.loss_of(batch, masked, swapped)

    def loss_of(self, batch: Triples, masked: int, swapped: int) -> Tensor:
        """The loss with a masked modality in view 2 and an exchanged one in the challenging negatives."""
        assert self.thinned is not None
        size, first_item = len(batch.users), len(self.interactions.users)
        nodes = torch.cat([batch.users, first_item + batch.positives, first_item + batch.negatives])
        whole, from_users = self._channels(self._whole, nodes)
        thinned, _ = self._channels(self.thinned, nodes[: 2 * size])
        users, positives, negatives = whole.chunk(3)
        scores = [(self._user(users) * self._item(part)).sum(dim=1) for part in (positives, negatives)]

        blank = from_users[: 2 * size] + self._propagated_blank[nodes[: 2 * size]]
        second = _with_channel(whole[: 2 * size], 1 + masked, blank)
        challenge = _with_channel(positives, 1 + swapped, negatives[:, 1 + swapped])
        temperature = self.config.temperature
        contrast = across_views(self._user(thinned[:size]), self._user(second[:size]), batch.users, temperature)
        contrast = contrast + across_views(
            self._item(thinned[size:]), self._item(second[size:]), batch.positives, temperature, self._item(challenge)
        )
        return bpr_loss(*scores) + self.config.contrast * contrast

    def vectors(self) -> tuple[Tensor, Tensor]:
        users = len(self.interactions.users)
        channels, _ = self._channels(self._whole, slice(None))
        return self._user(channels[:users]), self._item(channels[users:])

    def _user(self, channels: Tensor) -> Tensor:
        vectors: Tensor = self.mix_users(channels.flatten(1))
        return vectors

    def _item(self, channels: Tensor) -> Tensor:
        vectors: Tensor = self.mix_items(channels.flatten(1))
        return vectors

    def _channels(self, graph: Graph, nodes: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Channels of the given nodes, (n, 1 + modalities, width), and the users' share of each, (n, width)."""
        sent = split_propagation(graph.adjacency, self.users.weight, self.items.weight, self.config.layers)
        from_users, from_items = (vectors[nodes] for vectors in sent)
        of_items = [table[nodes] @ project for table, project in zip(graph.features, self.project, strict=True)]
        return from_users[:, None] + torch.stack([from_items, *of_items], dim=1), from_users

    @cached_property
    def _whole(self) -> Graph:
        return self._graph(self.interactions.matrix)

    @cached_property
    def _propagated_blank(self) -> Tensor:
        return self._propagated(self._whole.adjacency, self.blank)

    def _graph(self, matrix: sparse.csr_array) -> Graph:
        adjacency = normalised_adjacency(matrix).to(self.device)
        return Graph(adjacency, tuple(self._propagated(adjacency, table) for table in self.features))

    def _propagated(self, adjacency: Tensor, table: Tensor) -> Tensor:
        """``table``, a row per item, propagated to all nodes, (U + I, columns)."""
        nodes = functional.pad(table.to(self.device), (0, 0, len(self.interactions.users), 0))
        return mean_propagation(adjacency, nodes, self.config.layers)


def _with_channel(channels: Tensor, number: int, other: Tensor) -> Tensor:
    """A copy of ``channels``, (n, channels, width), with one of them replaced by ``other``, (n, width)."""
    copy = channels.clone()
    copy[:, number] = other
    return copy


class MMGCL(LearnedRanker[MMGCLConfig]):
    """See the module."""

    Config = MMGCLConfig
    name = "mmgcl"
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-4, 5e-3),
        "contrast": (0.01, 0.05, 0.1, 0.4),
        "edge_dropout": (0.05, 0.2),
        "weight_decay": (0.0, 1e-5, 1e-4),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> MMGCLNetwork:
        features, remarks = modalities(self.config, interactions.items, items, cache)
        return MMGCLNetwork(interactions, features, remarks, self.config)


def across_views(
    first: Tensor, second: Tensor, nodes: Tensor, temperature: float, challenge: Tensor | None = None
) -> Tensor:
    """InfoNCE (van den Oord et al., 2018) between the two views of each node within the batch, a scalar.

    Args:
        first, second: (B, width) the two views.
        nodes: (B,) the node of each row; views of the same node are not negatives of each other.
        temperature: divisor of the cosines.
        challenge: (B, width) an additional negative per node, or None.
    """
    first, second = functional.normalize(first) / temperature, functional.normalize(second)
    again = (nodes[:, None] == nodes).fill_diagonal_(False)
    totals = (first @ second.T).masked_fill_(again, -torch.inf).logsumexp(dim=1)
    if challenge is not None:
        totals = torch.logaddexp(totals, (first * functional.normalize(challenge)).sum(dim=1))
    return (totals - (first * second).sum(dim=1)).mean()
