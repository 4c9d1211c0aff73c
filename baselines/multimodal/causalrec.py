"""CausalRec: visual debiasing by causal inference (Qiu et al., ACM Multimedia 2021).

A picture affects a click on two paths: directly, by attracting attention, and indirectly, by informing about the item.

    m(u, i) = b_i + gamma_u . gamma_i + gamma_u . (gamma_i * tanh(E_m f_i))             the indirect path
    n(u, i) = theta_u . tanh(E_n f_i) + beta' . f_i                                     the direct path
    y(m, n) = sigmoid(m + n) sigmoid(m) sigmoid(n)
    L = mean over (u, i, j) of -log sigmoid(y_i - y_j) - log sigmoid(m_i - m_j) - log sigmoid(n_i - n_j), and the
        penalties of VBPR

Items are ranked by the total indirect effect: the direct path is kept, and the indirect one is compared with that of
the mean item:

    score(u, i) = y(m(u, i), n(u, i)) - lambda_2 y(m*(u), n(u, i))
    m*(u) = mean(b) + gamma_u . mean(gamma) + gamma_u . (mean(gamma) * tanh(E_m mean(f)))

with means over the catalogue, that of ``f`` over the scaled features that the network reads.

Cornac's CausalRec, the authors' reference, adds (B,) to (B, 1) in ``n``, and so trains on B x B mixed pairs; and it
adds the scores of all items to the stored biases, so that scoring a user changes the scores of the next one. Here every
term is (B,), and scoring has no side effects.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.objectives import Triples, bpr_loss
from baselines.multimodal.features import item_looks
from baselines.multimodal.vbpr import VBPR, VBPRConfig, VisualNetwork
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.records import Examples, Protocol
from unimp_bench.settings import Portion

Effects = tuple[Portion, ...]


@dataclass(frozen=True)
class CausalRecConfig(VBPRConfig):
    """Settings of VBPR, and strength of the debiasing.

    Attributes:
        debias: values of ``lambda_2``. The first one is used to choose the epoch; after training, the value with the
            best validation score is chosen.
    """

    debias: Annotated[Effects, Field(min_length=1)] = (0.8, 0.0, 0.2, 0.4, 0.6, 1.0)


class CausalRecNetwork(VisualNetwork):
    """The two paths and their fusion.

    Attributes:
        project, modulate: ``E_n`` and ``E_m``.
        debias: ``lambda_2`` in the scores.
    """

    debias: Tensor

    def __init__(
        self, interactions: Interactions, features: Tensor, remarks: tuple[str, ...], config: CausalRecConfig
    ) -> None:
        super().__init__(interactions, features, remarks, config)
        self.modulate = nn.Linear(features.shape[1], config.width, bias=False)
        nn.init.xavier_uniform_(self.modulate.weight)
        self.register_buffer("debias", torch.tensor(config.debias[0]))

    def loss(self, batch: Triples) -> Tensor:
        users, tastes = self.users(batch.users), self.tastes(batch.users)
        rows, paths = [users, tastes], []
        for numbers in (batch.positives, batch.negatives):
            items, biases, features = self.items(numbers), self.biases[numbers], self.features[numbers]
            indirect = biases + (users * items * (1 + self.modulate(features).tanh())).sum(dim=1)
            direct = (tastes * self.project(features).tanh()).sum(dim=1) + self.style(features).squeeze(1)
            paths.append((fused(indirect, direct), indirect, direct))
            rows += [items, biases]
        losses = [bpr_loss(*pair) for pair in zip(*paths, strict=True)]
        return torch.stack(losses).sum() + self.penalties(*rows)

    def prepare(self) -> None:
        self._matches = self.items.weight * (1 + self.modulate(self.features).tanh())
        self._looks, self._styles = self.project(self.features).tanh(), self.style(self.features).squeeze(1)
        mean = self.items.weight.mean(dim=0) * (1 + self.modulate(self.features.mean(dim=0)).tanh())
        self._untreated = self.biases.mean() + self.users.weight @ mean

    def score(self, examples: Examples) -> Tensor:
        users = self.tensor(self.interactions.user_rows(examples.users))
        indirect = torch.addmm(self.biases, self.users.weight[users], self._matches.T)
        direct = torch.addmm(self._styles, self.tastes.weight[users], self._looks.T)
        return fused(indirect, direct) - self.debias * fused(self._untreated[users, None], direct)


def fused(indirect: Tensor, direct: Tensor) -> Tensor:
    """y(m, n), broadcast."""
    return (indirect + direct).sigmoid() * indirect.sigmoid() * direct.sigmoid()


class CausalRec(LearnedRanker[CausalRecConfig]):
    """See the module."""

    Config = CausalRecConfig
    name = "causalrec"
    space = VBPR.space

    def build(self, interactions: Interactions, items: Items, cache: Path) -> CausalRecNetwork:
        features, remarks = item_looks(self.config, interactions.items, items, cache)
        return CausalRecNetwork(interactions, features, remarks, self.config)

    def settle(self, protocol: Protocol, data: FitData, best: float) -> None:
        network = self.network
        assert isinstance(network, CausalRecNetwork)
        quality = {self.config.debias[0]: best}
        for value in self.config.debias[1:]:
            network.debias.fill_(value)
            quality[value] = self.quality(data)[protocol]
        network.debias.fill_(max(quality, key=quality.__getitem__))
