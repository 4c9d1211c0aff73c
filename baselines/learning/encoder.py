"""The transformer encoder that sequential recommenders share: post-norm blocks with GELU, as BERT's."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

NORM_EPSILON = 1e-12
INIT_STD = 0.02


class Encoder(nn.Module):
    """Blocks of ``x = LN(x + attention(x)); x = LN(x + feed_forward(x))``.

    Args:
        width: of the states, a multiple of ``heads``.
        inner: width inside the feed-forward layers.
        layers, heads: blocks, and attention heads of each.
        dropout: of the outputs of attention and feed-forward.
        attention_dropout: of the attention weights.
        causal: each position attends to itself and earlier ones; else to all positions that are not padding.
    """

    def __init__(
        self,
        width: int,
        inner: int,
        layers: int,
        heads: int,
        dropout: float,
        attention_dropout: float,
        causal: bool,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.blocks = nn.ModuleList(_Block(width, inner, heads, dropout, attention_dropout) for _ in range(layers))

    def forward(self, states: Tensor, real: Tensor | None = None) -> Tensor:
        """States of all positions, (B, N, width).

        Args:
            states: (B, N, width) embeddings.
            real: (B, N) bool, false at padding; not needed by a causal encoder with padding on the right.
        """
        mask = None if self.causal or real is None else real[:, None, None, :]
        for block in self.blocks:
            states = block(states, mask, self.causal)
        return states


class _Block(nn.Module):
    def __init__(self, width: int, inner: int, heads: int, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.heads, self.attention_dropout = heads, attention_dropout
        self.attend = nn.Linear(width, 3 * width)
        self.gather = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.widen, self.narrow = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        dropout = self.attention_dropout if self.training else 0.0
        seen = attended(self.attend(states), self.heads, dropout, mask, causal)
        states = self.attention_norm(states + self.dropout(self.gather(seen)))
        widened = functional.gelu(self.widen(states))
        normed: Tensor = self.norm(states + self.dropout(self.narrow(widened)))
        return normed


def attended(projected: Tensor, heads: int, dropout: float, mask: Tensor | None, causal: bool) -> Tensor:
    """The outputs of all heads, concatenated, (B, N, width).

    Args:
        projected: (B, N, 3 width) queries, keys and values.
        heads: that divide the width.
        dropout: of the attention weights.
        mask: bool, true where a query (row) reads a key (column), broadcast to (B, heads, N, N); None if causal or all.
        causal: each position attends to itself and earlier ones.
    """
    queries, keys, values = (
        part.reshape(*part.shape[:2], heads, -1).transpose(1, 2) for part in projected.chunk(3, dim=-1)
    )
    seen = functional.scaled_dot_product_attention(queries, keys, values, mask, dropout, is_causal=causal)
    return seen.transpose(1, 2).flatten(2)


def init_weights(module: nn.Module) -> None:
    """For ``Module.apply``: normal weights of standard deviation 0.02, zero biases, as in BERT."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INIT_STD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def last_states(states: Tensor, lengths: Tensor) -> Tensor:
    """The state at the last real position of each row, (B, width); ``lengths`` (B,) are at least 1."""
    return states[torch.arange(len(states), device=states.device), lengths - 1]
