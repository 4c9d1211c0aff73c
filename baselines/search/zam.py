"""The zero attention model of product search (ZAM; Ai, Hill, Vishwanathan and Croft, CIKM 2019).

    q = tanh(W mean(words of the query) + b),   f(q, i) = (i . tanh(W_f q + b_f)) . W_h
    u = sum over i in H of exp f(q, i) i / (1 + sum over i in H of exp f(q, i)),   score(u, q, i) = i . (q + u)

``tanh(W_f q + b_f)`` is a (width, heads) matrix, and ``H`` are the last items before the target. The 1 in the
denominator is attention to a zero vector with ``f`` = 0: the less a query is related to the history, the more attention
it takes; an empty history gives ``u = 0``. Without the zero vector (``zero``) this is the attentive embedding model
(AEM) of the same paper.

With ``s`` the sigmoid, the loss of an interaction with item ``i`` for query ``q`` is

    L =   sum over words w of i:  -ln s(i . w) - k E[ln s(-i . w')]
        + -ln s(i . (q + u)) - k E[ln s(-i' . (q + u))]

with negative words drawn by frequency to the power 3/4 and negative items uniformly, a pool of each per batch, shared
by all samples; a step minimises the mean over its interactions. There is no official code. A program of the authors'
group (ProdSearch) has a zero vector that is not zero and mixes ``(q + u) / 2``; this follows the paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.network import shuffled
from baselines.learning.sequences import ends_of_histories, padded
from baselines.search.learned import (
    ItemTexts,
    LearnedSearch,
    SearchArtifacts,
    SearchNetwork,
    SearchSettings,
    interaction_texts,
    sampled_loss,
)
from unimp_bench.corpus import Items
from unimp_bench.ragged import Ragged, spans
from unimp_bench.records import Examples, Histories, Texts
from unimp_bench.settings import Count, Rate, Share

_FIELDS = ("title", "category", "brand")


@dataclass(frozen=True)
class ZAMConfig(SearchSettings):
    """Settings.

    Attributes:
        batch_size: interactions per step.
        heads: number of columns of the attention matrix.
        history: maximum number of items attended to.
        zero: whether to attend to a zero vector; without it the model is AEM.
        words_of: words that an item predicts: of its title, category and brand, or of the review.
        dropout: of the mean of query words.
        init_std: standard deviation of the initial vectors.
    """

    epochs: Count = 40
    patience: Count = 5
    learning_rate: Rate = 3e-3
    batch_size: Count = 256
    heads: Count = 4
    history: Count = 20
    zero: bool = True
    words_of: Literal["item", "review"] = "item"
    dropout: Share = 0.1
    init_std: Rate = 0.1


class Batch(NamedTuple):
    """Interactions, and their shared negatives.

    Attributes:
        queries: words of the distinct queries.
        query_rows: (B,) rows of ``queries``.
        histories: (B, longest) items before the target, padded with I.
        items: (B,) the targets.
        owners, words: (W,) interaction 0..B-1 of each word of the batch, and the word.
        other_words, other_items: (pool,) the negatives.
    """

    queries: Ragged
    query_rows: Tensor
    histories: Tensor
    items: Tensor
    owners: Tensor
    words: Tensor
    other_words: Tensor
    other_items: Tensor


class ZAMNetwork(SearchNetwork):
    """The embedding tables and the equations.

    Attributes:
        attend: ``W_f`` and ``b_f``, head by head.
        mix: ``W_h``, (heads,).
    """

    def __init__(self, artifacts: SearchArtifacts, config: ZAMConfig, remarks: tuple[str, ...] = ()) -> None:
        super().__init__(artifacts, config, config.dropout)
        self.length, self.zero, self.remarks = config.history, config.zero, remarks
        self.attend = nn.Linear(config.width, config.heads * config.width)
        self.mix = nn.Parameter(torch.empty(config.heads))
        for weight in (self.words.weight, self.items.weight, self.mix):
            nn.init.normal_(weight, std=config.init_std)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        assert self.examples is not None
        sequence, documents = self.interactions.sequences.values, self.examples.documents
        begins = self.interactions.sequences.offsets[self.interactions.owners]
        for rows in shuffled(len(sequence), self.batch_size, rng):
            histories = padded(sequence, np.maximum(begins[rows], rows - self.length), rows, len(self.items.weight))
            items = sequence[rows]
            queries, query_rows = self.queries_of(items)
            owners, positions = spans(documents.offsets[rows], documents.offsets[rows + 1])
            samples = query_rows, histories, items, owners, documents.values[positions].astype(np.int64)
            yield Batch(queries, *map(self.tensor, (*samples, self.draw_words(rng), self.draw_items(rng))))

    def size(self, batch: Batch) -> int:
        return len(batch.items)

    def loss(self, batch: Batch) -> Tensor:
        items, words = self.items(batch.items), self.words(batch.words)
        intents = self.intents(self.encode(batch.queries)[batch.query_rows], batch.histories)
        of_words = sampled_loss(items[batch.owners], words, self.words(batch.other_words), self.negatives)
        of_items = sampled_loss(intents, items, self.items(batch.other_items), self.negatives)
        return (of_words.sum() + of_items.sum()) / len(items)

    def intents(self, queries: Tensor, histories: Tensor) -> Tensor:
        """``q + u``, (n, width).

        Args:
            queries: ``q``, (n, width).
            histories: (n, longest) rows of items, padded with I.
        """
        real = histories < len(self.items.weight)
        items = functional.embedding(histories.where(real, 0), self.items.weight)
        return queries + (self.attention(queries, items, real)[:, :, None] * items).sum(dim=1)

    def attention(self, queries: Tensor, items: Tensor, real: Tensor) -> Tensor:
        """Attention weight of each item of a history, (n, longest); with the zero vector they sum to less than 1.

        Args:
            queries: ``q``, (n, width).
            items: vectors of the history, (n, longest, width).
            real: (n, longest) bool, false at padding.
        """
        heads = torch.tanh(self.attend(queries)).view(len(queries), len(self.mix), -1)
        directions = (self.mix[:, None] * heads).sum(dim=1)  # f is linear in i, so its heads reduce to one vector
        logits = (items * directions[:, None, :]).sum(dim=2).masked_fill(~real, -torch.inf)
        if self.zero:
            return torch.softmax(functional.pad(logits, (1, 0)), dim=1)[:, 1:]
        alone = ~real.any(dim=1, keepdim=True)  # AEM: an empty history has no attention
        return torch.softmax(logits.masked_fill(alone, 0.0), dim=1) * real

    def score(self, examples: Examples) -> Tensor:
        histories, _ = ends_of_histories(examples, self.interactions, self.length)
        return self.intents(self.encode_queries(examples), self.tensor(histories)) @ self.items.weight.T


class ZAM(LearnedSearch[ZAMConfig, ZAMNetwork]):
    """See the module."""

    Config = ZAMConfig
    name = "zam"
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (5e-4, 1e-3, 3e-3),
        "heads": (4, 8),
        "dropout": (0.0, 0.1, 0.3),
        "words_of": ("item", "review"),
        "zero": (True, False),
    }

    def texts(self, histories: Histories, items: Items) -> Texts:
        if self.config.words_of == "review":
            return interaction_texts(histories, items)
        return Texts(ItemTexts(items, _FIELDS), np.asarray(histories.items))

    def build(self, artifacts: SearchArtifacts, items: Items, cache: Path) -> ZAMNetwork:
        remarks = artifacts.vocabulary.remarks if self.config.words_of == "review" else ()
        return ZAMNetwork(artifacts, self.config, remarks)
