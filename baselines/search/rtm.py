"""RTM: a transformer over the reviews of both the user and the candidate item (Bi, Ai and Croft, SIGIR 2021).

    q = tanh(W mean(query words) + b)
    r = mean over a review's words of  keep w / (1 - corruption),   keep = 1 with probability 1 - corruption
    x = [q; r_u1 .. r_um; r_i1 .. r_in] + segments + positions,   sinusoidal positions by slot
    f(u, q, i) = v . LN(Transformer(x))_q + c,   at the position of the query
    L = mean over samples of  sum over 1 positive and 5 negatives of  BCE(f, whether it is the positive)

A user is represented by the last reviews of the history, a candidate by its last reviews in the training part, in
training and at test time: the review of the target is excluded on both sides, but other users' reviews of a candidate
may be later, as in any leave-one-out split. A candidate without reviews is represented by a pseudo-review, its text.
Each candidate requires a separate forward pass, so only a pool of items is ranked per query; all other items tie below
it.

The candidate's reviews start at the position after the longest possible user side, so positions do not depend on
padding. The last layer is computed only at the position of the query.

Departures from the authors' program: reviews of the user later than the target are not used; cold candidates are kept;
negatives come from the pool to be ranked (``hard``); no subsampling of words; words dropped by the corruption get no
gradient, as in dropout (in their program they get the gradient of the plain mean).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.model import LearnedModel
from baselines.learning.network import Trainable, TrainingSettings, shuffled
from baselines.learning.training import Outcome
from baselines.search.learned import TASK, SearchVocabulary, interaction_texts
from baselines.search.rtm_examples import PADDING, Pools, Reviews, TrainingExamples, last_of
from unimp_bench.contracts import FitData, Ranker
from unimp_bench.corpus import Items
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.ragged import Ragged
from unimp_bench.records import Examples, FloatArray, IntArray
from unimp_bench.settings import Count, Portion, Rate, Share

_HISTORIES = 1024
"""Examples per block when reading and encoding reviews of histories."""

_PASSES = 2048
"""Candidates per forward pass of the transformer."""

_DOCUMENTS = 8192


@dataclass(frozen=True)
class RTMConfig(TrainingSettings):
    """Settings.

    Attributes:
        batch_size: interactions per step, each with an earlier interaction of its user.
        width: of words, reviews and states, even and a multiple of ``heads``.
        inner: width of the feed-forward layers.
        layers, heads: of the transformer.
        dropout: of the mean of query words, reviews, attention weights, and outputs of attention and feed-forward.
        corruption: share of a review's words dropped in training.
        review_words: maximum number of words of a review, the first ones.
        min_count: minimum occurrences of a word in the training reviews.
        user_reviews, item_reviews: maximum number of reviews of the user and of the candidate, the last ones.
        negatives: per positive, redrawn in each epoch.
        hard: share of the negatives drawn from the pool of the query; the rest are uniform over the catalogue.
        pool: number of items ranked per query; all others tie below them.
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


OFFICIAL = RTMConfig(
    epochs=20,
    learning_rate=5e-4,
    batch_size=384,
    width=128,
    inner=512,
    layers=2,
    heads=8,
    dropout=0.1,
    corruption=0.9,
    user_reviews=20,
    hard=0.0,
    pool=1000,
)


class Batch(NamedTuple):
    """Samples; the first candidate is the positive.

    Attributes:
        queries: words of the queries.
        documents: words of the distinct reviews in the batch.
        users: (B, M) rows of ``documents``, -1 for padding.
        candidates: (B, C, N) rows of ``documents``, -1 for padding.
    """

    queries: Ragged
    documents: Ragged
    users: IntArray
    candidates: IntArray


