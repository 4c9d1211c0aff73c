"""CLCRec: content that predicts id embeddings, for items without interactions (Wei et al., ACM Multimedia 2021).

    g_k = W2 leaky(W1 f_k + b1) + b2,  f_k the normalised features of all modalities, one after another
    A = -log softmax over k of cos(e_i, g_k) / t, at the positive i            content and id of an item agree
    B = -log softmax over k of u . z_k / t, at the positive i                  z_k = e_k, or g_k for a random share of k
    L = mean over (u, i) of a A + (1 - a) B + norms / 2 (mean |u| + mean |e_k|)
    y(u, k) = u . e_k for an item with training interactions, u . g_k for another one

where ``k`` runs over the positive and ``negatives`` items without training interaction of the user. The authors'
program avoids negatives that are in the user's validation or test part, which tells the model what they are; here only
training interactions count. Items without any training interaction are no negatives. Their program draws the replaced
positions with replacement, so that a share of 0.5 replaces 39%; here it replaces half.
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

from baselines.learning.interactions import Interactions, NegativeSampler
from baselines.learning.model import LearnedRanker
from baselines.learning.network import shuffled
from baselines.learning.objectives import PairwiseNetwork
from baselines.multimodal.features import VisualSettings, joined, modalities
from unimp_bench.corpus import Items
from unimp_bench.ragged import Ragged
from unimp_bench.settings import Count, Rate, Share, Weight


@dataclass(frozen=True)
class CLCRecConfig(VisualSettings):
    """Settings.

    Attributes:
        batch_size: interactions per step.
        width: of the vectors.
        inner: width of the hidden layer of the content encoder.
        negatives: items per positive (authors: 128 and 512).
        content: a, weight of the agreement of content and id (authors: 0.5 and 0.9).
        replaced: share of the items represented by their content in the ranking loss.
        temperature: t (authors: 2 and 1).
        norms: weight of the norms (authors: 0.1 and 1e-3).
    """

    batch_size: Count = 1024
    validate_every: Count = 5
    patience: Count = 5
    width: Count = 64
    inner: Count = 256
    negatives: Count = 64
    content: Share = 0.5
    replaced: Share = 0.5
    temperature: Rate = 1.0
    norms: Weight = 1e-3


MOVIELENS = CLCRecConfig(batch_size=256, negatives=128, temperature=2.0, norms=0.1)
AMAZON = CLCRecConfig(batch_size=256, negatives=512, content=0.9)


class Candidates(NamedTuple):
    """Rows of users, (B,), and of a positive followed by negatives, (B, 1 + negatives)."""

    users: Tensor
    items: Tensor


class CLCRecNetwork(PairwiseNetwork):
    """The tables, the content encoder and the features.

    Attributes:
        encode: ``g``.
        features: (I, F) with unit rows per modality.
        warm: (I,) whether an item has a training interaction.
    """

    features: Tensor
    warm: Tensor

    def __init__(
        self, interactions: Interactions, features: tuple[Tensor, ...], remarks: tuple[str, ...], config: CLCRecConfig
    ) -> None:
        super().__init__(interactions, config.width, config.batch_size, init_std=1.0)
        self.config, self.remarks = config, remarks
        for table in (self.users, self.items):
            nn.init.xavier_normal_(table.weight)
        contents = joined(features)
        self.encode = nn.Sequential(
            nn.Linear(contents.shape[1], config.inner), nn.LeakyReLU(), nn.Linear(config.inner, config.width)
        )
        degrees = interactions.matrix.sum(axis=0)
        self.register_buffer("features", contents, persistent=False)
        self.register_buffer("warm", torch.from_numpy(degrees > 0), persistent=False)
        self._known = np.flatnonzero(degrees)
        places = np.searchsorted(self._known, interactions.sequences.values)
        sequences = Ragged(interactions.sequences.offsets, places)
        self._seen = Interactions(interactions.users, interactions.items[self._known], sequences)
        self._negatives: NegativeSampler | None = None

    def batches(self, rng: np.random.Generator) -> Iterator[Any]:
        self._negatives = self._negatives or NegativeSampler(self._seen)
        owners, positives = self.interactions.owners, self.interactions.sequences.values
        for rows in shuffled(len(owners), self.batch_size, rng):
            users = owners[rows]
            drawn = self._negatives.draw(np.repeat(users[:, None], self.config.negatives, axis=1), rng)
            items = np.concatenate([positives[rows, None], self._known[drawn]], axis=1)
            yield Candidates(self.tensor(users), self.tensor(items))

    def loss(self, batch: Candidates) -> Tensor:
        mask = torch.rand(batch.items.shape, device=self.device) < self.config.replaced
        return self.loss_of(batch, mask)

    def loss_of(self, batch: Candidates, mask: Tensor) -> Tensor:
        """The loss with the content of the items of ``mask``, (B, 1 + negatives) boolean, in the ranking loss."""
        config = self.config
        distinct, places = torch.unique(batch.items, return_inverse=True)
        contents = functional.embedding(places, self.encode(self.features[distinct]))
        ids, users = self.items(batch.items), self.users(batch.users)
        agreement = torch.einsum("bw,bkw->bk", functional.normalize(ids[:, 0]), functional.normalize(contents, dim=2))
        margins = torch.einsum("bw,bkw->bk", users, torch.where(mask[:, :, None], contents, ids))
        first = torch.zeros_like(batch.users)
        losses = [functional.cross_entropy(each / config.temperature, first) for each in (agreement, margins)]
        norms = (users.norm(dim=1).mean() + ids.norm(dim=2).mean()) / 2
        total: Tensor = config.content * losses[0] + (1 - config.content) * losses[1] + config.norms * norms
        return total

    def vectors(self) -> tuple[Tensor, Tensor]:
        items = torch.where(self.warm[:, None], self.items.weight, self.encode(self.features))
        return self.users.weight, items


class CLCRec(LearnedRanker[CLCRecConfig]):
    """See the module."""

    Config = CLCRecConfig
    name = "clcrec"
    presets: ClassVar[Mapping[str, Any]] = {"small": CLCRecConfig(), "movielens": MOVIELENS, "amazon": AMAZON}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-4, 5e-3),
        "content": (0.5, 0.9),
        "norms": (1e-3, 1e-2, 1e-1),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> CLCRecNetwork:
        features, remarks = modalities(self.config, interactions.items, items, cache)
        return CLCRecNetwork(interactions, features, remarks, self.config)
