"""KDSR: trained views of items, held to the correlations of their frozen features (Hu et al., ECIR 2024).

The distinct items of a history are the nodes of a graph with relations r: self, out (j was bought after i), in, both.
With id embedding ``e_i`` and a trained table ``m_i`` per modality, the item graph and the fused views of item i are

    a_ij = amplifier_r leaky( w_r . (W e_i * W e_j) ),  g_i = sum_j softmax_j(a_ij) W e_j
    f_i = sum_x softmax_x( MLP(x) ) x  over the views x in {e_i, g_i, m_i of each modality that i has}
    s = f_i(n) + f_i(n-1),  score(j) = s . e_j,  L_rec = mean over samples of  -log softmax(score)_next

Frozen features ``x`` of a modality teach their table the correlations y of the items of a history. Holistic, with
``y_ij = cos(x_i, x_j)`` and ``p_ij = cos(M m_i, M m_j)``; dissected, with the class ``c_ij`` of the cosines in eight
parts of the features, whose centroids are those of random pairs by k-means:

    H = mean over histories of  sqrt( sum_ij ((p_ij - y_ij)^2 / tau^2 + 1e-8) )
    D = mean over pairs of  -log softmax( MLP(|m_i - m_j|) )_c_ij
    L = L_rec + sum over modalities of  holistic H + dissected D

Differences from the authors' program. There the weight 4 of ``H`` is that of both losses of pictures and the weight
0.5 of ``D`` that of both losses of texts; here, as the paper says, each is that of its loss. There the best epoch of
each metric is chosen on the test part, which has a fifth of each user's items, and NDCG is divided by that of K
targets; here selection and metrics are the harness's. The teacher is computed per history, not as matrices of all
items. Tables begin as the leading directions of the features, theirs as codes of an auto-encoder; their two maps
``M`` in a row are one; amplifiers begin at 1, theirs at random; attention has no dropout, theirs is of its logits,
where it lets a node see others; the learning rate is constant, theirs ends after 40 epochs. ``D`` has each pair once.
An epoch draws some histories of each user; there it has all of them. A modality that an item lacks is no view.

Memory: B N^2 for graphs and correlations of B histories of N items, B N^2 width / 2 for ``D``, B I for the scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.encoder import init_weights
from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.network import Network
from baselines.learning.objectives import catalogue_loss
from baselines.learning.sequences import batches, ends_of_histories, of_like_length, padded, sampled_histories
from baselines.multimodal.features import VisualSettings, modalities
from baselines.multimodal.missrec import nearest_rows
from unimp_bench.corpus import Items
from unimp_bench.generative.quantizers import k_means
from unimp_bench.records import Examples
from unimp_bench.settings import Count, Rate, Share, Weight

SELF, OUT, IN, BOTH = 1, 2, 3, 4
"""Relations; 0 is none."""

_SLOPE = 0.1
_FLOOR = 1e-8
_PAIRS = 50_000
"""Random pairs whose correlations are clustered."""


@dataclass(frozen=True)
class KDSRConfig(VisualSettings):
    """Settings.

    Attributes:
        batch_size: histories per step.
        prefixes: histories of each user in an epoch, on average, drawn without repetition (authors: all).
        max_length: maximum number of items of a history, the last ones.
        width: of all vectors.
        last: items whose fused views are summed, the last ones; of a shorter history the first one counts again.
        dropout: of the fused views.
        temperature: tau, of correlations.
        parts: of the features in ``D``.
        classes: of the correlations in these parts.
        holistic, dissected: weights of ``H`` and ``D``; 0 leaves one out.
    """

    epochs: Count = 45
    validate_every: Count = 3
    patience: Count = 5
    batch_size: Count = 256
    prefixes: Count = 4
    max_length: Count = 20
    width: Count = 64
    last: Count = 2
    dropout: Share = 0.4
    temperature: Rate = 1.5
    parts: Count = 8
    classes: Count = 50
    holistic: Weight = 4.0
    dissected: Weight = 0.5


AUTHORS = KDSRConfig(epochs=100, validate_every=1, patience=6, prefixes=1000, max_length=50, width=128)


class Samples(NamedTuple):
    """Item rows of histories, (B, N), right-padded with I; their lengths, (B,); and the next items, (B,)."""

    items: Tensor
    lengths: Tensor
    targets: Tensor


class RelationAttention(nn.Module):
    """``g``, attention along the edges of a graph with relations."""

    def __init__(self, width: int) -> None:
        super().__init__()
        scale = width**-0.5
        self.transform = nn.Parameter(torch.empty(width, width).uniform_(-scale, scale))
        self.weight = nn.Parameter(torch.empty(BOTH, width).uniform_(-scale, scale))
        self.amplifier = nn.Parameter(torch.ones(BOTH))

    def forward(self, nodes: Tensor, chosen: Tensor, relations: Tensor) -> Tensor:
        """Vectors of some nodes of each graph, (B, K, width).

        Args:
            nodes: (B, N, width).
            chosen: (B, K) places of these nodes, each with itself among its neighbours.
            relations: (B, K, N) of each of them with all nodes.
        """
        hidden = nodes @ self.transform
        own = taken(hidden, chosen)
        logits = torch.full(relations.shape, -torch.inf, dtype=nodes.dtype, device=nodes.device)
        for number, (weight, amplifier) in enumerate(zip(self.weight, self.amplifier, strict=True), start=SELF):
            products = functional.leaky_relu((own * weight) @ hidden.transpose(1, 2), _SLOPE)
            logits = torch.where(relations == number, amplifier * products, logits)
        return logits.softmax(dim=2) @ hidden


class Modality(nn.Module):
    """The trained table of a modality, its teacher, and the maps that are compared with it.

    Args:
        features: (I, F) frozen, zero for an item without any.
        config: the settings.

    Attributes:
        known: (I,) whether an item has features.
        unit: (I, F) features of length 1.
        divided: (parts, I, F / parts) parts of the features, each of length 1; the last is padded with zeros.
    """

    known: Tensor
    unit: Tensor
    divided: Tensor

    def __init__(self, features: Tensor, config: KDSRConfig) -> None:
        super().__init__()
        self.config, width = config, config.width
        self.map, self.compare = nn.Linear(width, width), nn.Linear(width, width)
        self.classify = nn.Linear(width, config.classes)
        self.apply(init_weights)
        self.table = nn.Parameter(leading(features, width))
        padded_features = functional.pad(features, (0, -features.shape[1] % config.parts))
        divided = padded_features.reshape(len(features), config.parts, -1).movedim(1, 0)
        for name, tensor in {
            "known": features.any(dim=1),
            "unit": functional.normalize(features, dim=1),
            "divided": functional.normalize(divided, dim=2),
        }.items():
            self.register_buffer(name, tensor.contiguous(), persistent=False)
        self._centroids: Tensor | None = None

    def correlations(self, first: Tensor, second: Tensor) -> Tensor:
        """The cosines of pairs of items (P,) in each part of the features, (P, parts)."""
        return (self.divided[:, first] * self.divided[:, second]).sum(dim=2).T

    def cluster(self) -> None:
        """Find the classes of correlations, by random pairs of the items that have features; once."""
        if self._centroids is None and self.config.dissected:
            known = self.known.nonzero()[:, 0]
            rng, count = np.random.default_rng(0), min(_PAIRS, len(known) ** 2)
            pairs = torch.from_numpy(rng.integers(max(1, len(known)), size=(2, count))).to(known.device)
            found = self.correlations(known[pairs[0]], known[pairs[1]])
            self._centroids = torch.from_numpy(k_means(found.cpu().numpy(), self.config.classes, seed=0)).to(found)

    def classes(self, first: Tensor, second: Tensor) -> Tensor:
        """``c`` of pairs of items (P,), (P,)."""
        assert self._centroids is not None, "cluster comes first"
        return nearest_rows(self.correlations(first, second), self._centroids)

    def distillation(self, items: Tensor, nodes: Tensor) -> Tensor:
        """``holistic H + dissected D`` of histories.

        Args:
            items: (B, N) rows of items, arbitrary where ``nodes`` is false.
            nodes: (B, N) bool, true once for each distinct item.
        """
        own, seen = self.table[items], nodes & self.known[items]
        both = seen[:, :, None] & seen[:, None, :]
        total = own.new_zeros(())
        if self.config.holistic:
            teacher, student = self.unit[items], functional.normalize(self.map(own), dim=2)
            gaps = (student @ student.transpose(1, 2) - teacher @ teacher.transpose(1, 2)) / self.config.temperature
            squares = ((gaps.square() + _FLOOR) * both).sum(dim=(1, 2))
            total = total + self.config.holistic * squares[seen.any(dim=1)].sqrt().sum() / len(items)
        history, first, second = both.triu(diagonal=1).nonzero(as_tuple=True)
        if self.config.dissected and len(history):
            gaps = (own[history, first] - own[history, second]).abs()
            logits = self.classify(functional.relu(self.compare(gaps)))
            classes = self.classes(items[history, first], items[history, second])
            total = total + self.config.dissected * functional.cross_entropy(logits, classes)
        return total


class KDSRNetwork(Network):
    """Id embeddings, item graph, modalities and gate.

    Args:
        interactions: the training part.
        features: one table per modality, (I, F), zero for an item without one.
        remarks: on missing modalities.
        config: the settings.
    """

    def __init__(
        self, interactions: Interactions, features: tuple[Tensor, ...], remarks: tuple[str, ...], config: KDSRConfig
    ) -> None:
        super().__init__()
        self.interactions, self.remarks, self.config = interactions, remarks, config
        self.padding, width = len(interactions.items), config.width
        self.ids = nn.Embedding(self.padding, width)
        self.gate = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))
        self.apply(init_weights)
        self.graph, self.dropout = RelationAttention(width), nn.Dropout(config.dropout)
        self._modalities = [Modality(table, config) for table in features]
        self.modalities = nn.ModuleList(self._modalities)

    def batches(self, rng: np.random.Generator) -> Iterator[Samples]:
        for modality in self._modalities:
            modality.cluster()
        sequences = self.interactions.sequences
        count = self.config.prefixes * len(self.interactions.users)
        drawn = sampled_histories(self.interactions, self.config.max_length, count, rng)
        for rows in batches(drawn, self.config.batch_size, rng):
            some = drawn.take(rows)
            items = padded(sequences.values, some.starts, some.stops, self.padding)
            yield Samples(*map(self.tensor, (items, some.lengths(), sequences.values[some.stops])))

    def encode(self, items: Tensor, lengths: Tensor) -> Tensor:
        """``s`` of histories (B, N), (B, width)."""
        real = items < self.padding
        items, places = items.masked_fill(~real, 0), lengths[:, None] - 1
        ends = (places - torch.arange(self.config.last, device=items.device)).clamp(min=0)
        _, edges = graph_of(items, real)
        edges = edges.gather(1, ends[:, :, None].expand(-1, -1, items.shape[1]))
        rows = items.gather(1, ends)
        own = self.ids(rows)
        views = [own, self.graph(self.ids(items), ends, edges)]
        known = [torch.ones_like(rows, dtype=torch.bool)] * 2
        for modality in self._modalities:
            views.append(modality.table[rows])
            known.append(modality.known[rows])
        fused: Tensor = self.dropout(self.fused(torch.stack(views, dim=2), torch.stack(known, dim=2)))
        return fused.sum(dim=1)

    def fused(self, views: Tensor, known: Tensor) -> Tensor:
        """``f`` (..., width) of views (..., X, width), of which an item has those that are known (..., X)."""
        energies: Tensor = self.gate(views)[..., 0]
        weights = energies.masked_fill(~known, -torch.inf).softmax(dim=-1)
        return (weights[..., None] * views).sum(dim=-2)

    def loss(self, batch: Samples) -> Tensor:
        states = self.encode(batch.items, batch.lengths)
        total = catalogue_loss(states, self.ids.weight, batch.targets)
        real = batch.items < self.padding
        items = batch.items.masked_fill(~real, 0)
        nodes, _ = graph_of(items, real)
        for modality in self._modalities:
            total = total + modality.distillation(items, nodes)
        return total

    def score(self, examples: Examples) -> Tensor:
        items, lengths = ends_of_histories(examples, self.interactions, self.config.max_length)
        states = self.ids.weight.new_empty(len(items), self.config.width)
        for rows in of_like_length(lengths):
            read = self.tensor(items[rows, : lengths[rows].max()])
            states[self.tensor(rows)] = self.encode(read, self.tensor(lengths[rows]))
        return states @ self.ids.weight.T


class KDSR(LearnedRanker[KDSRConfig]):
    """See the module."""

    Config = KDSRConfig
    name = "kdsr"
    presets: ClassVar[Mapping[str, Any]] = {"small": KDSRConfig(), "authors": AUTHORS}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-4, 3e-3),
        "dropout": (0.4, 0.2),
        "holistic": (4.0, 1.0, 0.0),
        "dissected": (0.5, 0.1, 0.0),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> KDSRNetwork:
        features, remarks = modalities(self.config, interactions.items, items, cache)
        return KDSRNetwork(interactions, features, remarks, self.config)


def graph_of(items: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """The graph of each history: nodes are the first occurrences of its items.

    Args:
        items: (B, N) rows of items, right-padded; ``real`` (B, N) bool, false at padding.

    Returns:
        Which places are nodes, (B, N) bool; and the relation of the item of each place with each node, (B, N, N). That
        of padding is with itself.
    """
    size = items.shape[1]
    same = (items[:, :, None] == items[:, None, :]) & real[:, :, None] & real[:, None, :]
    own = torch.arange(size, device=items.device)
    first = torch.where(real, same.to(torch.uint8).argmax(dim=2), own)
    steps = torch.zeros_like(same)
    history, place = real[:, 1:].nonzero(as_tuple=True)
    steps[history, first[history, place], first[history, place + 1]] = True
    relations = OUT * steps + IN * steps.transpose(1, 2)
    relations = torch.where(steps & steps.transpose(1, 2), BOTH, relations)
    relations = torch.where(torch.eye(size, dtype=torch.bool, device=items.device), SELF, relations)
    return real & (first == own), relations.gather(1, first[:, :, None].expand(-1, -1, size))


def taken(vectors: Tensor, places: Tensor) -> Tensor:
    """Vectors (B, N, width) at some places (B, K), (B, K, width)."""
    return vectors.gather(1, places[:, :, None].expand(-1, -1, vectors.shape[2]))


def leading(features: Tensor, width: int) -> Tensor:
    """Features (I, F) in their leading ``width`` directions, (I, width); padded with zeros where there are fewer.

    They are not centred, so that their cosines stay.
    """
    exact = features.double()
    directions = torch.linalg.eigh(exact.T @ exact).eigenvectors.flip(1)[:, :width]
    return functional.pad((exact @ directions).to(features), (0, width - directions.shape[1]))