class RTMNetwork(Trainable):
    """Word embeddings, the encoders of queries and reviews, and the transformer."""

    clip_norm = 5.0
    positions: Tensor

    def __init__(self, reviews: Reviews, config: RTMConfig) -> None:
        super().__init__()
        self.reviews, self.config = reviews, config
        self.examples: TrainingExamples | None = None
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
        self.register_buffer("positions", sinusoids(slots, width), persistent=False)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        assert self.examples is not None
        for rows in shuffled(len(self.examples), self.config.batch_size, rng):
            yield self.batch(self.examples, rows, rng)

    def batch(self, examples: TrainingExamples, rows: IntArray, rng: np.random.Generator) -> Batch:
        """The given training examples, with negatives."""
        config, reviews = self.config, self.reviews
        users = reviews.of_users(examples.starts[rows], examples.ends[rows], config.user_reviews)
        items = np.column_stack([examples.targets[rows], examples.draw(rows, config.negatives, config.hard, rng)])
        predicted = np.repeat(examples.ends[rows], items.shape[1])
        candidates = reviews.of_items(items.ravel(), predicted, config.item_reviews)
        used, slots = np.unique(np.concatenate([[PADDING], users.ravel(), candidates.ravel()]), return_inverse=True)
        slots = slots[1:] - 1  # the first of the documents is PADDING
        return Batch(
            examples.queries.take(examples.query_rows[rows]),
            reviews.documents.take(used[1:]),
            slots[: users.size].reshape(users.shape),
            slots[users.size :].reshape(*items.shape, -1),
        )

    def loss(self, batch: Batch) -> Tensor:
        reviews = self.encode_reviews(batch.documents)
        logits = self.relevance(self.encode_queries(batch.queries), reviews, batch.users, reviews, batch.candidates)
        labels = torch.zeros_like(logits)
        labels[:, 0] = 1
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="sum") / len(logits)

    def encode_queries(self, queries: Ragged) -> Tensor:
        """Query vectors ``q``, (n, width)."""
        vectors: Tensor = torch.tanh(self.ask(self.dropout(self._mean(queries, 0.0))))
        return vectors

    def encode_reviews(self, documents: Ragged) -> Tensor:
        """Review vectors ``r``, followed by a row of zeros for padding, (n + 1, width)."""
        corruption = self.config.corruption if self.training else 0.0
        vectors = self.dropout(self._mean(documents, corruption))
        return torch.cat([vectors, vectors.new_zeros(1, vectors.shape[1])])

    def relevance(
        self, queries: Tensor, user_vectors: Tensor, users: IntArray, item_vectors: Tensor, candidates: IntArray
    ) -> Tensor:
        """Scores ``f``, (B, C).

        Args:
            queries: (B, width).
            user_vectors: (n + 1, width) reviews, the last row zero.
            users: (B, M) rows of ``user_vectors``, -1 for padding.
            item_vectors: (n + 1, width) reviews, the last row zero.
            candidates: (B, C, N) rows of ``item_vectors``, -1 for padding.
        """
        passes, later = candidates.shape[:2], 1 + self.config.user_reviews
        segments = self.segments.weight
        query = queries + segments[0] + self.positions[0]
        user = user_vectors[self.tensor(users)] + segments[1] + self.positions[1 : 1 + users.shape[1]]
        item = item_vectors[self.tensor(candidates)] + segments[2] + self.positions[later : later + candidates.shape[2]]
        shared = torch.cat([query[:, None], user], dim=1)[:, None].expand(-1, passes[1], -1, -1)
        states = torch.cat([shared, item], dim=2).flatten(0, 1)
        seen = np.concatenate([np.ones((len(users), 1), dtype=np.bool_), users >= 0], axis=1)
        seen = np.broadcast_to(seen[:, None], (*passes, seen.shape[1]))
        real = self.tensor(np.concatenate([seen, candidates >= 0], axis=2)).flatten(0, 1)
        for number, layer in enumerate(self.layers, 1):
            states = layer(states, real, query_alone=number == len(self.layers))
        scores: Tensor = self.judge(self.norm(states[:, 0])).view(passes)
        return scores

    def prepare(self) -> None:
        """Encode the last reviews of all items, and index them by item."""
        items = np.arange(self.reviews.item_count)
        documents = self.reviews.of_items(items, np.full(len(items), PADDING), self.config.item_reviews)
        used, slots = np.unique(np.append(documents, PADDING), return_inverse=True)
        self.of_item = slots[:-1].reshape(documents.shape) - 1
        self.item_vectors = self.vectors(self.reviews.documents.take(used[1:]))

    def vectors(self, documents: Ragged) -> Tensor:
        """``encode_reviews`` in blocks, to avoid a table of all words."""
        blocks = (slice(start, start + _DOCUMENTS) for start in range(0, len(documents), _DOCUMENTS))
        parts = [self.encode_reviews(documents.take(block))[:-1] for block in blocks]
        return torch.cat([*parts, torch.zeros(1, self.config.width, device=self.device)])

    def _mean(self, documents: Ragged, corruption: float) -> Tensor:
        """Mean word vector of each document after corruption, rescaled; zero for one without words."""
        lengths = self.tensor(documents.lengths())
        words, offsets = self.tensor(documents.values), self.tensor(documents.offsets)
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
        inner: width of the feed-forward layer.
        heads: of the attention.
        dropout: of attention weights and of both outputs.
        normed: whether the input of the attention is normalised.
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
        """States of all positions, (B, N, width), or of the first only, (B, 1, width).

        Args:
            states: (B, N, width).
            real: (B, N) bool, false at padding, which is not attended to.
            query_alone: compute the first position only.
        """
        normed = self.attention_norm(states)
        if query_alone:
            states = states[:, :1]
        queries, keys, values = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.ask(normed[:, : states.shape[1]]), self.match(normed), self.tell(normed))
        )
        dropout = self.dropout.p if self.training else 0.0
        seen = functional.scaled_dot_product_attention(queries, keys, values, real[:, None, None, :], dropout)
        states = states + self.dropout(self.gather(seen.transpose(1, 2).flatten(2)))
        widened = self.dropout(functional.gelu(self.widen(self.norm(states))))
        output: Tensor = states + self.dropout(self.narrow(widened))
        return output


