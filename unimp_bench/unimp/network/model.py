"""The network: a causal decoder, a resampler of pictures, and a way for them to reach the decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unimp_bench.records import IntArray
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.network.backbone import Backbone
from unimp_bench.unimp.network.fusion import Media
from unimp_bench.unimp.network.pictures import Pictures, add_pictures
from unimp_bench.unimp.network.resampler import PerceiverResampler
from unimp_bench.unimp.sentence.batches import Batch
from unimp_bench.unimp.sentence.pieces import FIRST_ITEM_PIECE, Pieces
from unimp_bench.unimp.sentence.tokens import Vocabulary


@dataclass
class Memory:
    """What is kept of the sentences of a batch while answers to them are written.

    Attributes:
        cache: a transformers ``Cache`` of keys and values; grows.
        media: the pictures of the sentences, None before ``UniMPModel.hidden`` and where there is no vision.
    """

    cache: Any
    media: Media | None = None


class UniMPModel(nn.Module):
    """Decoder, resampler and what fuses them.

    Args:
        config: sizes.
        vocabulary_size: tokens, items included.
        picture_width: width of the picture features; None builds no vision at all.
    """

    def __init__(self, config: UniMPConfig, vocabulary_size: int, picture_width: int | None) -> None:
        super().__init__()
        self.decoder = Backbone(config, vocabulary_size)
        self.blanking = nn.Dropout1d(config.dropout)  # of (B, N, width): whole tokens
        self.resampler: PerceiverResampler | None = None
        self.pictures: Pictures | None = None
        if picture_width is not None and config.fusion != "none":
            heads = config.media_heads(picture_width)
            self.resampler = PerceiverResampler(picture_width, config.latents, config.resampler_layers, *heads)
            self.pictures = add_pictures(config, self.decoder.layers, self.decoder.width, picture_width)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def hidden(self, batch: Batch, memory: Memory | None = None) -> Tensor:
        """Last hidden states, (B, N, width).

        Args:
            memory: an empty one, which keeps what ``advance`` needs.
        """
        media = self._media(batch)
        embedded = self._blanked(self._embedded(batch.tokens, batch.marks, media))
        cache = None if memory is None else memory.cache
        states: Tensor = self.decoder(embedded, batch.attends, batch.positions, media, cache)
        if memory is not None:
            memory.media = media
        return self._left(states, media)

    def advance(self, tokens: Tensor, marks: Tensor, positions: Tensor, seen: Tensor, memory: Memory) -> Tensor:
        """Last hidden states of K more tokens of each sentence, (B, K, width); the tokens belong to no item.

        Args:
            tokens, marks, positions: (B, K) int64.
            seen: (B, K, S + K) bool, which of the S tokens before and of the new ones each attends to.
            memory: from ``hidden`` or an earlier step; grows.
        """
        media = None if memory.media is None else memory.media.later(seen)
        embedded = self._embedded(tokens, marks)
        states: Tensor = self.decoder(embedded, seen[:, None], positions, media, memory.cache)
        return self._left(states, media)

    def forward(self, batch: Batch) -> Tensor:
        """Hidden states at the positions that a label is asked for at, (labels, width)."""
        return self.hidden(batch).flatten(0, 1)[batch.answer_rows]

    def logits(self, states: Tensor, naming: Tensor | None = None) -> Tensor:
        """Over the whole vocabulary, (n, vocabulary), of states (n, width).

        The token of a place names a candidate, so its output row is its own and those of the candidate's id: what is
        learnt of an item as an answer to one task is known of it in another.

        Args:
            naming: (3, K) as in ``Batch``, its labels counted in ``states``.
        """
        logits: Tensor = self.decoder.logits(states)
        if naming is not None and naming.shape[1]:
            label, place, item = naming
            named = (states[label] * self.decoder.output_rows(item)).sum(dim=-1)
            logits = logits.index_put((label, place), named.to(logits.dtype), accumulate=True)
        return logits

    def _media(self, batch: Batch) -> Media | None:
        if self.resampler is None or self.pictures is None:
            return None
        ready = batch.resampled or not len(batch.pictures)
        embeddings = batch.pictures if ready else self.resampler(batch.pictures)
        return self.pictures.media(embeddings, batch)

    def _embedded(self, tokens: Tensor, marks: Tensor, media: Media | None = None) -> Tensor:
        """Input embeddings, (B, N, width), each with that of its mark added where it has one."""
        embedded = self.decoder.input_rows(tokens)
        if self.pictures is not None and media is not None:
            embedded = self.pictures.enter(embedded, media)
        marked = marks >= 0
        if marked.any():
            embedded = embedded + self.decoder.input_rows(marks.clamp(min=0)) * marked[..., None]
        return embedded

    def _blanked(self, embedded: Tensor) -> Tensor:
        """In training, zeros in the place of some tokens, never of the first one of a sentence.

        What all tokens attend to is the first one, which attends to itself alone. Zero, it would stay zero in every
        layer of a decoder without biases, and the gradient through its norms would be multiplied until it overflows.
        """
        return torch.cat([embedded[:, :1], self.blanking(embedded[:, 1:])], dim=1)

    def _left(self, states: Tensor, media: Media | None) -> Tensor:
        return states if self.pictures is None or media is None else self.pictures.leave(states, media)

    @torch.no_grad()
    def describe_items(self, pieces: Pieces, vocabulary: Vocabulary, items: IntArray) -> None:
        """Begin the embeddings of some items' ids at the mean of their words', so that like items begin alike.

        A token that ids share begins at the mean over their items; what other items share stays as it is.
        """
        ids = vocabulary.item_tokens(items)
        others = np.setdiff1d(np.arange(vocabulary.items), items)
        tokens = np.setdiff1d(ids, vocabulary.item_tokens(others))
        if not len(tokens):
            return
        inputs, outputs = [], []
        for item in items:
            piece = FIRST_ITEM_PIECE + item
            run = pieces.tokens[pieces.offsets[piece] : pieces.offsets[piece + 1]]
            words = torch.from_numpy(run[run < vocabulary.words].astype(np.int64)).to(self.device)
            inputs.append(self.decoder.input_rows(words).mean(dim=0))
            outputs.append(self.decoder.output_rows(words).mean(dim=0))
        bearer, level = np.nonzero(np.isin(ids, tokens))
        token = torch.from_numpy(np.searchsorted(tokens, ids[bearer, level])).to(self.device)
        chosen = torch.from_numpy(tokens).to(self.device)
        self.decoder.set_input_rows(chosen, _means(torch.stack(inputs)[bearer], token, len(tokens)))
        self.decoder.set_output_rows(chosen, _means(torch.stack(outputs)[bearer], token, len(tokens)))


def _means(rows: Tensor, group: Tensor, groups: int) -> Tensor:
    """(groups, width), the mean of the rows (n, width) of each group (n,)."""
    total = rows.new_zeros(groups, rows.shape[1]).index_add_(0, group, rows)
    return total / group.bincount(minlength=groups)[:, None]
