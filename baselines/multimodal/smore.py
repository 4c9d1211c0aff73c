"""SMORE: MGCN with features filtered and fused in the frequency domain (Ong and Khong, WSDM 2025).

    F_m = rfft(W_m f),  conv_m = irfft(F_m * w_m),  conv_f = irfft(product over m of F_m * w_f)         along the width
    x = S (E_I * sigmoid(G (conv))),  X = [R x; x]                                 for each modality and the fusion f
    S_f: the edges of all S_m, with the larger weight
    side = mean over modalities and fusion of (H_m C) * softmax(q_m(X_f)) * X_m  and  (H_f C) * X_f

with ``H`` followed by a sigmoid and dropout, and the rest as in ``mgcn``. The softmax is over the channels of a vector,
as in the authors' code, not over modalities. Transforms are orthonormal; the filters ``w`` are complex.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.multimodal.features import modalities
from baselines.multimodal.graph import Operator
from baselines.multimodal.item_graphs import row_normalised, similarity_graph
from baselines.multimodal.mgcn import MGCNConfig, MGCNNetwork
from unimp_bench.corpus import Items
from unimp_bench.settings import Count, Number, Share, Weight


@dataclass(frozen=True)
class SMOREConfig(MGCNConfig):
    """Settings of MGCN, and others.

    Attributes:
        picture_neighbours: edges of an item in the pictures' graph; ``neighbours`` are those of the text's.
        dropout: share of the channels of the gates ``H`` set to zero.
    """

    layers: Number = 3
    contrast: Weight = 0.03
    picture_neighbours: Count = 10
    dropout: Share = 0.0


BABY = SMOREConfig(
    epochs=1000,
    patience=20,
    validate_every=1,
    least_steps=0,
    layers=4,
    neighbours=15,
    picture_neighbours=40,
    contrast=0.01,
    dropout=0.1,
)
"""The authors' settings of Baby."""


class SMORENetwork(MGCNNetwork):
    """The tables, the projections, filters and gates.

    Attributes:
        filters: (modalities + 1, width / 2 + 1, 2) real and imaginary parts of ``w``, that of the fusion last.
        weigh: ``q_m``, one per modality.
    """

    config: SMOREConfig

    def __init__(
        self, interactions: Interactions, features: tuple[Tensor, ...], remarks: tuple[str, ...], config: SMOREConfig
    ) -> None:
        super().__init__(interactions, features, remarks, config)
        width, views = config.width, len(features) + 1
        self.filters = nn.Parameter(torch.randn(views, width // 2 + 1, 2))
        self.purify = nn.ModuleList(nn.Linear(width, width) for _ in range(views))
        self.prefer = nn.ModuleList(nn.Linear(width, width) for _ in range(views))
        self.weigh = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width, bias=False)) for _ in features
        )
        del self.judge

    def views(self) -> list[Tensor]:
        return [
            self.spread(graph, torch.sigmoid(purify(filtered)))
            for graph, purify, filtered in zip(self._alike, self.purify, self.filtered(), strict=True)
        ]

    def filtered(self) -> list[Tensor]:
        """``conv_m`` of all items and ``conv_f``, (I, width) each."""
        spectra = [torch.fft.rfft(projected, norm="ortho") for projected in self.projected()]
        spectra.append(torch.stack(spectra).prod(dim=0))
        products = [each * mask for each, mask in zip(spectra, torch.view_as_complex(self.filters), strict=True)]
        return [torch.fft.irfft(product, n=self.config.width, norm="ortho") for product in products]

    def side(self, behaviour: Tensor, views: list[Tensor]) -> Tensor:
        *modal, fused = views
        seen = [weigh(fused).softmax(dim=1) * view for weigh, view in zip(self.weigh, modal, strict=True)]
        gates = [torch.sigmoid(prefer(behaviour)) for prefer in self.prefer]
        gates = [functional.dropout(gate, self.config.dropout, self.training) for gate in gates]
        return torch.stack([gate * view for gate, view in zip(gates, [*seen, fused], strict=True)]).mean(dim=0)

    @cached_property
    def _alike(self) -> list[Operator]:
        config = self.config
        counts = (config.picture_neighbours, config.neighbours)[-len(self.features) :]
        pairs = zip(self.features, counts, strict=True)
        graphs = [row_normalised(similarity_graph(table, count)) for table, count in pairs]
        union = graphs[0] if len(graphs) == 1 else graphs[0].maximum(graphs[1])
        return [Operator.of(graph.tocsr(), self.device) for graph in (*graphs, union)]


class SMORE(LearnedRanker[SMOREConfig]):
    """See the module."""

    Config = SMOREConfig
    name = "smore"
    presets: ClassVar[Mapping[str, Any]] = {"small": SMOREConfig(), "baby": BABY}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "layers": (3, 4),
        "contrast": (0.01, 0.03),
        "dropout": (0.0, 0.1),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> SMORENetwork:
        features, remarks = modalities(self.config, interactions.items, items, cache)
        return SMORENetwork(interactions, features, remarks, self.config)
