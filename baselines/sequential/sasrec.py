"""SASRec, self-attentive sequential recommendation (Kang and McAuley, ICDM 2018), in several forms.

Form ``ce``: BERT's blocks, as in RecBole, trained with cross-entropy over the whole catalogue:

    x_t = LN(e_{i_t} + p_t);  x = LN(x + attention(x));  x = LN(x + feed_forward(x))  with GELU

In RecBole each prefix of a sequence is a sample, trained at its last position; here one pass over a sequence trains all
positions, which is the same objective except for dropout.

Form ``sampled``: the blocks of ``ce``, trained by sampled softmax against some items that the positions of a batch
share. The cost of a step hardly depends on the size of the catalogue.

Form ``original``: Eq. 2 to 7 of the paper, trained with binary cross-entropy and one negative per position:

    x_t = sqrt(d) e_{i_t} + p_t;  x = x + attention(LN(x));  x = x + feed_forward(LN(x))  with ReLU;  state = LN(x)

The factor sqrt(d) and the last norm are from the authors' program. It normalises only the queries and adds them instead
of ``x``; this follows the paper. Positions count from the first item of the input, with padding on the right; the
authors pad on the left and so count from the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.encoder import init_weights
from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.sequential.next_item import HistoryEncoder, NextItemNetwork, TransformerSettings
from baselines.sequential.objectives import BinaryEntropy, SampledSettings, objective_of
from unimp_bench.corpus import Items
from unimp_bench.settings import Count

NORM_EPSILON = 1e-8


@dataclass(frozen=True)
class SASRecConfig(SampledSettings, TransformerSettings):
    """Settings.

    Attributes:
        batch_size: windows of users' sequences per step.
        form: ``ce``, RecBole's blocks and cross-entropy over the catalogue; ``original``, the paper's blocks and binary
            cross-entropy with one negative; ``sampled``, RecBole's blocks and sampled softmax.
    """

    batch_size: Count = 256
    validate_every: Count = 5
    patience: Count = 5
    form: Literal["ce", "original", "sampled"] = "ce"


ORIGINAL = SASRecConfig(form="original", batch_size=128, width=50, inner=50, heads=1)


SAMPLED = SASRecConfig(form="sampled")


class CatalogueSASRec(NextItemNetwork):
    """Forms ``ce`` and ``sampled``."""

    def __init__(self, interactions: Interactions, config: SASRecConfig) -> None:
        assert config.form != "original"
        objective = objective_of(config.form, interactions, config)
        super().__init__(interactions, config.width, config.max_length, config.batch_size, objective)
        self.encoder = HistoryEncoder(config, causal=True)
        self.apply(init_weights)

    def encode(self, items: Tensor) -> Tensor:
        states: Tensor = self.encoder(self.items(items))
        return states


class OriginalSASRec(NextItemNetwork):
    """Form ``original``."""

    adam_options: ClassVar[Mapping[str, Any]] = {"betas": (0.9, 0.98), "foreach": True}

    def __init__(self, interactions: Interactions, config: SASRecConfig) -> None:
        super().__init__(interactions, config.width, config.max_length, config.batch_size, BinaryEntropy(interactions))
        self.places = nn.Embedding(config.max_length, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(_PreNormBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, eps=NORM_EPSILON)
        for weight in self.parameters():
            if weight.dim() == 2:
                nn.init.xavier_uniform_(weight)

    def encode(self, items: Tensor) -> Tensor:
        scaled = math.sqrt(self.items.embedding_dim) * self.items(items)
        states = self.dropout(scaled + self.places.weight[: items.shape[1]])
        for block in self.blocks:
            states = block(states)
        normed: Tensor = self.norm(states)
        return normed


class _PreNormBlock(nn.Module):
    """A pre-norm transformer block; attention has no output projection."""

    def __init__(self, config: SASRecConfig) -> None:
        super().__init__()
        width = config.width
        self.heads, self.attention_dropout = config.heads, config.attention_dropout
        self.attention_norm, self.norm = (nn.LayerNorm(width, eps=NORM_EPSILON) for _ in range(2))
        self.attend = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.widen, self.narrow = nn.Linear(width, config.inner), nn.Linear(config.inner, width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor) -> Tensor:
        normed = self.attention_norm(states)
        queries, keys, values = (
            project(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2) for project in self.attend
        )
        dropout = self.attention_dropout if self.training else 0.0
        seen = functional.scaled_dot_product_attention(queries, keys, values, None, dropout, is_causal=True)
        states = states + self.dropout(seen.transpose(1, 2).flatten(2))
        widened = self.dropout(functional.relu(self.widen(self.norm(states))))
        narrowed: Tensor = states + self.dropout(self.narrow(widened))
        return narrowed


class SASRec(LearnedRanker[SASRecConfig]):
    """See the module."""

    Config = SASRecConfig
    name = "sasrec"
    presets: ClassVar[Mapping[str, Any]] = {"ce": SASRecConfig(), "original": ORIGINAL, "sampled": SAMPLED}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-4, 2e-3),
        "dropout": (0.2, 0.3, 0.5, 0.6),
        "width": (64, 128),
        "max_length": (20, 50),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> NextItemNetwork:
        network = OriginalSASRec if self.config.form == "original" else CatalogueSASRec
        return network(interactions, self.config)
