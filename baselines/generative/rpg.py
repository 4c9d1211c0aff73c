"""RPG: long semantic ids whose codes are predicted in parallel (Hou et al., KDD 2025).

The codes c_1 .. c_m of an item are those of optimised product quantization, in no order. A causal transformer reads
the mean of an item's m code embeddings; its state s after the last item gives all codes of the next one at once:

    x_t = (1/m) sum_k E_{k, c_k(i_t)};    s = Transformer(x_1 .. x_t)_t
    h_k = s + silu(W_k s + b_k),  W_k = 0 at first;    p_k = softmax over the codes c of  cos(h_k, E_{k,c}) / tau
    score(j) = (1/m) sum_k log p_k(c_k(j))
    L = mean over positions of  -score(next)

The blocks are GPT-2's, from transformers (pre-norm, learned positions). The authors rank by a graph of similar items
from random starts; here every item is scored, which is exact, and as fast at these sizes. Their warm-up of 10,000
steps is longer than most of a run; here the learning rate rises in the first epochs and falls by a cosine. Where no
ids are named, the quantizer is fitted on texts of the items of the training part. Items with the same codes have one
score. The catalogue is the whole corpus, so items without any interaction are scored by their codes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.generative.coded import CodedInteractions, coded
from baselines.learning.encoder import INIT_STD
from baselines.learning.model import LearnedRanker
from baselines.learning.network import Network
from baselines.learning.sequences import batches, ends_of_histories, windows
from baselines.sequential.next_item import TransformerSettings, end_states, inputs_and_targets
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.ragged import offsets_of
from unimp_bench.records import Examples
from unimp_bench.settings import Count, Rate, Share
from unimp_bench.torch_setup import make_torchvision_importable

WARM_UP = 3
"""Epochs in which the learning rate rises."""


@dataclass(frozen=True)
class RPGConfig(TransformerSettings):
    """Settings.

    Attributes:
        batch_size: windows of users' sequences per step.
        dropout, attention_dropout: of the embedded history, and of the attention weights.
        temperature: tau.
        levels, codes: m and the codes of each where no stored ids are named; fewer where texts have fewer directions.
    """

    epochs: Count = 60
    patience: Count = 5
    validate_every: Count = 2
    learning_rate: Rate = 1e-3
    batch_size: Count = 64
    width: Count = 128
    inner: Count = 256
    dropout: Share = 0.1
    attention_dropout: Share = 0.1
    temperature: Rate = 0.03
    levels: Count = 16
    codes: Count = 256


PAPER = RPGConfig(
    epochs=150,
    patience=20,
    validate_every=1,
    learning_rate=1e-2,
    batch_size=256,
    width=448,
    inner=1024,
    heads=4,
    dropout=0.5,
    attention_dropout=0.5,
    levels=32,
)


class Batch(NamedTuple):
    """Item rows (B, N), right-padded with I, and the item after each real position, (positions,)."""

    items: Tensor
    targets: Tensor


class RPGNetwork(Network):
    """Code embeddings, the transformer, and a head per code.

    Args:
        interactions: the training part, with ids.
        config: the settings.

    Attributes:
        code_of: (I + 1, m) numbers of the codes of each item, code after code of all levels; the last row is padding.
    """

    clip_norm = 1.0
    decoupled = True
    code_of: Tensor

    def __init__(self, interactions: CodedInteractions, config: RPGConfig) -> None:
        super().__init__()
        make_torchvision_importable()
        from transformers import GPT2Config, GPT2Model

        self.interactions, self.config = interactions, config
        self.padding, self.sizes = len(interactions.items), interactions.sizes
        self.bounds = offsets_of(self.sizes)
        self.embed = nn.Embedding(int(self.bounds[-1]) + 1, config.width, padding_idx=int(self.bounds[-1]))
        self.blocks = GPT2Model(
            GPT2Config(
                vocab_size=1,
                bos_token_id=None,
                eos_token_id=None,
                n_positions=config.max_length,
                n_embd=config.width,
                n_layer=config.layers,
                n_head=config.heads,
                n_inner=config.inner,
                embd_pdrop=config.dropout,
                attn_pdrop=config.attention_dropout,
                resid_pdrop=0.0,
                layer_norm_epsilon=1e-12,
                use_cache=False,
            )
        )
        self.blocks.wte = nn.Identity()  # embeddings are given
        nn.init.normal_(self.embed.weight, std=INIT_STD)
        nn.init.zeros_(self.embed.weight[-1])
        self.lift = nn.Parameter(torch.zeros(len(self.sizes), config.width, config.width))
        self.shift = nn.Parameter(torch.zeros(len(self.sizes), config.width))
        codes = np.full((self.padding + 1, len(self.sizes)), self.bounds[-1])
        codes[:-1] = interactions.codes + self.bounds[:-1]
        self.register_buffer("code_of", torch.from_numpy(codes), persistent=False)
        self._windows = windows(interactions, config.max_length)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        for rows in batches(self._windows, self.config.batch_size, rng, by_items=True):
            yield Batch(*map(self.tensor, inputs_and_targets(self.interactions, self._windows.take(rows))))

    def loss(self, batch: Batch) -> Tensor:
        states = self.encode(batch.items)[batch.items != self.padding]
        codes = self.code_of[batch.targets] - self.tensor(self.bounds[:-1])
        losses = [-each.gather(1, codes[:, level, None]).mean() for level, each in enumerate(self.code_scores(states))]
        return torch.stack(losses).mean()

    def encode(self, items: Tensor) -> Tensor:
        """States (B, N, width) after each of the items (B, N); padding on the right is not attended to."""
        vectors = self.embed(self.code_of[items]).mean(dim=2)
        states: Tensor = self.blocks(inputs_embeds=vectors).last_hidden_state
        return states

    def code_scores(self, states: Tensor) -> list[Tensor]:
        """Log-probabilities (n, codes of a level) of each level after states (n, width)."""
        lifted = torch.einsum("nw,kvw->knv", states, self.lift) + self.shift[:, None]
        heads = functional.normalize(states + functional.silu(lifted), dim=-1)
        table = torch.split(functional.normalize(self.embed.weight[:-1], dim=1), self.sizes)
        return [
            (head @ rows.T / self.config.temperature).log_softmax(dim=1)
            for head, rows in zip(heads, table, strict=True)
        ]

    def pace(self, epoch: int) -> float:
        rising = min(1.0, (epoch + 1) / (WARM_UP + 1))
        return rising * 0.5 * (1 + math.cos(math.pi * epoch / self.config.epochs))

    def score(self, examples: Examples) -> Tensor:
        items, lengths = ends_of_histories(examples, self.interactions, self.config.max_length)
        codes = self.code_scores(end_states(self, items, lengths, self.config.width, self.encode))
        # A row per code, so that the means run along memory.
        means = functional.embedding_bag(self.code_of[:-1], torch.cat(codes, dim=1).T.contiguous(), mode="mean")
        return means.T.contiguous()


class RPG(LearnedRanker[RPGConfig]):
    """See the module."""

    Config = RPGConfig
    Artifacts = CodedInteractions
    name = "rpg"
    presets: ClassVar[Mapping[str, Any]] = {"small": RPGConfig(), "paper": PAPER}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 3e-3, 1e-2),
        "dropout": (0.1, 0.3, 0.5),
        "temperature": (0.03, 0.07),
    }

    def gather(self, data: FitData) -> CodedInteractions:
        return coded(super().gather(data), data, "opq", self.config.levels, self.config.codes, self.name)

    def build(self, artifacts: Any, items: Items, cache: Path) -> Network:
        return RPGNetwork(artifacts, self.config)

    def fit(self, data: FitData) -> None:
        super().fit(replace(data, catalogue=np.arange(len(data.items))))
