"""The hierarchical embedding model of product search (HEM; Ai, Zhang, Bi, Chen and Croft, SIGIR 2017).

    q = tanh(W mean(words of the query) + b),   M_uq = lambda q + (1 - lambda) u,   score(u, q, i) = i . M_uq

With ``s`` the sigmoid, the loss of a word ``w`` in the review by user ``u`` of item ``i``, found by query ``q``, is

    L =   -ln s(i . w + b_w) - k E[ln s(-i . w' - b_w')]                   the word from the item
        + -ln s(u . w + b_w) - k E[ln s(-u . w' - b_w')]                   the word from the user
        + -ln s(i . M_uq + b_i) - k E[ln s(-i' . M_uq - b_i')]             the item from user and query
        + l2 / 2 (the squared norms of u, i, w, the words of q, and W)

with negative words drawn by frequency to the power 3/4 and negative items uniformly. Each term has its own pool of
negatives per batch, shared by all samples. A step minimises the mean over its words; the squared norms of ``W`` and of
the pools count once per step. Item biases are trained but not used for ranking.

Differences from the authors' program: Adam instead of SGD at 0.5; ``k E`` is estimated from ``pool`` negatives instead
of ``k``; the mean of a query excludes padding; one query per item, its category path; an epoch reads a window of each
review instead of subsampling frequent words; items that a user bought before are ranked too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.network import shuffled
from baselines.search.learned import (
    LearnedSearch,
    SearchArtifacts,
    SearchNetwork,
    SearchSettings,
    interaction_texts,
    sampled_loss,
)
from unimp_bench.corpus import Items
from unimp_bench.ragged import Ragged, spans
from unimp_bench.records import Examples, Histories, IntArray, Texts
from unimp_bench.settings import Count, Rate, Weight


@dataclass(frozen=True)
class HEMConfig(SearchSettings):
    """Settings.

    Attributes:
        batch_size: words of reviews per step.
        query_weight: ``lambda``; 1 ranks by the query alone, 0 by the user alone.
        words_per_review: words of each review per epoch, a window with a random start.
        l2: weight of the squared norms.
    """

    epochs: Count = 40
    patience: Count = 5
    learning_rate: Rate = 3e-3
    pool: Count = 256
    query_weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    words_per_review: Count = 16
    l2: Weight = 0.0


class Batch(NamedTuple):
    """Words of reviews, and their shared negatives.

    Attributes:
        queries: words of the distinct queries.
        query_rows: (B,) rows of ``queries``.
        users, items, words: (B,) rows of the tables.
        item_words, user_words, others: (pool,) rows of the negatives of each term.
    """

    queries: Ragged
    query_rows: Tensor
    users: Tensor
    items: Tensor
    words: Tensor
    item_words: Tensor
    user_words: Tensor
    others: Tensor


class HEMNetwork(SearchNetwork):
    """The embedding tables and the equations.

    Attributes:
        users: (U, width).
        word_biases, item_biases: (V,) and (I,).
    """

    def __init__(self, artifacts: SearchArtifacts, config: HEMConfig) -> None:
        super().__init__(artifacts, config)
        self.weight, self.l2, self.window = config.query_weight, config.l2, config.words_per_review
        self.remarks = artifacts.vocabulary.remarks
        self.users = nn.Embedding(len(artifacts.interactions.users), config.width)
        self.word_biases = nn.Parameter(torch.zeros(len(artifacts.vocabulary)))
        self.item_biases = nn.Parameter(torch.zeros(len(artifacts.interactions.items)))
        nn.init.uniform_(self.words.weight, -0.5 / config.width, 0.5 / config.width)
        for table in (self.users, self.items):
            nn.init.zeros_(table.weight)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        assert self.examples is not None
        documents = self.examples.documents
        owners, positions = windows(documents, self.window, rng)
        for rows in shuffled(len(positions), self.batch_size, rng):
            interactions, words = owners[rows], documents.values[positions[rows]].astype(np.int64)
            items = self.interactions.sequences.values[interactions]
            queries, query_rows = self.queries_of(items)
            samples = query_rows, self.interactions.owners[interactions], items, words
            pools = self.draw_words(rng), self.draw_words(rng), self.draw_items(rng)
            yield Batch(queries, *map(self.tensor, (*samples, *pools)))

    def size(self, batch: Batch) -> int:
        return len(batch.items)

    def loss(self, batch: Batch) -> Tensor:
        users, items = self.users(batch.users), self.items(batch.items)
        intents = self.intents(self.encode(batch.queries)[batch.query_rows], users)
        words, word_biases = self.words.weight, self.word_biases
        costs = (
            self._term(items, words, word_biases, batch.words, batch.item_words)
            + self._term(users, words, word_biases, batch.words, batch.user_words)
            + self._term(intents, self.items.weight, self.item_biases, batch.items, batch.others)
        )
        return costs.mean() + self.l2 / 2 * self._norms(batch) if self.l2 else costs.mean()

    def intents(self, queries: Tensor, users: Tensor) -> Tensor:
        """``M_uq``, (n, width)."""
        return self.weight * queries + (1 - self.weight) * users

    def score(self, examples: Examples) -> Tensor:
        queries = self.encode_queries(examples)
        users = self.users(self.tensor(self.interactions.user_rows(examples.users)))
        return self.intents(queries, users) @ self.items.weight.T

    def _term(self, states: Tensor, table: Tensor, biases: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """One term of the loss per word, (B,); positives and negatives are rows of the table."""
        both = biases[positives], biases[negatives]
        near, far = functional.embedding(positives, table), functional.embedding(negatives, table)
        return sampled_loss(states, near, far, self.negatives, both)

    def _norms(self, batch: Batch) -> Tensor:
        """Sum of the squared norms of all vectors of a batch over its size, a scalar."""
        query_words = self.words(self.tensor(batch.queries.values.astype(np.int64))).square().sum(dim=1)
        uses = torch.bincount(batch.query_rows, minlength=len(batch.queries))
        touched = (
            self.users(batch.users),
            self.items(torch.cat([batch.items, batch.others])),
            self.words(torch.cat([batch.words, batch.item_words, batch.user_words])),
            self.project.weight,
        )
        norms = torch.stack([vectors.square().sum() for vectors in touched]).sum()
        total: Tensor = norms + (uses[self.tensor(batch.queries.owners())] * query_words).sum()
        return total / len(batch.words)


class HEM(LearnedSearch[HEMConfig, HEMNetwork]):
    """See the module."""

    Config = HEMConfig
    name = "hem"
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "query_weight": (0.0, 0.3, 0.5, 0.7, 1.0),
        "learning_rate": (1e-3, 3e-3, 1e-2),
        "l2": (0.0, 5e-3),
    }

    def texts(self, histories: Histories, items: Items) -> Texts:
        return interaction_texts(histories, items)

    def build(self, artifacts: SearchArtifacts, items: Items, cache: Path) -> HEMNetwork:
        return HEMNetwork(artifacts, self.config)


def windows(documents: Ragged, size: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """A random window of at most ``size`` words per document: document and position of each word."""
    lengths = documents.lengths()
    starts = documents.offsets[:-1] + rng.integers(np.maximum(lengths - size, 0) + 1)
    return spans(starts, starts + np.minimum(lengths, size))
