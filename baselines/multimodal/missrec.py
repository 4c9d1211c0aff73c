"""MISSRec, fitted from scratch: items read together with the interests of their history (Wang et al., ACM MM 2023).

With features ``x_m(j)`` of modality m of item j:

    a_m(j) = W_m x_m(j) + b_m,  e_j = sum over modalities m that j has of a_m(j)  [+ id_j]
    interests: all a_m(j) in clusters; Z = Encoder(the distinct centroids of the items of a history)
    s = Decoder(LN(e_i1 + p_1) .. LN(e_in + p_n), Z) at n,  attention to all items, then to Z
    l_m(j) = cos(s, a_m(j)),  f(j) = sum_m softmax_m(g l_m(j)) l_m(j),  g a trained number, first 0
    score(j) = f(j) / tau, or (cos(s, id_j) + 2 f(j)) / (3 tau) with ids
    L = sum over samples of [ -log softmax(score)_next / B + norms |sum_q Z_q|^2 / width ]

Centroids are constants of an epoch. Encoder and decoder have one post-norm block each; the decoder is not causal, so a
sample is a history and its next item, and trains one position. The softmax is over the items with a training
interaction; an item without one is scored by ``f`` alone, as its id is untrained.

Differences from the authors' program. A modality that an item lacks has no part in its token, clusters and ``f``;
there it is the bias ``b_m``, and is clustered. Clusters are refined by steps of k-means from those of the epoch before;
there a new mini-batch k-means precedes each epoch. An epoch draws some histories of each user; there it has all of
them. The last term of ``L``, which their paper calls an orthogonality, has the interests alone; there it has the
padding too, and so depends on the batch. Their pre-training on other domains is not part of this file.
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

from baselines.learning.encoder import NORM_EPSILON, Encoder, init_weights, last_states
from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.network import Network
from baselines.learning.sequences import batches, ends_of_histories, padded, sampled_histories
from baselines.multimodal.features import VisualSettings, modalities
from baselines.sequential.next_item import end_states
from unimp_bench.corpus import Items
from unimp_bench.records import Examples
from unimp_bench.settings import Count, Rate, Share, Weight

_CELLS = 16_000_000
"""Products of vectors and centroids in memory at a time."""


@dataclass(frozen=True)
class MissRecConfig(VisualSettings):
    """Settings.

    Attributes:
        batch_size: histories per step.
        prefixes: histories of each user in an epoch, on average, drawn without repetition (authors: all).
        max_length: maximum number of items of a history, the last ones.
        width: of all vectors, a multiple of ``heads``.
        inner: width of the feed-forward layers.
        heads: of attention.
        dropout: of the embedded history, attention and feed-forward.
        interests: clusters, as a share of the vectors of all items and modalities (authors: 0.5).
        cluster_steps: of k-means before each epoch.
        temperature: tau, of all cosines.
        norms: weight of the squared norms of the summed interests.
        ids: whether items have id embeddings.
    """

    epochs: Count = 100
    validate_every: Count = 5
    patience: Count = 5
    batch_size: Count = 512
    prefixes: Count = 4
    max_length: Count = 20
    width: Count = 64
    inner: Count = 256
    heads: Count = 2
    dropout: Share = 0.5
    interests: Share = 0.1
    cluster_steps: Count = 2
    temperature: Rate = 0.07
    norms: Weight = 1e-4
    ids: bool = True

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of the {self.heads} heads")


AUTHORS = MissRecConfig(epochs=300, prefixes=1000, max_length=50, width=300, heads=4, interests=0.5, cluster_steps=10)


class Samples(NamedTuple):
    """Item rows of histories, (B, N), right-padded with I; their lengths, (B,); and the next items, (B,)."""

    items: Tensor
    lengths: Tensor
    targets: Tensor


class MissRecNetwork(Network):
    """Adaptors, transformer, and with ids the embeddings.

    Args:
        interactions: the training part.
        features: one table per modality, (I, F), zero for an item without one.
        remarks: on missing modalities.
        config: the settings.

    Attributes:
        known: (M, I) whether an item has a modality.
        centroids: (Q, width), of the last epoch; zero before the first.
        codes: (M, I + 1) number of the nearest centroid, Q for what has none.
        targets: (A,) rows of the items with a training interaction.
        gain: g.
    """

    known: Tensor
    centroids: Tensor
    codes: Tensor
    targets: Tensor
    _target_of: Tensor

    def __init__(
        self, interactions: Interactions, features: tuple[Tensor, ...], remarks: tuple[str, ...], config: MissRecConfig
    ) -> None:
        super().__init__()
        self.interactions, self.remarks, self.config = interactions, remarks, config
        self.padding, width = len(interactions.items), config.width
        self.adapt = nn.ModuleList(nn.Linear(table.shape[1], width) for table in features)
        self.ids = nn.Embedding(self.padding, width) if config.ids else None
        self.places = nn.Embedding(config.max_length, width)
        self.norm, self.dropout = nn.LayerNorm(width, eps=NORM_EPSILON), nn.Dropout(config.dropout)
        self.encoder = Encoder(width, config.inner, 1, config.heads, config.dropout, config.dropout, causal=False)
        self.decoder = nn.TransformerDecoderLayer(
            *(width, config.heads, config.inner, config.dropout, functional.gelu, NORM_EPSILON), batch_first=True
        )
        self.apply(init_weights)
        self.gain = nn.Parameter(torch.zeros(()))
        known = torch.stack([table.any(dim=1) for table in features])
        count = max(1, int(np.ceil(config.interests * known.numel())))
        self.register_buffer("centroids", torch.zeros(count, width))
        self._names = [f"features_{number}" for number in range(len(features))]
        for name, table in zip(self._names, features, strict=True):  # channels of variance 1, as those of encoders
            self.register_buffer(name, table * float(np.sqrt(table.shape[1])), persistent=False)
        targets, target_of = np.unique(interactions.sequences.values), np.zeros(self.padding, dtype=np.int64)
        target_of[targets] = np.arange(len(targets))
        codes = torch.full((len(features), self.padding + 1), count)
        for name, values in {"known": known, "targets": targets, "_target_of": target_of, "codes": codes}.items():
            self.register_buffer(name, torch.as_tensor(values), persistent=False)
        self._table = torch.zeros(0)

    def batches(self, rng: np.random.Generator) -> Iterator[Samples]:
        self.cluster(rng)
        sequences = self.interactions.sequences
        count = self.config.prefixes * len(self.interactions.users)
        drawn = sampled_histories(self.interactions, self.config.max_length, count, rng)
        for rows in batches(drawn, self.config.batch_size, rng):
            some = drawn.take(rows)
            items = padded(sequences.values, some.starts, some.stops, self.padding)
            yield Samples(*map(self.tensor, (items, some.lengths(), sequences.values[some.stops])))

    def adapted(self) -> Tensor:
        """``a_m(j)``, (M, I, width); zero where an item lacks the modality."""
        tables = [adapt(self.get_buffer(name)) for adapt, name in zip(self.adapt, self._names, strict=True)]
        return torch.stack(tables) * self.known[:, :, None]

    @torch.no_grad()
    def cluster(self, rng: np.random.Generator) -> None:
        """Refine the centroids by k-means on the adapted features, and assign these to the nearest."""
        vectors = self.adapted()[self.known]
        if not len(vectors):
            return
        if not self.centroids.any():
            chosen = rng.choice(len(vectors), len(self.centroids), replace=len(vectors) < len(self.centroids))
            self.centroids.copy_(vectors[self.tensor(chosen)])
        for _ in range(self.config.cluster_steps):
            nearest = nearest_rows(vectors, self.centroids)
            sizes = torch.bincount(nearest, minlength=len(self.centroids))[:, None]
            sums = torch.zeros_like(self.centroids).index_add_(0, nearest, vectors)
            self.centroids.copy_(torch.where(sizes > 0, sums / sizes.clamp(min=1), self.centroids))
        self._assign(vectors)

    def _assign(self, vectors: Tensor) -> None:
        codes = torch.full_like(self.known, len(self.centroids), dtype=torch.long)
        codes[self.known] = nearest_rows(vectors, self.centroids)
        self.codes[:, :-1] = codes

    def interests(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """The distinct centroids of histories, (B, K, width), in no order, and which are real, (B, K) bool.

        A history without any has one that is zero.
        """
        codes = self.codes[:, items].movedim(0, 2).flatten(1).sort(dim=1).values
        real = codes < len(self.centroids)
        real[:, 1:] &= codes[:, 1:] != codes[:, :-1]
        vectors = functional.pad(self.centroids, (0, 0, 0, 1))[codes]
        real[:, 0] |= ~real.any(dim=1)
        return vectors, real

    def read(self, items: Tensor, adapted: Tensor) -> tuple[Tensor, Tensor]:
        """States of all positions, (B, N, width), of item rows (B, N); and the summed encoded interests, (B, width)."""
        tokens = adapted.sum(dim=0)
        tokens = functional.pad(tokens if self.ids is None else tokens + self.ids.weight, (0, 0, 0, 1))
        embedded = functional.embedding(items, tokens) + self.places.weight[: items.shape[1]]
        centroids, real = self.interests(items)
        memory = self.encoder(centroids, real)
        states = self.decoder(
            self.dropout(self.norm(embedded)),
            memory,
            tgt_key_padding_mask=items == self.padding,
            memory_key_padding_mask=~real,
        )
        return states, (memory * real[:, :, None]).sum(dim=1)

    def fused(self, ends: Tensor, adapted: Tensor, known: Tensor) -> Tensor:
        """``f`` of unit states (B, width) for items with vectors (M, A, width), known (M, A): (B, A)."""
        cosines = torch.stack([ends @ functional.normalize(table, dim=1).T for table in adapted])
        lacking = ~known[:, None, :] & known.any(dim=0)
        weights = (self.gain * cosines).masked_fill(lacking, -torch.inf).softmax(dim=0)
        return (weights * cosines).sum(dim=0)

    def loss(self, batch: Samples) -> Tensor:
        adapted = self.adapted()
        states, summed = self.read(batch.items, adapted)
        ends = functional.normalize(last_states(states, batch.lengths), dim=1)
        scores = self.fused(ends, adapted[:, self.targets], self.known[:, self.targets])
        if self.ids is not None:
            scores = (ends @ functional.normalize(self.ids.weight[self.targets], dim=1).T + 2 * scores) / 3
        loss = functional.cross_entropy(scores / self.config.temperature, self._target_of[batch.targets])
        return loss + self.config.norms * summed.square().sum() / self.config.width

    def prepare(self) -> None:
        self._table = self.adapted()
        if self.known.any():
            self._assign(self._table[self.known])

    def score(self, examples: Examples) -> Tensor:
        items, lengths = ends_of_histories(examples, self.interactions, self.config.max_length)
        states = end_states(self, items, lengths, self.config.width, lambda rows: self.read(rows, self._table)[0])
        ends = functional.normalize(states, dim=1)
        scores = self.fused(ends, self._table, self.known)
        if self.ids is not None:
            trained = self.targets
            by_id = ends @ functional.normalize(self.ids.weight[trained], dim=1).T
            scores[:, trained] = (by_id + 2 * scores[:, trained]) / 3
        return scores / self.config.temperature


class MissRec(LearnedRanker[MissRecConfig]):
    """See the module."""

    Config = MissRecConfig
    name = "missrec"
    presets: ClassVar[Mapping[str, Any]] = {"small": MissRecConfig(), "authors": AUTHORS}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-4, 3e-3),
        "dropout": (0.5, 0.2),
        "ids": (True, False),
        "interests": (0.1, 0.5),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> MissRecNetwork:
        features, remarks = modalities(self.config, interactions.items, items, cache)
        return MissRecNetwork(interactions, features, remarks, self.config)


def nearest_rows(vectors: Tensor, centroids: Tensor) -> Tensor:
    """The nearest centroid (Q, width) of each vector (n, width) in Euclidean distance, (n,) int64."""
    half = centroids.square().sum(dim=1) / 2
    blocks = torch.split(vectors, max(1, _CELLS // len(centroids)))
    return torch.cat([(block @ centroids.T - half).argmax(dim=1) for block in blocks])
