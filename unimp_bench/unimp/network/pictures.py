"""The ways in which pictures reach the decoder (sections 2.2 and 3.3 of the paper, Tables 3 and 8)."""

from __future__ import annotations

from torch import Tensor, nn

from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.network.fusion import FusedLayer, GatedCrossAttention, Media, OwnMedia, VisibleMedia
from unimp_bench.unimp.sentence.batches import Batch


class Pictures(nn.Module):
    """What becomes of the visual embeddings of a batch: the media of its layers, and what its two ends get of them."""

    def media(self, embeddings: Tensor, batch: Batch) -> Media:
        """Visual embeddings, (U, latents, media width), and whose they are."""
        return OwnMedia.of(embeddings, batch)

    def enter(self, embedded: Tensor, media: Media) -> Tensor:
        """Input embeddings of the tokens, (B, N, width), with what they get of the pictures."""
        return embedded

    def leave(self, states: Tensor, media: Media) -> Tensor:
        """Last hidden states, (B, N, width), with what they get of the pictures."""
        return states


class Exclusive(Pictures):
    """Cross-attention of each token to its own item's picture (Eq. 3-4)."""


class Inclusive(Pictures):
    """Cross-attention of each token to all pictures up to its own item's ("w/o Exclusive Attention")."""

    def media(self, embeddings: Tensor, batch: Batch) -> VisibleMedia:
        return VisibleMedia.of(embeddings, batch)


class Summed(Pictures):
    """The mean of a picture's embeddings, projected, is added to its ``[IMG]`` token ("w/o Cross-attention")."""

    def __init__(self, width: int, media_width: int) -> None:
        super().__init__()
        self.project = _projection(width, media_width)

    def enter(self, embedded: Tensor, media: Media) -> Tensor:
        assert isinstance(media, OwnMedia)
        if not len(media.embeddings):
            return embedded
        added = self.project(media.embeddings.mean(dim=1))[media.pictures].to(embedded.dtype)
        return embedded.flatten(0, 1).index_add(0, media.rows[:, 0], added).view_as(embedded)


class Early(Pictures):
    """A picture's embeddings, projected, are the tokens that its item begins with (VIP5, Geng et al., 2023).

    Its piece of the sentence has as many ``[IMG]`` tokens, which only keep the places.
    """

    def __init__(self, width: int, media_width: int) -> None:
        super().__init__()
        self.project = _projection(width, media_width)

    def enter(self, embedded: Tensor, media: Media) -> Tensor:
        assert isinstance(media, OwnMedia)
        if not len(media.embeddings):
            return embedded
        tokens = self.project(media.embeddings)[media.pictures].to(embedded.dtype)
        places = media.rows[:, : tokens.shape[1]].flatten()
        return embedded.flatten(0, 1).index_copy(0, places, tokens.flatten(0, 1)).view_as(embedded)


class Late(Pictures):
    """Text and pictures meet behind the last layer, as in CLIP (Radford et al., 2021).

    The decoder reads the text alone. To the last state of a token is added the projected mean of all pictures up to its
    own item's, each the mean of its embeddings. The output layer is that of all tokens: it knows an item by its number,
    not by its picture, which would cost a pass of the resampler over the whole catalogue in every step.
    """

    def __init__(self, width: int, media_width: int) -> None:
        super().__init__()
        self.project = _projection(width, media_width)

    def media(self, embeddings: Tensor, batch: Batch) -> VisibleMedia:
        return VisibleMedia.of(embeddings, batch)

    def leave(self, states: Tensor, media: Media) -> Tensor:
        assert isinstance(media, VisibleMedia)
        if not len(media.embeddings):
            return states
        pictures = self.project(media.embeddings.mean(dim=1))[media.pictures]
        seen = media.visible.to(pictures.dtype)
        mean: Tensor = seen @ pictures / seen.sum(dim=-1, keepdim=True).clamp(min=1)
        return states + mean


def add_pictures(config: UniMPConfig, layers: nn.ModuleList, width: int, media_width: int) -> Pictures:
    """The way that ``config.fusion`` names; cross-attention is put in front of every n-th of the decoder's layers."""
    match config.fusion:
        case "sum":
            return Summed(width, media_width)
        case "early":
            return Early(width, media_width)
        case "late":
            return Late(width, media_width)
    for number in range(config.fusion_every - 1, len(layers), config.fusion_every):
        fusion = GatedCrossAttention(width, media_width, *config.media_heads(width), config.gate)
        layers[number] = FusedLayer(fusion, layers[number])
    return Exclusive() if config.fusion == "exclusive" else Inclusive()


def _projection(width: int, media_width: int) -> nn.Linear:
    """To the decoder's width; of normalised embeddings it makes entries of size 1."""
    projection = nn.Linear(media_width, width, bias=False)
    nn.init.normal_(projection.weight, std=media_width**-0.5)
    return projection
