"""The network of RTM (Bi, Ai and Croft, SIGIR 2021).

    q = tanh(W mean(query words) + b)
    r = mean over a review's words of  keep w / (1 - corruption),   keep = 1 with probability 1 - corruption
    x = [q; r_u1 .. r_um; r_i1 .. r_in] + segments + places,   places sinusoidal by slot
    f(u, q, i) = v . LN(Transformer(x))_q + c,   read at the slot of the query
    L = mean over samples of  sum over 1 positive and 5 negatives of  BCE(f, whether it is the positive)

The slots of the candidate's reviews begin where the longest user side would end, so padding moves nothing. Of the last
layer only the slot of the query is computed, which is all that is read. A word that corruption leaves out gets no
gradient, as in dropout (in the authors' program it gets that of the plain mean).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.network import Trainable, shuffled
from baselines.learning.settings import TrainingSettings
from baselines.search.rtm_lessons import Lessons
from baselines.search.rtm_reviews import NOTHING, Reviews
from baselines.search.words import Documents
from unimp_bench.records import IntArray
from unimp_bench.settings import Count, Portion, Rate, Share

_DOCUMENTS = 8192


@dataclass(frozen=True)
class RTMConfig(TrainingSettings):
    """Settings.

    Attributes:
        batch_size: interactions that have one before them a step.
        width: of words, reviews and states, a multiple of ``heads``, even.
        inner: width inside the feed-forward layers.
        layers, heads: of the transformer.
        dropout: of the mean of query words, reviews, attention weights, and outputs of attention and feed-forward.
        corruption: share of a review's words that training leaves out.
        review_words: of a review that are read, the first ones.
        min_count: words that stand less often in the training reviews are left out.
        user_reviews, item_reviews: of the user's past and of the candidate's, the last ones.
        negatives: drawn for each positive, anew in each epoch.
        hard: share of the negatives that come from the pool of the query; the rest from the whole catalogue, uniformly.
        pool: items that are ranked for a query; all others stand below them.
    """

    epochs: Count = 15
    patience: Count = 4
    learning_rate: Rate = 1e-3
    batch_size: Count = 64
    width: Count = 32
    inner: Count = 128
    layers: Count = 2
    heads: Count = 4
    dropout: Share = 0.0
    corruption: Share = 0.5
    review_words: Count = 100
    min_count: Count = 5
    user_reviews: Count = 10
    item_reviews: Count = 30
    negatives: Count = 5
    hard: Portion = 1.0
    pool: Annotated[int, Field(ge=2)] = 50

    def __post_init__(self) -> None:
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width {self.width} must be even and a multiple of the {self.heads} heads")


class Batch(NamedTuple):
    """Samples, the positive candidate first.

    Attributes:
        queries: words of the queries.
        documents: words of the reviews that the batch reads, each once.
        users: (B, M) rows of ``documents``, -1 for padding.
        candidates: (B, C, N) rows of ``documents``, -1 for padding.
    """

    queries: Documents
    documents: Documents
    users: IntArray
    candidates: IntArray


class RTMNetwork(Trainable):
    """Words, the encoders of queries and reviews, and the transformer.

    Args:
        reviews: the documents.
        config: the settings.
    """

    clip_norm = 5.0
    places: Tensor

    def __init__(self, reviews: Reviews, config: RTMConfig) -> None:
        super().__init__()
        self.reviews, self.config = reviews, config
        self.lessons: Lessons | None = None
        self.remarks = (
            f"re-ranks the {config.pool} items of the queried category, then of all, that are most popular; they hold "
            f"{reviews.recall:.1%} of the validation targets",
            *reviews.vocabulary.remarks,
        )
        width = config.width
        self.words = nn.Embedding(len(reviews.vocabulary), width)
        self.ask = nn.Linear(width, width)
        self.segments = nn.Embedding(3, width)
        self.layers = nn.ModuleList(
            Layer(width, config.inner, config.heads, config.dropout, normed=number > 0)
            for number in range(config.layers)
        )
        self.norm, self.judge = nn.LayerNorm(width), nn.Linear(width, 1)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight)
                nn.init.zeros_(module.bias)
        self.dropout = nn.Dropout(config.dropout)
        slots = 1 + config.user_reviews + config.item_reviews
        self.register_buffer("places", sinusoids(slots, width), persistent=False)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        assert self.lessons is not None, "what it learns from is attached in learn()"
        for rows in shuffled(len(self.lessons), self.config.batch_size, rng):
            yield self.batch(self.lessons, rows, rng)

    def batch(self, lessons: Lessons, rows: IntArray, rng: np.random.Generator) -> Batch:
        """The samples of some lessons, with negatives."""
        config, reviews = self.config, self.reviews
        users = reviews.of_users(lessons.starts[rows], lessons.ends[rows], config.user_reviews)
        items = np.column_stack([lessons.targets[rows], lessons.draw(rows, config.negatives, config.hard, rng)])
        foretold = np.repeat(lessons.ends[rows], items.shape[1])
        candidates = reviews.of_items(items.ravel(), foretold, config.item_reviews)
        used, places = np.unique(np.concatenate([[NOTHING], users.ravel(), candidates.ravel()]), return_inverse=True)
        places = places[1:] - 1  # the first of those used is NOTHING
        return Batch(
            lessons.queries.take(lessons.query_rows[rows]),
            reviews.documents.take(used[1:]),
            places[: users.size].reshape(users.shape),
            places[users.size :].reshape(*items.shape, -1),
        )

    def loss(self, batch: Batch) -> Tensor:
        vectors = self.read(batch.documents)
        logits = self.relevance(self.query(batch.queries), vectors, batch.users, vectors, batch.candidates)
        wanted = torch.zeros_like(logits)
        wanted[:, 0] = 1
        return functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / len(logits)

    def query(self, queries: Documents) -> Tensor:
        """``q``, (n, width)."""
        asked: Tensor = torch.tanh(self.ask(self.dropout(self._mean(queries, 0.0))))
        return asked

    def read(self, documents: Documents) -> Tensor:
        """``r`` of each, and a row of zeros behind them for padding, (n + 1, width)."""
        corruption = self.config.corruption if self.training else 0.0
        vectors = self.dropout(self._mean(documents, corruption))
        return torch.cat([vectors, vectors.new_zeros(1, vectors.shape[1])])

    def relevance(
        self, queries: Tensor, user_vectors: Tensor, users: IntArray, item_vectors: Tensor, candidates: IntArray
    ) -> Tensor:
        """``f``, (B, C).

        Args:
            queries: (B, width).
            user_vectors: (n + 1, width) reviews, the last row zero.
            users: (B, M) rows of ``user_vectors``, -1 for padding.
            item_vectors: (n + 1, width) reviews, the last row zero.
            candidates: (B, C, N) rows of ``item_vectors``, -1 for padding.
        """
        passes, later = candidates.shape[:2], 1 + self.config.user_reviews
        tags = self.segments.weight
        asked = queries + tags[0] + self.places[0]
        known = user_vectors[self.tensor(users)] + tags[1] + self.places[1 : 1 + users.shape[1]]
        own = item_vectors[self.tensor(candidates)] + tags[2] + self.places[later : later + candidates.shape[2]]
        before = torch.cat([asked[:, None], known], dim=1)[:, None].expand(-1, passes[1], -1, -1)
        states = torch.cat([before, own], dim=2).flatten(0, 1)
        seen = np.concatenate([np.ones((len(users), 1), dtype=np.bool_), users >= 0], axis=1)
        seen = np.broadcast_to(seen[:, None], (*passes, seen.shape[1]))
        real = self.tensor(np.concatenate([seen, candidates >= 0], axis=2)).flatten(0, 1)
        for number, layer in enumerate(self.layers, 1):
            states = layer(states, real, query_alone=number == len(self.layers))
        scores: Tensor = self.judge(self.norm(states[:, 0])).view(passes)
        return scores

    def prepare(self) -> None:
        """The last reviews of all items as vectors, and which of them are each item's."""
        items = np.arange(self.reviews.item_count)
        documents = self.reviews.of_items(items, np.full(len(items), NOTHING), self.config.item_reviews)
        used, places = np.unique(np.append(documents, NOTHING), return_inverse=True)
        self.of_item = places[:-1].reshape(documents.shape) - 1
        self.item_vectors = self.vectors(self.reviews.documents.take(used[1:]))

    def vectors(self, documents: Documents) -> Tensor:
        """``read``, so many at a time that no table of all their words is made."""
        numbers = np.arange(len(documents))
        blocks = (numbers[start : start + _DOCUMENTS] for start in range(0, len(documents), _DOCUMENTS))
        parts = [self.read(documents.take(rows))[:-1] for rows in blocks]
        return torch.cat([*parts, torch.zeros(1, self.config.width, device=self.device)])

    def _mean(self, documents: Documents, corruption: float) -> Tensor:
        """Mean of the words of each document, some left out and the rest scaled; zero for one without words."""
        lengths = self.tensor(documents.lengths())
        words, offsets = self.tensor(documents.words), self.tensor(documents.offsets)
        if corruption:
            kept = torch.rand(len(words), device=self.device) >= corruption
            words = words[kept]
            offsets = torch.cat([offsets.new_zeros(1), kept.cumsum(0)])[offsets]
        sums = functional.embedding_bag(words.long(), self.words.weight, offsets[:-1], mode="sum")
        return sums / (lengths.clamp(min=1) * (1 - corruption))[:, None]


