"""The Perceiver resampler: a picture's patch tokens to a fixed number of visual embeddings (Alayrac et al., 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def feed_forward(width: int) -> nn.Sequential:
    """Layer norm, then a GELU layer of four times the width, without biases."""
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, 4 * width, bias=False),
        nn.GELU(),
        nn.Linear(4 * width, width, bias=False),
    )


class Attention(nn.Module):
    """Multi-head attention of ``queries`` over ``media``, without biases."""

    def __init__(self, width: int, media_width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, heads * head_width, bias=False)
        self.to_kv = nn.Linear(media_width, 2 * heads * head_width, bias=False)
        self.to_out = nn.Linear(heads * head_width, width, bias=False)

    def forward(
        self, queries: Tensor, media: Tensor, which: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Attend.

        Args:
            queries: (M, T, width).
            media: (U, S, media_width); U = M unless ``which`` is given.
            which: (M,) row of ``media`` that each group of queries attends to, or (M, P) for P rows each.
            mask: (M, T, S) or (M, T, P * S) bool, what each query attends to: something; None for everything.

        Returns:
            (M, T, width).
        """
        keys, values = self.to_kv(media).chunk(2, dim=-1)
        if which is not None:
            keys, values = (each[which].flatten(1, -2) for each in (keys, values))
        q, k, v = (each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (self.to_q(queries), keys, values))
        attended = functional.scaled_dot_product_attention(q, k, v, None if mask is None else mask[:, None])
        out: Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return out


class PerceiverResampler(nn.Module):
    """Learned latents that read the patch tokens in a few layers.

    Each layer: latents += attention(latents; patches and latents), latents += feed-forward(latents).
    """

    def __init__(self, width: int, latents: int, layers: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(latents, width))
        self.layers = nn.ModuleList(_Layer(width, heads, head_width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, patches: Tensor) -> Tensor:
        """(U, patches, width) to (U, latents, width)."""
        latents = self.latents.expand(len(patches), -1, -1)
        for layer in self.layers:
            latents = layer(latents, patches)
        out: Tensor = self.norm(latents)
        return out


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.norm_patches = nn.LayerNorm(width)
        self.norm_latents = nn.LayerNorm(width)
        self.attention = Attention(width, width, heads, head_width)
        self.feed_forward = feed_forward(width)

    def forward(self, latents: Tensor, patches: Tensor) -> Tensor:
        queries = self.norm_latents(latents)
        latents = latents + self.attention(queries, torch.cat([self.norm_patches(patches), queries], dim=1))
        out: Tensor = latents + self.feed_forward(latents)
        return out
