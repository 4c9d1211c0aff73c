"""S3-Rec: a SASRec whose weights begin at self-supervised ones (Zhou et al., CIKM 2020).

The two stages are ``baselines.sequential.s3rec_pretraining`` and ``baselines.sequential.s3rec_finetuning``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from baselines.learning.interactions import Interactions
from baselines.learning.network import Network
from baselines.learning.training import Outcome
from baselines.selection.threshold import SelectingRanker
from baselines.sequential.attributes import item_attributes
from baselines.sequential.pretraining import pretrain
from baselines.sequential.s3rec_finetuning import S3RecConfig, S3RecNetwork
from baselines.sequential.s3rec_pretraining import Pretraining
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.kinds.early_stopping import Scores


class S3Rec(SelectingRanker[S3RecConfig]):
    """See the module."""

    Config = S3RecConfig
    name = "s3rec"
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "pretraining_epochs": (0, 100, 300),
        "dropout": (0.2, 0.5),
        "learning_rate": (1e-3, 5e-4),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> S3RecNetwork:
        return S3RecNetwork(interactions, item_attributes(items, interactions.items), self.config)

    def learn(self, network: Network, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        assert isinstance(network, S3RecNetwork)
        if self.config.pretraining_epochs:
            first = Pretraining(network).to(network.device)
            network.history.encoder.causal = False
            pretrain(first, self.config, data, self.name)
            network.history.encoder.causal = True
        return super().learn(network, data, validate)
