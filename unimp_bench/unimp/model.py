"""UniMP (Wei et al., ICLR 2024): the network, in the order of section 2 of the paper.

A user is a sentence, a history of items and an instruction: ``[CLS]``, per item ``[IMG] Category <c> ... <answer>
item_<n> [EOC]`` (Eq. 1), the words of the task and ``<answer>`` (Eq. 2); `batches.Batch` holds sentences as tensors. A
perceiver resampler turns the patches of each picture into a few visual embeddings. Gated cross-attention in front of
decoder layers adds them to the tokens (Eq. 3), under a mask that is exclusive: a token attends to the picture of its
own item alone (Eq. 4). The decoder predicts the tokens of answers and, as context, of the items themselves.

Other ways of fusion, of Tables 3 and 8, are in `fusions`; the decoder is in `backbones`, the loss in `objective`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unimp_bench.records import IntArray
from unimp_bench.unimp.backbones import Backbone
from unimp_bench.unimp.batches import Batch
from unimp_bench.unimp.pieces import FIRST_ITEM_PIECE, Pieces
from unimp_bench.unimp.tokens import Vocabulary


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
        """(M, T, width).

        Args:
            queries: (M, T, width).
            media: (U, S, media_width); U = M unless ``which`` is given.
            which: (M,) row of ``media`` that each group of queries attends to, or (M, P) for P rows each.
            mask: (M, T, S) or (M, T, P * S) bool, true where a query attends, somewhere for each; None for everywhere.
        """
        keys, values = self.to_kv(media).chunk(2, dim=-1)
        if which is not None:
            keys, values = (each[which].flatten(1, -2) for each in (keys, values))
        q, k, v = (each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (self.to_q(queries), keys, values))
        attended = functional.scaled_dot_product_attention(q, k, v, None if mask is None else mask[:, None])
        out: Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return out


class ResamplerLayer(nn.Module):
    """latents += attention(latents; patches and latents), latents += feed-forward(latents)."""

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


class PerceiverResampler(nn.Module):
    """A picture's patch features to a fixed number of visual embeddings: learned latents (Alayrac et al., 2022)."""

    def __init__(self, width: int, latents: int, layers: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(latents, width))
        self.layers = nn.ModuleList(ResamplerLayer(width, heads, head_width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, patches: Tensor) -> Tensor:
        """(U, patches, width) to (U, latents, width)."""
        latents = self.latents.expand(len(patches), -1, -1)
        for layer in self.layers:
            latents = layer(latents, patches)
        out: Tensor = self.norm(latents)
        return out


@dataclass(frozen=True)
class Media(ABC):
    """The visual embeddings of a batch, and which tokens attend to them; sizes as in ``Batch``.

    Attributes:
        embeddings: (U, latents, media width).
        pictures: which of them each group of queries attends to, (M,), or (B, P) for several.
    """

    embeddings: Tensor
    pictures: Tensor

    def none(self) -> Media:
        """For tokens that attend to no picture."""
        empty = self.pictures.new_empty(0, 1)
        return ExclusiveMedia(self.embeddings[:0], empty[:, 0], empty, empty[:, 0])

    @property
    @abstractmethod
    def mask(self) -> Tensor | None:
        """Where the queries attend within the pictures of their group, bool; None for everywhere."""

    @abstractmethod
    def gather(self, hidden: Tensor) -> Tensor:
        """States, (B, N, width), to groups of queries."""

    @abstractmethod
    def scatter(self, attended: Tensor) -> Tensor:
        """What the groups attended to, as (B * N, width); 0 for tokens that attend to no picture."""

    @abstractmethod
    def later(self, seen: Tensor) -> Media:
        """For K more tokens of each sentence, which belong to no item and attend to ``seen``, (B, K, S) bool."""


@dataclass(frozen=True)
class ExclusiveMedia(Media):
    """The mask M of Eq. 4: a token attends to its own item's picture and to no other.

    Instead of computing what the mask would discard, tokens are gathered by item, a group per item, and each group
    attends to one picture: the cost does not grow with the number of pictures in a sentence.

    Attributes:
        rows: (M, T) positions of an item's tokens in the flattened batch.
        places: (B * N,) position of a token in the flattened (M * T), M * T for a token without a picture.
    """

    rows: Tensor
    places: Tensor

    @property
    def mask(self) -> None:
        return None

    def gather(self, hidden: Tensor) -> Tensor:
        return hidden.flatten(0, 1)[self.rows]

    def scatter(self, attended: Tensor) -> Tensor:
        flat = attended.flatten(0, 1)
        return torch.cat([flat, flat.new_zeros(1, flat.shape[-1])])[self.places]

    def later(self, seen: Tensor) -> Media:
        return self.none()


class GatedCrossAttention(nn.Module):
    """Eq. 3: ``x + tanh(g) * attention``, then ``x + tanh(h) * feed-forward``.

    While the gates are 0 the layer is the identity, and a pre-trained decoder behind it computes what it did before.
    """

    def __init__(self, width: int, media_width: int, heads: int, head_width: int, gate: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, media_width, heads, head_width)
        self.attention_gate = nn.Parameter(torch.full((1,), gate))
        self.feed_forward = feed_forward(width)
        self.feed_forward_gate = nn.Parameter(torch.full((1,), gate))

    def forward(self, hidden: Tensor, media: Media) -> Tensor:
        """(B, N, width) to the same; tokens that attend to no picture get 0 from the attention."""
        if len(media.embeddings):
            queries = self.norm(media.gather(hidden))
            attended = self.attention(queries, media.embeddings, media.pictures, media.mask)
            hidden = hidden + self.attention_gate.tanh() * media.scatter(attended).view_as(hidden)
        out: Tensor = hidden + self.feed_forward_gate.tanh() * self.feed_forward(hidden)
        return out


class PictureFusion(nn.Module):
    """How pictures reach the decoder: here by exclusive cross-attention alone, the paper's way.

    Subclasses in `fusions` change which tokens attend to which pictures, or what is added before or after the decoder.
    """

    def media(self, embeddings: Tensor, batch: Batch) -> Media:
        """Visual embeddings, (U, latents, media width), with the tokens that attend to them."""
        return ExclusiveMedia(embeddings, batch.chunk_pictures, batch.chunk_rows, batch.chunk_places)

    def before(self, embedded: Tensor, media: Media) -> Tensor:
        """Input embeddings, (B, N, width), with what they get of the pictures."""
        return embedded

    def after(self, states: Tensor, media: Media) -> Tensor:
        """Last hidden states, (B, N, width), with what they get of the pictures."""
        return states


@dataclass
class KVCache:
    """What is kept of the sentences of a batch while tokens are generated behind them.

    Attributes:
        cache: a transformers ``Cache`` of keys and values; grows.
        media: the pictures of the sentences, None before ``UniMPModel.hidden`` and without vision.
    """

    cache: Any
    media: Media | None = None


class UniMPModel(nn.Module):
    """Resampler, decoder and the fusion between them; ``fusions.build_model`` makes it from a configuration.

    Args:
        decoder: its layers have gated cross-attention in front of them where the fusion uses it.
        dropout: share of the input tokens that are blanked in training.
        resampler, pictures: None without vision.
    """

    def __init__(
        self, decoder: Backbone, dropout: float, resampler: PerceiverResampler | None, pictures: PictureFusion | None
    ) -> None:
        super().__init__()
        self.decoder = decoder
        self.blanking = nn.Dropout1d(dropout)  # of (B, N, width): whole tokens
        self.resampler = resampler
        self.pictures = pictures

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def hidden(self, batch: Batch, cache: KVCache | None = None) -> Tensor:
        """Last hidden states, (B, N, width).

        Args:
            cache: an empty one, which is filled for ``advance``.
        """
        media = self._media(batch)
        embedded = self._blanked(self._embedded(batch.tokens, batch.marks, media))
        states: Tensor = self.decoder(
            embedded, batch.attends, batch.positions, media, None if cache is None else cache.cache
        )
        if cache is not None:
            cache.media = media
        return states if self.pictures is None or media is None else self.pictures.after(states, media)

    def advance(self, tokens: Tensor, marks: Tensor, positions: Tensor, seen: Tensor, cache: KVCache) -> Tensor:
        """Last hidden states of K more tokens of each sentence, (B, K, width); the tokens belong to no item.

        Args:
            tokens, marks, positions: (B, K) int64.
            seen: (B, K, S + K) bool, which of the S earlier tokens and of the new ones each attends to.
            cache: from ``hidden`` or an earlier step; grows.
        """
        media = None if cache.media is None else cache.media.later(seen)
        embedded = self._embedded(tokens, marks)
        states: Tensor = self.decoder(embedded, seen[:, None], positions, media, cache.cache)
        return states if self.pictures is None or media is None else self.pictures.after(states, media)

    def forward(self, batch: Batch) -> Tensor:
        """Hidden states at the positions that predict a label, (labels, width)."""
        return self.hidden(batch).flatten(0, 1)[batch.answer_rows]

    def logits(self, states: Tensor, naming: Tensor | None = None) -> Tensor:
        """Over the whole vocabulary, (n, vocabulary), of states (n, width).

        The token of a candidate's position names the candidate, so its output row is its own plus those of the
        candidate's id: what is learned of an item as an answer to one task is known of it in another.

        Args:
            naming: (3, K) as in ``Batch``, labels numbered as in ``states``.
        """
        logits: Tensor = self.decoder.logits(states)
        if naming is not None and naming.shape[1]:
            label, position, item = naming
            named = (states[label] * self.decoder.output_rows(item)).sum(dim=-1)
            logits = logits.index_put((label, position), named.to(logits.dtype), accumulate=True)
        return logits

    def _media(self, batch: Batch) -> Media | None:
        if self.resampler is None or self.pictures is None:
            return None
        ready = batch.resampled or not len(batch.pictures)
        return self.pictures.media(batch.pictures if ready else self.resampler(batch.pictures), batch)

    def _embedded(self, tokens: Tensor, marks: Tensor, media: Media | None = None) -> Tensor:
        """Input embeddings, (B, N, width), plus those of the marks."""
        embedded = self.decoder.input_rows(tokens)
        if self.pictures is not None and media is not None:
            embedded = self.pictures.before(embedded, media)
        marked = marks >= 0
        if marked.any():
            embedded = embedded + self.decoder.input_rows(marks.clamp(min=0)) * marked[..., None]
        return embedded

    def _blanked(self, embedded: Tensor) -> Tensor:
        """In training, zeros in place of some tokens, never of the first one of a sentence.

        All tokens attend to the first one, and it attends to itself alone. If zero, it would stay zero in every layer
        of a decoder without biases, and the gradient through its norms would overflow.
        """
        return torch.cat([embedded[:, :1], self.blanking(embedded[:, 1:])], dim=1)

    @torch.no_grad()
    def initialise_items(self, pieces: Pieces, vocabulary: Vocabulary, items: IntArray) -> None:
        """Start the embeddings of some items' ids at the mean of their words, so that similar items start similar.

        Beside rows of a pre-trained decoder they are rescaled to differ as much as those (``Table.as_distinct``).
        A token that ids share starts at the mean over their items; tokens that other items share are unchanged.
        """
        ids = vocabulary.item_tokens(items)
        others = np.setdiff1d(np.arange(vocabulary.items), items)
        tokens = np.setdiff1d(ids, vocabulary.item_tokens(others))
        if not len(tokens):
            return
        inputs, outputs = [], []
        for item in items:
            run = pieces.tokens_of(FIRST_ITEM_PIECE + item)
            words = torch.from_numpy(run[run < vocabulary.words].astype(np.int64)).to(self.device)
            inputs.append(self.decoder.input_rows(words).mean(dim=0))
            outputs.append(self.decoder.output_rows(words).mean(dim=0))
        owner, level = np.nonzero(np.isin(ids, tokens))
        token = torch.from_numpy(np.searchsorted(tokens, ids[owner, level])).to(self.device)
        chosen = torch.from_numpy(tokens).to(self.device)
        means = (_group_means(torch.stack(rows)[owner], token, len(tokens)) for rows in (inputs, outputs))
        self.decoder.begin_rows(chosen, *means)


def _group_means(rows: Tensor, group: Tensor, groups: int) -> Tensor:
    """(groups, width), the mean of the rows (n, width) of each group (n,)."""
    total = rows.new_zeros(groups, rows.shape[1]).index_add_(0, group, rows)
    return total / group.bincount(minlength=groups)[:, None]
