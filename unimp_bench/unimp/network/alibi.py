"""Attention with linear biases (Press et al., 2022) under any mask, for the MPT decoders of transformers.

Their own attention counts distances by the places of a row of keys, so padding between a sentence and what is written
behind it, and sentences that share a trunk, would stretch them. Here the distance from a token to one that it attends
to is the number of attended tokens that stand after it: what it is in a plain sentence.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_MOST = 8
"""What the exponents of the slopes run up to, in the paper and in all published weights."""


class AlibiAttention(nn.Module):
    """In the place of a layer's ``MptAttention``, whose matrices it keeps.

    Attributes:
        bias: (B, heads, N, S) what is added to the attention's logits, -inf where a token does not attend; whoever
            calls the decoder sets it, see ``alibi_bias``.
    """

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.attention = attention
        self.bias: Tensor | None = None

    def forward(self, hidden_states: Tensor, past_key_values: Any = None, **_: Any) -> tuple[Tensor, None]:
        """(B, N, width) to the same."""
        own = self.attention
        joint = own.Wqkv(hidden_states)
        if own.clip_qkv:
            joint = joint.clamp(min=-own.clip_qkv, max=own.clip_qkv)
        queries, keys, values = joint.chunk(3, dim=-1)
        if hasattr(own, "q_ln"):
            queries, keys = own.q_ln(queries).to(values.dtype), own.k_ln(keys).to(values.dtype)
        queries, keys, values = (
            each.unflatten(-1, (own.n_heads, -1)).transpose(1, 2) for each in (queries, keys, values)
        )
        if past_key_values is not None:
            keys, values = past_key_values.update(keys, values, own.layer_idx)
        assert self.bias is not None
        attended = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=self.bias.to(queries.dtype), scale=own.softmax_scale
        )
        return own.out_proj(attended.transpose(1, 2).flatten(2)), None


def alibi_bias(attends: Tensor, heads: int) -> Tensor:
    """(B, heads, N, S) of a mask (B, 1, N, S), bool."""
    read = attends.cumsum(dim=-1, dtype=torch.int32)
    behind = read - read[..., -1:]
    slopes = torch.tensor(_slopes(heads), device=attends.device)
    return (slopes[:, None, None] * behind).masked_fill(~attends, -torch.inf)


def _slopes(heads: int) -> list[float]:
    """A geometric row; of one for the next power of two, every second first, where the heads are none."""
    power = 2 ** math.ceil(math.log2(heads))
    slopes = [2.0 ** (-_MOST * head / power) for head in range(1, power + 1)]
    return slopes if power == heads else [*slopes[1::2], *slopes[::2]][:heads]