class RTM(LearnedModel[RTMConfig, Reviews, RTMNetwork], Ranker[RTMConfig]):
    """See the module."""

    Config = RTMConfig
    Artifacts = Reviews
    name = "rtm"
    presets: ClassVar[Mapping[str, Any]] = {"small": RTMConfig(), "official": OFFICIAL}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (5e-4, 1e-3, 2e-3),
        "hard": (0.0, 0.5, 1.0),
        "corruption": (0.5, 0.9),
        "layers": (1, 2),
    }

    def gather(self, data: FitData) -> Reviews:
        train = data.examples[TASK].train
        reviewed = train.histories.reviews is not None
        texts = interaction_texts(train.histories, data.items)
        vocabulary = SearchVocabulary.of(texts, train.query_texts, self.config.min_count, reviewed=reviewed)
        recall = self._pools_of(train.histories.items, data.items).recall(data.examples[TASK].validation)
        return Reviews.of(train.histories, data.items, vocabulary, self.config.review_words, recall)

    def build(self, artifacts: Reviews, items: Items, cache: Path) -> RTMNetwork:
        self._items, self._pools = items, self._pools_of(artifacts.items, items)
        return RTMNetwork(artifacts, self.config)

    def learn(self, network: RTMNetwork, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        train = data.examples[TASK].train
        network.examples = TrainingExamples.of(train, data.catalogue, self.artifacts.vocabulary, self._pools)
        return super().learn(network, data, validate)

    def validated_by(self, data: FitData) -> str:
        return TASK

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        network = self.prepared()
        pools, rows = self._pools.of(examples)
        with torch.no_grad():
            queries = network.encode_queries(self.artifacts.vocabulary.queries(examples.distinct_queries()[0]))
            queries = queries[network.tensor(rows)]
            parts = [
                self._relevance(network, examples.select(some), queries[some], pools[rows[some]])
                for some in (slice(start, start + _HISTORIES) for start in range(0, len(examples), _HISTORIES))
            ]
        return _scattered(np.concatenate(parts), pools[rows], catalogue)

    def _relevance(self, network: RTMNetwork, examples: Examples, queries: Tensor, items: IntArray) -> FloatArray:
        """Scores of the given items per example, (examples, items)."""
        rows = last_of(examples.starts(), examples.ends, self.config.user_reviews)
        texts = interaction_texts(examples.histories, self._items).select(rows[rows >= 0])
        documents = self.artifacts.vocabulary.documents(texts)
        vectors = network.vectors(documents.keep(documents.positions() < self.config.review_words))
        users = np.full(rows.shape, PADDING)
        users[rows >= 0] = np.arange(len(texts))
        size = max(1, _PASSES // items.shape[1])
        scores = [
            network.relevance(
                queries[some], vectors, users[some], network.item_vectors, network.of_item[items[some]]
            ).cpu()
            for some in (slice(start, start + size) for start in range(0, len(examples), size))
        ]
        return torch.cat(scores).numpy()

    def _pools_of(self, bought: IntArray, items: Items) -> Pools:
        return Pools(items, np.bincount(bought, minlength=len(items)), self.config.pool)


def _scattered(scores: FloatArray, items: IntArray, catalogue: IntArray) -> FloatArray:
    """Scores of a catalogue, (n, catalogue), from P items and scores per row; others score 1 below the minimum."""
    scattered = np.repeat(scores.min(axis=1, keepdims=True) - 1, len(catalogue), axis=1)
    columns = np.minimum(np.searchsorted(catalogue, items), len(catalogue) - 1)
    rows, known = np.nonzero(catalogue[columns] == items)
    scattered[rows, columns[rows, known]] = scores[rows, known]
    return scattered


def sinusoids(positions: int, width: int) -> Tensor:
    """(positions, width) sine and cosine of ``position / 10000 ** (2 k / width)`` in channels 2k and 2k + 1."""
    angles = torch.arange(positions)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
