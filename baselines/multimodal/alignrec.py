"""AlignRec: a view of fused features, aligned with behaviour and with the features (Liu et al., CIKM 2024).

    x = S (E_I * sigmoid(G (W f))),  X = [R x; x]                         as in ``mgcn``, for one fused vector f an item
    C = mean over hops 0..L of A^l [E_U; E_I],  final = C + X,  y(u, i) = final_u . final_i
    L = mean over (u, i, j) of -log sigmoid(y(u, i) - y(u, j)) + l2 / 2 (squared norms of the final vectors)
        + contrast * (InfoNCE(x_i, C_i) + InfoNCE(R x_u, C_u))                                 content and behaviour
        + user_item * mean (1 - cos(final_u, final_i))                                               user and item
        + similarity * |X_b X_b^T - cos(f_b, f_b)|_F / B                         content and the features it is made of

with the vectors ``X_b`` of the B positive items of a batch. The norm is not squared, and products of X are compared
with cosines of f, both as in the authors' code.

The paper's first alignment, of pictures with texts, is the pre-training of an encoder by masked prediction; the
authors' code has its fused vectors, and not this training. Here f are the normalised features of pictures and texts
side by side, so what that encoder contributes is missing. In the authors' code f is trained, with the cosines of its
initial values as targets; here it is frozen. Further differences: see ``mgcn`` and ``item_graphs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional

from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.objectives import Triples
from baselines.multimodal.features import joined, modalities
from baselines.multimodal.mgcn import MGCNConfig, MGCNNetwork
from unimp_bench.corpus import Items
from unimp_bench.settings import Weight


@dataclass(frozen=True)
class AlignRecConfig(MGCNConfig):
    """Settings of MGCN, and others.

    Attributes:
        user_item: weight of the cosines of users and their items.
        similarity: weight of the similarities of the features (authors: 0.1 to 0.5).
    """

    user_item: Weight = 0.1
    similarity: Weight = 0.1


PUBLISHED = AlignRecConfig(epochs=1000, patience=30, validate_every=1, least_steps=0)


class AlignRecNetwork(MGCNNetwork):
    """The tables, the projection and its gate.

    Attributes:
        features: one table, of the fused vectors, (I, F).
    """

    config: AlignRecConfig

    def __init__(
        self, interactions: Interactions, features: Tensor, remarks: tuple[str, ...], config: AlignRecConfig
    ) -> None:
        super().__init__(interactions, (features,), remarks, config)
        del self.judge, self.prefer

    def side(self, behaviour: Tensor, views: list[Tensor]) -> Tensor:
        return views[0]

    def loss_of(self, behaviour: Tensor, side: Tensor, batch: Triples) -> Tensor:
        config, first_item = self.config, len(self.users.weight)
        items = first_item + batch.positives
        users, positives = (functional.embedding(rows, behaviour + side) for rows in (batch.users, items))
        aligned = 1 - functional.cosine_similarity(users, positives).mean()
        alike = similarity_loss(functional.embedding(items, side), self.features[0][batch.positives])
        return super().loss_of(behaviour, side, batch) + config.user_item * aligned + config.similarity * alike


class AlignRec(LearnedRanker[AlignRecConfig]):
    """See the module."""

    Config = AlignRecConfig
    name = "alignrec"
    presets: ClassVar[Mapping[str, Any]] = {"small": AlignRecConfig(), "published": PUBLISHED}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-4, 5e-4, 1e-3, 5e-3),
        "contrast": (1e-4, 1e-3, 0.01, 0.1),
        "similarity": (0.1, 0.3, 0.5),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> AlignRecNetwork:
        features, remarks = modalities(self.config, interactions.items, items, cache)
        return AlignRecNetwork(interactions, joined(features), remarks, self.config)


def similarity_loss(vectors: Tensor, features: Tensor) -> Tensor:
    """``|V V^T - cos(f, f)|_F / B``, a scalar.

    Args:
        vectors, features: (B, width) and (B, F); a row of zeros has cosines of 0.
    """
    unit = functional.normalize(features)
    loss: Tensor = (vectors @ vectors.T - unit @ unit.T).norm() / len(vectors)
    return loss