class Layer(nn.Module):
    """``x = x + attention(LN(x)); x = x + feed_forward(LN(x))``, in the first layer without the first norm.

    Args:
        width: of the states, a multiple of ``heads``.
        inner: width inside the feed-forward layer.
        heads: of the attention.
        dropout: of attention weights and of both outputs.
        normed: whether attention reads normalised states.
    """

    def __init__(self, width: int, inner: int, heads: int, dropout: float, *, normed: bool) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width) if normed else nn.Identity()
        self.ask, self.match, self.tell = (nn.Linear(width, width) for _ in range(3))
        self.gather = nn.Linear(width, width)
        self.norm, self.widen, self.narrow = nn.LayerNorm(width), nn.Linear(width, inner), nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, real: Tensor, *, query_alone: bool) -> Tensor:
        """States of all slots, (B, N, width), or of the first alone, (B, 1, width).

        Args:
            states: (B, N, width).
            real: (B, N) bool, false at padding, which is not attended to.
            query_alone: compute the first slot alone.
        """
        normed = self.attention_norm(states)
        if query_alone:
            states = states[:, :1]
        asked, matched, told = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.ask(normed[:, : states.shape[1]]), self.match(normed), self.tell(normed))
        )
        dropout = self.dropout.p if self.training else 0.0
        seen = functional.scaled_dot_product_attention(asked, matched, told, real[:, None, None, :], dropout)
        states = states + self.dropout(self.gather(seen.transpose(1, 2).flatten(2)))
        widened = self.dropout(functional.gelu(self.widen(self.norm(states))))
        left: Tensor = states + self.dropout(self.narrow(widened))
        return left


def sinusoids(places: int, width: int) -> Tensor:
    """(places, width): sine and cosine of ``place / 10000 ** (2 k / width)`` at channels 2k and 2k + 1."""
    angles = torch.arange(places)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
