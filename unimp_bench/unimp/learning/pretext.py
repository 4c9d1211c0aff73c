"""What the network can learn of the items alone, of their words and pictures (section 2 of Liu et al., KDD 2024)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.learning.loss import Objective
from unimp_bench.unimp.network.model import UniMPModel
from unimp_bench.unimp.network.resampler import Attention
from unimp_bench.unimp.sentence.batches import Batch
from unimp_bench.unimp.sentence.tokens import Vocabulary

HIDDEN_WORDS = 0.3
HIDDEN_PATCHES = 0.5
TEMPERATURE = 0.07
"""Where that of the contrastive loss begins (Radford et al., 2021)."""

_COMMON_WIDTH = 64


class Pretext(nn.Module, ABC):
    """A loss of some items, each told in one sentence; what it needs beside the network is thrown away in the end."""

    def __init__(self, model: UniMPModel) -> None:
        super().__init__()
        self.model = model

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """A scalar."""


class _Words(Pretext):
    """Plain cross-entropy of words of the items, each asked for at the token before it."""

    def __init__(self, model: UniMPModel, config: UniMPConfig, vocabulary: Vocabulary) -> None:
        super().__init__(model)
        self.objective = Objective(model, replace(config, gamma=0.0))
        marks = vocabulary.pad, vocabulary.cls, vocabulary.img, vocabulary.answer, vocabulary.eoc
        self.register_buffer("marks", torch.tensor(marks), persistent=False)

    def words(self, tokens: Tensor) -> Tensor:
        """(B, N) bool, the words of the items and the tokens of their ids."""
        said = ~torch.isin(tokens, self.get_buffer("marks"))
        said[:, 0] = False
        return said

    def asked(self, batch: Batch, said: Tensor, labels: Tensor) -> Tensor:
        """The mean cross-entropy of the tokens ``labels`` where ``said``, both (B, N)."""
        rows = said.flatten().nonzero()[:, 0]
        one = torch.ones_like(rows)
        asking = replace(
            batch,
            answer_rows=rows - 1,
            labels=labels.flatten()[rows],
            naming=batch.naming[:, :0],
            weights=one.float(),
            readers=one,
            is_task=one.bool(),
            examples=-one,
        )
        loss: Tensor = self.objective(asking).whole
        return loss


class Autoregressive(_Words):
    """The next word of an item, given those before it and its picture."""

    def forward(self, batch: Batch) -> Tensor:
        return self.asked(batch, self.words(batch.tokens), batch.tokens)


class Reconstructive(_Words):
    """Hidden words of an item from those around them and its picture, and hidden patches of its picture from the rest.

    A decoder says a word at the token before it; so it does here, but reads in both directions (BehnamGhader et al.,
    2024). The resampler reads the patches that are left, and a head that knows the place of a hidden patch says it from
    the latents; patches are standardised features, their loss is the mean squared error.

    Args:
        patches: of a picture; none where there are no pictures.
        width: of each.
    """

    def __init__(
        self, model: UniMPModel, config: UniMPConfig, vocabulary: Vocabulary, patches: int, width: int
    ) -> None:
        super().__init__(model, config, vocabulary)
        self.blank = vocabulary.pad
        self.head = PatchHead(patches, width) if patches and model.resampler is not None else None

    def forward(self, batch: Batch) -> Tensor:
        said = self.words(batch.tokens)
        hidden = torch.zeros_like(said)
        hidden[said] = _drawn(int(said.sum()), HIDDEN_WORDS).to(said.device)
        real = torch.arange(said.shape[1], device=said.device) < batch.lengths[:, None]
        shown = replace(
            batch,
            tokens=batch.tokens.masked_fill(hidden, self.blank),
            attends=real[:, None, None].expand_as(batch.attends),
        )
        loss = self.asked(shown, hidden, batch.tokens)
        return loss if self.head is None or not len(batch.pictures) else loss + self._patches(batch.pictures)

    def _patches(self, pictures: Tensor) -> Tensor:
        """Of pictures, (U, patches, width), the same number hidden of each."""
        assert self.head is not None and self.model.resampler is not None
        order = torch.rand(pictures.shape[:2], device=pictures.device).argsort(dim=1)
        left, hidden = order.tensor_split([order.shape[1] - round(HIDDEN_PATCHES * order.shape[1])], dim=1)
        latents = self.model.resampler(_taken(pictures, left))
        return functional.mse_loss(self.head(latents, hidden), _taken(pictures, hidden))


class PatchHead(nn.Module):
    """Says patches from latents: what stands for the place of a patch attends to them."""

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(patches, width))
        self.attention = Attention(width, width, 1, width)
        self.said = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))

    def forward(self, latents: Tensor, places: Tensor) -> Tensor:
        """The patches at places (U, K) out of latents (U, latents, width), (U, K, width)."""
        queries = self.places[places]
        said: Tensor = self.said(queries + self.attention(queries, latents))
        return said


class Contrastive(Pretext):
    """An item's picture and its words, read without the picture, find each other among all of the batch (InfoNCE).

    The picture is the mean of its latents, the words are the last hidden state before the item's id. What the batch has
    in common is taken off both: at the beginning it is nearly all there is, and every item is like every other.
    """

    def __init__(self, model: UniMPModel, vocabulary: Vocabulary, picture_width: int) -> None:
        super().__init__(model)
        self.answer = vocabulary.answer
        self.of_pictures = nn.Linear(picture_width, _COMMON_WIDTH, bias=False)
        self.of_words = nn.Linear(model.decoder.width, _COMMON_WIDTH, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / TEMPERATURE)))

    def forward(self, batch: Batch) -> Tensor:
        assert self.model.resampler is not None
        pictures = self.model.resampler(batch.pictures).mean(dim=1)[batch.chunk_pictures]
        words = self.model.hidden(_without_pictures(batch))[batch.tokens == self.answer]
        alike = _apart(self.of_pictures(pictures)) @ _apart(self.of_words(words)).T
        return symmetric(alike * self.log_scale.exp().clamp(max=100))


def symmetric(logits: Tensor) -> Tensor:
    """The mean of the cross-entropies of rows and of columns of logits (n, n) whose diagonal is right."""
    own = torch.arange(len(logits), device=logits.device)
    loss: Tensor = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    return loss


def _apart(vectors: Tensor) -> Tensor:
    """Vectors (n, width) without their mean, at length 1."""
    return functional.normalize(vectors - vectors.mean(dim=0))


def _drawn(count: int, share: float) -> Tensor:
    """(count,) bool, a share of them drawn at random, at least one."""
    return torch.randperm(count) < max(1, round(share * count))


def _taken(pictures: Tensor, places: Tensor) -> Tensor:
    """Some patches of each picture, (U, K, width)."""
    return pictures.gather(1, places[..., None].expand(-1, -1, pictures.shape[-1]))


def _without_pictures(batch: Batch) -> Batch:
    return replace(
        batch,
        pictures=batch.pictures[:0],
        chunk_pictures=batch.chunk_pictures[:0],
        chunk_rows=batch.chunk_rows[:0],
        chunk_places=torch.zeros_like(batch.chunk_places),
    )
