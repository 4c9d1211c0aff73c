"""LATTICE: item graphs from features that are learned with the recommender (Zhang et al., ACM Multimedia 2021).

    K(X): the k nearest items of each by cosine, with the cosines as weights; N(S) = D^-1/2 S D^-1/2, row sums D
    S = keep * sum over m of a_m N(K(F_m)) + (1 - keep) * N(sum over m of a_m K(W_m F_m + b_m)),  a = softmax of scalars
    [U; I'] = mean over hops 0..L of B^l [E_U; E_I],  B = D^-1 (A + I)
    I* = I' + h / |h|,  h = S^M E_I,  y(u, i) = u . i*
    L = mean over (u, i, j) of -log sigmoid(y(u, i) - y(u, j)) + l2 / 2 (|u|^2 + |i*|^2 + |j*|^2)

As in the authors' code, ``S`` is built from the current weights at the first step of an epoch, and is constant for its
other steps: the projections and ``a`` have a gradient once per epoch. Their matrices are dense, (I, I); here a graph is
its k edges per item, with the same gradient. Every interaction is a positive once per epoch, as in the comparison of
Zhou (MMRec, 2023), where the authors sample users. Further differences: see ``item_graphs``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from scipy import sparse
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
    graph_of,
    nearest_items,
    row_normalised,
    similarity_graph,
)
from unimp_bench.corpus import Items
from unimp_bench.settings import Count, Number, Share, Weight


@dataclass(frozen=True)
class LatticeConfig(ItemGraphConfig):
    """Settings.

    Attributes:
        neighbours: k, edges of an item in the graph of a modality, including one to itself.
        hops: M, of the item graph.
        keep: share of the graphs of the given features.
        l2: weight of the squared norms of a batch's final vectors (authors: 1e-5; compared: 0 to 1e-3).
    """

    neighbours: Count = 10
    hops: Number = 1
    keep: Share = 0.9
    l2: Weight = 1e-4


PUBLISHED = LatticeConfig(epochs=1000, patience=20, validate_every=1, least_steps=0)


class Edges(NamedTuple):
    """k weighted edges per item: weights, which may have a gradient, and neighbours, (I, k) each."""

    weights: Tensor
    neighbours: Tensor


@dataclass(frozen=True)
class MinedGraph:
    """``S`` with a gradient for its weights; ``graph @ items`` is (I, width).

    Attributes:
        keep: share of the graphs of the given features.
        shares: (modalities,) ``a``.
        given: ``N(K(F_m))``.
        learned: the second sum, modality by modality.
    """

    keep: float
    shares: Tensor
    given: list[Operator]
    learned: list[Edges]

    def __matmul__(self, items: Tensor) -> Tensor:
        parts = [self.keep * share * (graph @ items) for share, graph in zip(self.shares, self.given, strict=True)]
        for weights, neighbours in self.learned:
            parts.append((1 - self.keep) * torch.einsum("ik,ikw->iw", weights, items[neighbours]))
        return torch.stack(parts).sum(dim=0)


class LatticeNetwork(FeatureNetwork):
    """The tables, the projections and the weights of the modalities.

    Attributes:
        logits: (modalities,), of which ``a`` is the softmax.
        mined: ``S`` of the current epoch, constant; None before its first step.
    """

    def __init__(
        self, interactions: Interactions, features: tuple[Tensor, ...], remarks: tuple[str, ...], config: LatticeConfig
    ) -> None:
        super().__init__(interactions, features, remarks, config)
        self.config = config
        self.logits = nn.Parameter(torch.zeros(len(features)))
        self.mined: Operator | None = None

    def pace(self, epoch: int) -> float:
        return decayed(epoch)

    def batches(self, rng: np.random.Generator) -> Iterator[Triples]:
        self.mined = None
        yield from super().batches(rng)

    def loss(self, batch: Triples) -> Tensor:
        if self.mined is None:
            graph = self.mine()
            all_users, all_items = self.states(graph)
            self.mined = self.constant(graph)
        else:
            all_users, all_items = self.states(self.mined)
        users = functional.embedding(batch.users, all_users)
        positives, negatives = (functional.embedding(rows, all_items) for rows in (batch.positives, batch.negatives))
        ranking = bpr_loss((users * positives).sum(dim=1), (users * negatives).sum(dim=1))
        return ranking + self.config.l2 * penalty(users, positives, negatives)

    def vectors(self) -> tuple[Tensor, Tensor]:
        return self.states(self.mine())

    def states(self, graph: MinedGraph | Operator) -> tuple[Tensor, Tensor]:
        """``U`` and ``I*`` with an item graph, (U, width) and (I, width)."""
        tables = total = torch.cat([self.users.weight, self.items.weight])
        for _ in range(self.layers):
            total = tables + self._averages @ total
        users, items = torch.split(total / (self.layers + 1), [len(self.users.weight), len(self.items.weight)])
        alike = self.items.weight
        for _ in range(self.config.hops):
            alike = graph @ alike
        return users, items + functional.normalize(alike)

    def mine(self) -> MinedGraph:
        """``S`` from the current weights."""
        shares, graphs = self.logits.softmax(dim=0), []
        for share, projected, table in zip(shares, self.projected(), self.features, strict=True):
            unit = functional.normalize(projected * (table != 0).any(dim=1, keepdim=True))
            _, neighbours = nearest_items(unit, self.config.neighbours)
            graphs.append((share * torch.einsum("iw,ikw->ik", unit, unit[neighbours]).relu(), neighbours))
        sums = torch.stack([weights.sum(dim=1) for weights, _ in graphs]).sum(dim=0)
        factors = torch.where(sums > 0, sums, torch.ones_like(sums)).rsqrt()
        learned = [Edges(weights * factors[:, None] * factors[rows], rows) for weights, rows in graphs]
        return MinedGraph(self.config.keep, shares, self._operators, learned)

    def constant(self, graph: MinedGraph) -> Operator:
        """The same graph without gradient, as one matrix."""
        parts = [graph.keep * share * given for share, given in zip(graph.shares.tolist(), self._graphs, strict=True)]
        parts += [(1 - graph.keep) * graph_of(*edges) for edges in graph.learned]
        return Operator.of(sum(parts[1:], parts[0]).tocsr(), self.device)

    @cached_property
    def _graphs(self) -> list[sparse.csr_array]:
        return [row_normalised(similarity_graph(table, self.config.neighbours)) for table in self.features]

    @cached_property
    def _operators(self) -> list[Operator]:
        return [Operator.of(graph, self.device) for graph in self._graphs]

    @cached_property
    def _averages(self) -> Operator:
        matrix = self.interactions.matrix
        loops = sparse.eye_array(sum(matrix.shape), dtype=np.float32)
        both = (sparse.block_array([[None, matrix], [matrix.T, None]]) + loops).tocsr()
        return Operator.of((both / both.sum(axis=1)[:, None]).tocsr(), self.device)


class Lattice(LearnedRanker[LatticeConfig]):
    """See the module."""

    Config = LatticeConfig
    name = "lattice"
    presets: ClassVar[Mapping[str, Any]] = {"small": LatticeConfig(), "published": PUBLISHED}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 1e-4, 5e-4, 5e-3),
        "l2": (0.0, 1e-5, 1e-4, 1e-3),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> LatticeNetwork:
        features, remarks = modalities(self.config, interactions.items, items, cache)
        return LatticeNetwork(interactions, features, remarks, self.config)
