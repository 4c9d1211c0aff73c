"""Gated cross-attention from the tokens of a sentence to its pictures (UniMP, Eq. 3 and 4).

Which token attends to which picture is what the two kinds of media say. ``OwnMedia`` is the paper's mask M: a token
attends to its own item's picture and to no other. Instead of computing what such a mask throws away, tokens are
gathered by item, and each item's tokens attend to its own picture's embeddings alone: the cost does not grow with the
number of pictures in a sentence. ``VisibleMedia`` is the paper's "without exclusive attention": a token attends to all
pictures up to its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from unimp_bench.unimp.network.resampler import Attention, feed_forward
from unimp_bench.unimp.sentence.batches import Batch


@dataclass(frozen=True)
class Media(ABC):
    """The visual embeddings of a batch, and which tokens they are for; sizes as in ``Batch``.

    Attributes:
        embeddings: (U, latents, media width).
        pictures: which of them each group of queries attends to, (M,), or (B, P) for several.
    """

    embeddings: Tensor
    pictures: Tensor

    @staticmethod
    def none(media: Media | None) -> Media | None:
        """For tokens that see no picture; None where the decoder knows of none at all."""
        if media is None:
            return None
        nothing = media.pictures.new_empty(0, 1)
        return OwnMedia(media.embeddings[:0], nothing[:, 0], nothing, nothing[:, 0])

    @property
    @abstractmethod
    def mask(self) -> Tensor | None:
        """What the queries attend to of what their group is given, bool; None for everything."""

    @abstractmethod
    def gathered(self, hidden: Tensor) -> Tensor:
        """States, (B, N, width), to groups of queries."""

    @abstractmethod
    def scattered(self, attended: Tensor) -> Tensor:
        """What the groups got to (B * N, width), nothing for tokens that see no picture."""

    @abstractmethod
    def later(self, seen: Tensor) -> Media | None:
        """For K more tokens of each sentence, which belong to no item and attend to ``seen``, (B, K, S) bool."""


@dataclass(frozen=True)
class OwnMedia(Media):
    """Pictures that are exclusive to their items: a group of queries is an item.

    Attributes:
        rows: (M, T) where an item's tokens stand in the flattened batch.
        places: (B * N,) where a token stands in the flattened (M * T), M * T for a token without a picture.
    """

    rows: Tensor
    places: Tensor

    @classmethod
    def of(cls, embeddings: Tensor, batch: Batch) -> OwnMedia:
        return cls(embeddings, batch.chunk_pictures, batch.chunk_rows, batch.chunk_places)

    @property
    def mask(self) -> None:
        return None

    def gathered(self, hidden: Tensor) -> Tensor:
        return hidden.flatten(0, 1)[self.rows]

    def scattered(self, attended: Tensor) -> Tensor:
        flat = attended.flatten(0, 1)
        return torch.cat([flat, flat.new_zeros(1, flat.shape[-1])])[self.places]

    def later(self, seen: Tensor) -> Media | None:
        return Media.none(self)


@dataclass(frozen=True)
class VisibleMedia(Media):
    """All pictures up to a token's own: a group of queries is a sentence, P the most pictures of one.

    Attributes:
        columns: (B, P) where the items with these pictures begin in their sentence, -1 for padding.
        visible: (B, N, P) bool, those of the items whose beginning a token attends to in the decoder: none ahead of it,
            and none of another branch.
    """

    columns: Tensor
    visible: Tensor

    @classmethod
    def of(cls, embeddings: Tensor, batch: Batch) -> VisibleMedia:
        sentences, length = batch.tokens.shape
        begin = batch.chunk_rows[:, 0]
        sentence = begin // length
        counts = torch.bincount(sentence, minlength=sentences)
        place = torch.arange(len(begin), device=begin.device) - (counts.cumsum(0) - counts)[sentence]
        pictures = begin.new_zeros(sentences, int(counts.max()))
        pictures[sentence, place] = batch.chunk_pictures
        columns = torch.full_like(pictures, -1)
        columns[sentence, place] = begin % length
        return cls(embeddings, pictures, columns, _visible(columns, batch.attends[:, 0]))

    @property
    def mask(self) -> Tensor:
        # A softmax over nothing is undefined: who sees nothing is let see all, and then gets nothing of it.
        blind = ~self.visible.any(dim=-1, keepdim=True)
        return (self.visible | blind).repeat_interleave(self.embeddings.shape[1], dim=-1)

    def gathered(self, hidden: Tensor) -> Tensor:
        return hidden

    def scattered(self, attended: Tensor) -> Tensor:
        return (attended * self.visible.any(dim=-1, keepdim=True)).flatten(0, 1)

    def later(self, seen: Tensor) -> VisibleMedia:
        return replace(self, visible=_visible(self.columns, seen))


def _visible(columns: Tensor, attends: Tensor) -> Tensor:
    """(B, N, P) of columns (B, P) and attends (B, N, S)."""
    index = columns.clamp(min=0)[:, None].expand(-1, attends.shape[1], -1)
    return attends.gather(2, index) & (columns >= 0)[:, None]


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
        """(B, N, width) to the same; tokens that see no picture get nothing from the attention."""
        if len(media.embeddings):
            queries = self.norm(media.gathered(hidden))
            attended = self.attention(queries, media.embeddings, media.pictures, media.mask)
            hidden = hidden + self.attention_gate.tanh() * media.scattered(attended).view_as(hidden)
        out: Tensor = hidden + self.feed_forward_gate.tanh() * self.feed_forward(hidden)
        return out


class FusedLayer(nn.Module):
    """A decoder layer with gated cross-attention in front of it.

    Attributes:
        media: what it attends to; ``Backbone`` sets it, as not every decoder hands an argument of ours to its layers.
    """

    def __init__(self, fusion: GatedCrossAttention, layer: nn.Module) -> None:
        super().__init__()
        self.fusion = fusion
        self.layer = layer
        self.media: Media | VisibleMedia | None = None

    def forward(self, hidden: Tensor, *args: Any, **kwargs: Any) -> Any:
        if self.media is not None:
            hidden = self.fusion(hidden, self.media)
        return self.layer(hidden, *args, **kwargs)
