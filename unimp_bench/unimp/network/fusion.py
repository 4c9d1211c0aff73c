"""Gated cross-attention from an item's words to that item's picture, and to no other (UniMP, Eq. 3 and 4).

The mask M of Eq. 3 would let a token attend to one picture out of all those of its sentence. Instead of computing
what the mask then throws away, tokens are gathered by item, and each item's tokens attend to its own picture's
embeddings alone: the cost does not grow with the number of pictures in a sentence.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unimp_bench.unimp.network.resampler import Attention, feed_forward


class Media(NamedTuple):
    """The visual embeddings of a batch and whose they are; sizes as in ``Batch``.

    Attributes:
        embeddings: (U, latents, media width).
        pictures: (M,) which of them each item has.
        rows: (M, T) where its tokens stand in the flattened batch.
        places: (B * N,) where a token stands in the flattened (M * T), M * T for a token without a picture.
    """

    embeddings: Tensor
    pictures: Tensor
    rows: Tensor
    places: Tensor


class GatedCrossAttention(nn.Module):
    """``x + tanh(g) * attention``, then ``x + tanh(h) * feed-forward``.

    While the gates are 0 the layer is the identity, and a pre-trained decoder behind it gives what it gave before.
    """

    def __init__(self, width: int, media_width: int, heads: int, head_width: int, gate: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, media_width, heads, head_width)
        self.attention_gate = nn.Parameter(torch.full((1,), gate))
        self.feed_forward = feed_forward(width)
        self.feed_forward_gate = nn.Parameter(torch.full((1,), gate))

    def forward(self, hidden: Tensor, media: Media) -> Tensor:
        """(B, N, width) to the same; tokens without a picture get nothing from the attention."""
        if len(media.rows):
            hidden = hidden + self.attention_gate.tanh() * self._attend(hidden, media)
        out: Tensor = hidden + self.feed_forward_gate.tanh() * self.feed_forward(hidden)
        return out

    def _attend(self, hidden: Tensor, media: Media) -> Tensor:
        flat = hidden.flatten(0, 1)
        attended = self.attention(self.norm(flat[media.rows]), media.embeddings, media.pictures).flatten(0, 1)
        nothing = attended.new_zeros(1, attended.shape[-1])
        return torch.cat([attended, nothing])[media.places].view_as(hidden)


class FusedLayer(nn.Module):
    """A decoder layer with gated cross-attention in front of it; takes the ``Media`` as keyword ``media``."""

    def __init__(self, fusion: GatedCrossAttention, layer: nn.Module) -> None:
        super().__init__()
        self.fusion = fusion
        self.layer = layer

    def forward(self, hidden: Tensor, *args: Any, media: Media | None = None, **kwargs: Any) -> Any:
        if media is not None:
            hidden = self.fusion(hidden, media)
        return self.layer(hidden, *args, **kwargs)
