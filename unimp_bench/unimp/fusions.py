"""The model of a configuration, and the ways of fusion beside the paper's own (section 3.3, Tables 3 and 8)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from unimp_bench.records import FloatArray
from unimp_bench.unimp.backbones import Backbone, FusedLayer
from unimp_bench.unimp.batches import Batch
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.item_texts import ItemTexts
from unimp_bench.unimp.model import (
    ExclusiveMedia,
    GatedCrossAttention,
    Media,
    PerceiverResampler,
    PictureFusion,
    UniMPModel,
)


def build_model(
    config: UniMPConfig, vocabulary_size: int, picture_width: int | None, texts: FloatArray | None = None
) -> UniMPModel:
    """The network that a configuration describes, before any adaptation (`adaptation`).

    Args:
        vocabulary_size: tokens, items included.
        picture_width: width of the picture features; None builds no vision.
        texts: (items, F) standardised vectors of the items' texts; None for items known by their tokens alone.
    """
    decoder = Backbone(config, vocabulary_size)
    if texts is not None:
        decoder.item_texts = ItemTexts(texts, vocabulary_size - len(texts), decoder.width, config.tied)
    if picture_width is None or config.fusion == "none":
        return UniMPModel(decoder, config.dropout, None, None)
    heads = config.media_heads(picture_width)
    resampler = PerceiverResampler(picture_width, config.latents, config.resampler_layers, *heads)
    return UniMPModel(decoder, config.dropout, resampler, _fusion(config, decoder, picture_width))


def _fusion(config: UniMPConfig, decoder: Backbone, media_width: int) -> PictureFusion:
    """The fusion of a configuration; cross-attention is put in front of every n-th decoder layer."""
    width = decoder.width
    match config.fusion:
        case "sum":
            return Summed(width, media_width)
        case "early":
            return Early(width, media_width)
        case "late":
            return Late(width, media_width)
    for number in range(config.fusion_every - 1, len(decoder.layers), config.fusion_every):
        attention = GatedCrossAttention(width, media_width, *config.media_heads(width), config.gate)
        decoder.layers[number] = FusedLayer(attention, decoder.layers[number])
    return PictureFusion() if config.fusion == "exclusive" else Inclusive()


@dataclass(frozen=True)
class InclusiveMedia(Media):
    """A token attends to all pictures up to its own item's: a group of queries is a sentence of at most P pictures.

    Attributes:
        columns: (B, P) where the items with these pictures begin in their sentence, -1 for padding.
        visible: (B, N, P) bool, true for items whose first token a token attends to in the decoder: none ahead of it,
            and none of another branch.
    """

    columns: Tensor
    visible: Tensor

    @classmethod
    def of(cls, embeddings: Tensor, batch: Batch) -> InclusiveMedia:
        sentences, length = batch.tokens.shape
        begin = batch.chunk_rows[:, 0]
        sentence = begin // length
        counts = torch.bincount(sentence, minlength=sentences)
        index = torch.arange(len(begin), device=begin.device) - (counts.cumsum(0) - counts)[sentence]
        pictures = begin.new_zeros(sentences, int(counts.max()))
        pictures[sentence, index] = batch.chunk_pictures
        columns = torch.full_like(pictures, -1)
        columns[sentence, index] = begin % length
        return cls(embeddings, pictures, columns, _visible(columns, batch.attends[:, 0]))

    @property
    def mask(self) -> Tensor:
        # A softmax over nothing is undefined: who sees no picture attends to all, which ``scatter`` drops.
        blind = ~self.visible.any(dim=-1, keepdim=True)
        return (self.visible | blind).repeat_interleave(self.embeddings.shape[1], dim=-1)

    def gather(self, hidden: Tensor) -> Tensor:
        return hidden

    def scatter(self, attended: Tensor) -> Tensor:
        return (attended * self.visible.any(dim=-1, keepdim=True)).flatten(0, 1)

    def later(self, seen: Tensor) -> InclusiveMedia:
        return replace(self, visible=_visible(self.columns, seen))


def _visible(columns: Tensor, attends: Tensor) -> Tensor:
    """(B, N, P) of columns (B, P) and attends (B, N, S)."""
    index = columns.clamp(min=0)[:, None].expand(-1, attends.shape[1], -1)
    return attends.gather(2, index) & (columns >= 0)[:, None]


class Inclusive(PictureFusion):
    """Cross-attention of each token to all pictures up to its own item's ("w/o Exclusive Attention")."""

    def media(self, embeddings: Tensor, batch: Batch) -> InclusiveMedia:
        return InclusiveMedia.of(embeddings, batch)


class Projected(PictureFusion):
    """A fusion that projects visual embeddings to the decoder's width; normalised ones get entries of size 1."""

    def __init__(self, width: int, media_width: int) -> None:
        super().__init__()
        self.project = nn.Linear(media_width, width, bias=False)
        nn.init.normal_(self.project.weight, std=media_width**-0.5)


class Summed(Projected):
    """The mean of a picture's embeddings, projected, is added to its ``[IMG]`` token ("w/o Cross-attention")."""

    def before(self, embedded: Tensor, media: Media) -> Tensor:
        assert isinstance(media, ExclusiveMedia)
        if not len(media.embeddings):
            return embedded
        added = self.project(media.embeddings.mean(dim=1))[media.pictures].to(embedded.dtype)
        return embedded.flatten(0, 1).index_add(0, media.rows[:, 0], added).view_as(embedded)


class Early(Projected):
    """A picture's embeddings, projected, are the first tokens of its item (VIP5, Geng et al., 2023).

    The item's piece has as many ``[IMG]`` tokens, which reserve their positions.
    """

    def before(self, embedded: Tensor, media: Media) -> Tensor:
        assert isinstance(media, ExclusiveMedia)
        if not len(media.embeddings):
            return embedded
        tokens = self.project(media.embeddings)[media.pictures].to(embedded.dtype)
        rows = media.rows[:, : tokens.shape[1]].flatten()
        return embedded.flatten(0, 1).index_copy(0, rows, tokens.flatten(0, 1)).view_as(embedded)


class Late(Projected):
    """Text and pictures meet after the last layer, as in CLIP (Radford et al., 2021).

    The decoder reads the text alone. The projected mean of all pictures up to its own item's, each the mean of its
    embeddings, is added to a token's last state. The output layer is that of all tokens: an item's row does not depend
    on its picture, which would cost a pass of the resampler over the whole catalogue in every step.
    """

    def media(self, embeddings: Tensor, batch: Batch) -> InclusiveMedia:
        return InclusiveMedia.of(embeddings, batch)

    def after(self, states: Tensor, media: Media) -> Tensor:
        assert isinstance(media, InclusiveMedia)
        if not len(media.embeddings):
            return states
        pictures = self.project(media.embeddings.mean(dim=1))[media.pictures]
        seen = media.visible.to(pictures.dtype)
        mean: Tensor = seen @ pictures / seen.sum(dim=-1, keepdim=True).clamp(min=1)
        return states + mean
