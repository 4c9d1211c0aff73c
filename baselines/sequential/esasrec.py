"""eSASRec: SASRec with LiGR blocks and sampled softmax (Tikhonovich et al., RecSys 2025).

    x_t = e_{i_t} + p_(n - t)                                            p_0 belongs to the newest item of n
    x = x + sigmoid(G_1 x) * attention(LN_1(x))                          LiGR, as in the authors' program
    x = x + sigmoid(G_2 x) * W_2 ( SiLU(W_1 LN_2(x)) * W_3 LN_2(x) )     SwiGLU without biases
    r(j | i_1 .. i_n) = x_n . e_j

``*`` is elementwise; the last block has no norm behind it. All positions predict their next item, against negatives
drawn uniformly over the items of the training part. Here all positions of a batch share them, and a negative that is
the target is left out; in the authors' program every position has 256 of its own, which may be the target. As shared
ones are fewer in all, ``small`` has 2,048 of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.encoder import attended
from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.sequential.next_item import NextItemNetwork, TransformerSettings
from baselines.sequential.objectives import Loss, SampledSettings, objective_of
from unimp_bench.settings import Count, Share


@dataclass(frozen=True)
class ESASRecConfig(SampledSettings, TransformerSettings):
    """Settings.

    Attributes:
        batch_size: windows of users' sequences per step.
        loss: ``sampled``, sampled softmax, or ``ce``, cross-entropy over the catalogue.
    """

    epochs: Count = 200
    validate_every: Count = 2
    batch_size: Count = 128
    loss: Loss = "sampled"
    layers: Count = 1
    heads: Count = 1
    dropout: Share = 0.2
    attention_dropout: Share = 0.2
    samples: Count = 2048
    log_q: bool = False


PAPER = ESASRecConfig(width=256, inner=1024, samples=256, validate_every=1, patience=50)


class LiGRBlock(nn.Module):
    """A pre-norm transformer block whose two branches are gated by its state."""

    def __init__(self, config: TransformerSettings) -> None:
        super().__init__()
        width, inner = config.width, config.inner
        self.heads, self.attention_dropout = config.heads, config.attention_dropout
        self.attention_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend, self.gather = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.attention_gate, self.gate = nn.Linear(width, width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 2 * inner, bias=False), nn.Linear(inner, width, bias=False)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor) -> Tensor:
        dropout = self.attention_dropout if self.training else 0.0
        seen = attended(self.attend(self.attention_norm(states)), self.heads, dropout, None, causal=True)
        states = states + self.attention_gate(states).sigmoid() * self.dropout(self.gather(seen))
        wide, linear = self.widen(self.norm(states)).chunk(2, dim=-1)
        fed = self.dropout(self.narrow(self.dropout(functional.silu(wide) * linear)))
        gated: Tensor = states + self.gate(states).sigmoid() * fed
        return gated


class ESASRecNetwork(NextItemNetwork):
    """LiGR blocks over item and position embeddings.

    All matrices are xavier-normal initially, with those of queries, keys and values as one, as in the authors' program;
    biases of attention are 0.
    """

    adam_options: ClassVar[Mapping[str, Any]] = {"betas": (0.9, 0.98), "fused": True}

    def __init__(self, interactions: Interactions, config: ESASRecConfig) -> None:
        objective = objective_of(config.loss, interactions, config)
        super().__init__(interactions, config.width, config.max_length, config.batch_size, objective)
        self.places = nn.Embedding(config.max_length, config.width)
        self.dropout = nn.Dropout(config.dropout)
        blocks = [LiGRBlock(config) for _ in range(config.layers)]
        self.blocks = nn.ModuleList(blocks)
        for weight in self.parameters():
            if weight.dim() == 2:
                nn.init.xavier_normal_(weight)
        for block in blocks:
            for each in block.widen.weight.chunk(2):  # W_1 and W_3
                nn.init.xavier_normal_(each)
            for linear in (block.attend, block.gather):
                nn.init.zeros_(linear.bias)
        nn.init.zeros_(self.items.weight[self.padding])

    def encode(self, items: Tensor) -> Tensor:
        real = items != self.padding
        behind = (real.sum(dim=1, keepdim=True) - real.cumsum(dim=1)).clamp(max=self.length - 1)
        states: Tensor = self.dropout(self.items(items) + self.places(behind))
        for block in self.blocks:
            states = block(states)
        return states


class ESASRec(LearnedRanker[ESASRecConfig]):
    """See the module."""

    Config = ESASRecConfig
    network_class = ESASRecNetwork
    name = "esasrec"
    presets: ClassVar[Mapping[str, Any]] = {"small": ESASRecConfig(), "paper": PAPER}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-4, 2e-3),
        "dropout": (0.1, 0.2, 0.5),
        "width": (64, 128),
        "samples": (2048, 256),
    }
