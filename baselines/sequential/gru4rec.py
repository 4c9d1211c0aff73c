"""GRU4Rec, recurrent recommendation (Hidasi et al., ICLR 2016; Hidasi and Karatzoglou, CIKM 2018), on user sequences.

    h_t = GRU(h_(t-1), e_{i_t}),        r_j = h_t . e_j + b_j

with tied input and output embeddings. The papers train on sessions in parallel, one per batch row, without gradients
through time. Here a history is one sequence with full backpropagation through time, which the authors recommend if
complete histories are available.

Loss ``ce``: cross-entropy over the whole catalogue. Loss ``bpr-max``: the authors' later one, against sampled items.
Loss ``sampled``: sampled softmax, as in form ``sampled`` of ``sasrec``, so that the two differ by the network alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.network import TrainingSettings
from baselines.sequential.next_item import NextItemNetwork
from baselines.sequential.objectives import BprMax, Objective, SampledSettings, objective_of
from unimp_bench.settings import Count, Share, Weight

INIT_STD = 0.05
ELU_SLOPE = 0.5


@dataclass(frozen=True)
class GRU4RecConfig(TrainingSettings):
    """Settings.

    Attributes:
        batch_size: windows of users' sequences per step.
        loss: ``ce``, cross-entropy over the catalogue, or ``bpr-max`` or ``sampled``, against sampled items.
        max_length: maximum number of items of a history, the last ones.
        width: of embeddings and of the hidden state.
        layers: of the GRU.
        dropout: of embeddings and hidden states.
        samples: negatives per batch in bpr-max and sampled.
        sample_power: exponent of popularity in the sampling probability of negatives.
        score_penalty: weight of the squared scores of negatives.
    """

    batch_size: Count = 256
    validate_every: Count = 5
    patience: Count = 5
    loss: Literal["ce", "bpr-max", "sampled"] = "ce"
    max_length: Count = 50
    width: Count = 128
    layers: Count = 1
    dropout: Share = 0.3
    samples: Count = 2048
    sample_power: Weight = 0.5
    score_penalty: Weight = 1.0


SAMPLED = SampledSettings()


class GRU4RecNetwork(NextItemNetwork):
    """A GRU with tied item embeddings."""

    def __init__(self, interactions: Interactions, config: GRU4RecConfig) -> None:
        objective: Objective
        if config.loss == "bpr-max":
            objective = BprMax(interactions, config.samples, config.sample_power, config.score_penalty, ELU_SLOPE)
        else:
            objective = objective_of(config.loss, interactions, SampledSettings(config.samples, config.sample_power))
        super().__init__(interactions, config.width, config.max_length, config.batch_size, objective, bias=True)
        self.gru = nn.GRU(config.width, config.width, config.layers, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        nn.init.normal_(self.items.weight, std=INIT_STD)

    def encode(self, items: Tensor) -> Tensor:
        states: Tensor = self.gru(self.dropout(self.items(items)))[0]
        dropped: Tensor = self.dropout(states)
        return dropped


class GRU4Rec(LearnedRanker[GRU4RecConfig]):
    """See the module."""

    Config = GRU4RecConfig
    network_class = GRU4RecNetwork
    name = "gru4rec"
    presets: ClassVar[Mapping[str, Any]] = {
        "ce": GRU4RecConfig(),
        "bpr-max": GRU4RecConfig(loss="bpr-max"),
        "sampled": GRU4RecConfig(loss="sampled", samples=SAMPLED.samples, sample_power=SAMPLED.sample_power),
    }
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-4, 2e-3),
        "dropout": (0.1, 0.3, 0.5),
        "width": (64, 128),
    }
