"""BM3: vectors that predict each other's copies under dropout, without negatives (Zhou et al., WWW 2023).

    [U; I'] = mean over hops 0..L of A^l [E_U; E_I],  I = I' + E_I,  x_m = W_m f + b_m
    y(u, i) = P(u) . P(i), with one linear map P
    L = mean over pairs (u, i) of D(P u, i~) + D(P i, u~) + modal * sum over m of [D(P x_m, i~) + D(P x_m, x~_m)]
        + l2 * (|U|_F + |I|_F) / number of items

with ``D(a, b) = 1 - cos(a, b)`` and ``~`` a copy without gradient to which dropout is applied. As in the authors' code
the norms are of all users and items and not squared, and P is applied to both sides of a score. The terms of features
have no gradient in the tables, as their targets have none: features reach a score through P alone, and on planted data
in which features determine purchases they do not help. Differences from the authors' code: frozen features (see
``item_graphs``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.network import shuffled
from baselines.multimodal.features import modalities
from baselines.multimodal.item_graphs import FeatureNetwork, ItemGraphConfig
from unimp_bench.corpus import Items
from unimp_bench.settings import Number, Share, Weight


@dataclass(frozen=True)
class BM3Config(ItemGraphConfig):
    """Settings.

    Attributes:
        dropout: share of the channels of a copy set to zero (authors: 0.3 or 0.5).
        modal: weight of the losses of the projected features.
        l2: weight of the norms (authors: 0.1 or 0.01).
    """

    layers: Number = 1
    dropout: Share = 0.5
    modal: Weight = 2.0
    l2: Weight = 0.1


PUBLISHED = BM3Config(epochs=1000, patience=20, validate_every=1, least_steps=0)


class Pairs(NamedTuple):
    """Rows of users and of an item each user interacted with, (B,) each."""

    users: Tensor
    positives: Tensor


class BM3Network(FeatureNetwork):
    """The tables, the projections, and the predictor ``P``."""

    def __init__(
        self, interactions: Interactions, features: tuple[Tensor, ...], remarks: tuple[str, ...], config: BM3Config
    ) -> None:
        super().__init__(interactions, features, remarks, config)
        self.config = config
        self.predict = nn.Linear(config.width, config.width)
        for map_ in (self.predict, *self.project):
            nn.init.xavier_normal_(map_.weight)

    def batches(self, rng: np.random.Generator) -> Iterator[Any]:
        owners, positives = self.interactions.owners, self.interactions.sequences.values
        for rows in shuffled(len(owners), self.batch_size, rng):
            yield Pairs(self.tensor(owners[rows]), self.tensor(positives[rows]))

    def loss(self, batch: Pairs) -> Tensor:
        all_users, all_items = self.states()
        users = functional.embedding(batch.users, all_users)
        items = functional.embedding(batch.positives, all_items)
        user_copy, item_copy = self.copy(users), self.copy(items)
        loss = self.distance(users, item_copy) + self.distance(items, user_copy)
        for view in self.projected(batch.positives):
            loss = loss + self.config.modal * (self.distance(view, item_copy) + self.distance(view, self.copy(view)))
        norms: Tensor = (all_users.norm() + all_items.norm()) / len(all_items)
        return loss + self.config.l2 * norms

    def vectors(self) -> tuple[Tensor, Tensor]:
        users, items = self.states()
        return self.predict(users), self.predict(items)

    def states(self) -> tuple[Tensor, Tensor]:
        """``U`` and ``I``, (U, width) and (I, width)."""
        users, items = self.propagated(self.adjacency)
        return users, items + self.items.weight

    def copy(self, vectors: Tensor) -> Tensor:
        """The target that other vectors predict."""
        return functional.dropout(vectors.detach(), self.config.dropout, self.training)

    def distance(self, vectors: Tensor, copy: Tensor) -> Tensor:
        """Mean of ``D(P vector, copy)``, a scalar."""
        return (1 - functional.cosine_similarity(self.predict(vectors), copy)).mean()


class BM3(LearnedRanker[BM3Config]):
    """See the module."""

    Config = BM3Config
    name = "bm3"
    presets: ClassVar[Mapping[str, Any]] = {"small": BM3Config(), "published": PUBLISHED}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "layers": (1, 2),
        "dropout": (0.3, 0.5),
        "l2": (0.1, 0.01),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> BM3Network:
        features, remarks = modalities(self.config, interactions.items, items, cache)
        return BM3Network(interactions, features, remarks, self.config)
