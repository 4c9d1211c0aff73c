"""PETER, a personalized transformer: one small transformer that rates and writes (Li et al., ACL 2021).

Its input is the user, the item, a start token and the words of the sentence:

    x = sqrt(d) [p_u; q_i; e_start; e_{w_1}; ..; e_{w_T}] + sines        h = Transformer(x)
    r = w_2 . sigmoid(W_1 h_0 + b_1) + b_2                               z_t = W h_t + b

The blocks are post-norm with ReLU, and ``sines`` are the fixed position encodings of Vaswani et al. (2017). Attention
is causal, except that the user, at position 0, also reads the item, at position 1. With ``N`` the words of a batch
without padding, the end of each sentence among them:

    L = -1/N sum log softmax(z_{t+1})[w_t] - context/N sum log softmax(z_1)[w_t] + rating mean((r - r_ui)^2)

for ``t`` from 1. The middle term asks the item's state alone for all words of the sentence, in any order; without it
users and items hardly affect the sentence. Sentences are decoded greedily.

PETER+ also reads a feature of the review that it is to write. Nobody knows it beforehand, so there is no such system
here. Departures: the vocabulary is that of the training part (the authors' includes words of test sentences);
interactions without a sentence, or without a rating, take part in the remaining loss; users and items of no training
example have the mean vector of the others; special words are not generated; the epoch is chosen by the benchmark's
metric (the authors': by the loss of text and ratings). The preset ``official`` has their sizes and their optimizer,
gradient descent at a rate of 1 that falls to a quarter after each epoch without improvement; ``small`` uses Adam.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.explanation.sentences import PAD, START, SentenceArtifacts, TrainingExamples
from baselines.explanation.writer import RatingNetwork, RatingWriter, WriterSettings, blocks, greedy
from baselines.learning.interactions import Interactions
from baselines.learning.network import TrainingSettings, shuffled
from baselines.learning.training import Outcome
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.records import BoolArray, FloatArray, IntArray
from unimp_bench.settings import Count, Portion, Share, Weight

INIT = 0.1
"""Embeddings and output layer are uniform between this and its negative."""

PREFIX = 2
"""Positions before the start token: user and item."""


@dataclass(frozen=True)
class PETERConfig(WriterSettings):
    """Settings.

    Attributes:
        batch_size: interactions, with their sentences, per step.
        width: d, even, a multiple of ``heads``.
        inner: width inside the feed-forward layers.
        layers, heads: blocks, and attention heads of each.
        dropout: of position-encoded inputs and inside the blocks.
        context, rating: weights of the losses of the item's state and of the ratings; 1 is that of the sentence.
        optimizer: ``adam``, or ``sgd``, gradient descent without momentum.
        slowdown: factor of the learning rate after each validation without a better score.
    """

    epochs: Count = 40
    validate_every: Count = 5
    patience: Count = 2
    batch_size: Count = 64
    width: Count = 64
    inner: Count = 256
    layers: Count = 2
    heads: Count = 2
    dropout: Share = 0.2
    context: Weight = 1.0
    rating: Weight = 0.1
    optimizer: Literal["adam", "sgd"] = "adam"
    slowdown: Portion = 1.0


OFFICIAL = PETERConfig(
    epochs=100,
    validate_every=1,
    patience=5,
    learning_rate=1.0,
    batch_size=128,
    width=512,
    inner=2048,
    length=15,
    min_count=1,
    optimizer="sgd",
    slowdown=0.25,
)


class Batch(NamedTuple):
    """Rows of users and items, (n,); ratings, NaN where there is none; tokens (n, T), only padding without a sentence.

    ``T`` is 0 in a batch without sentences.
    """

    users: Tensor
    items: Tensor
    ratings: Tensor
    tokens: Tensor


class PETERNetwork(RatingNetwork):
    """Embedding tables, transformer, and both heads.

    Attributes:
        known_users, known_items: (rows,) bool, those of a training example.
        factor: of the learning rate.
        best: score of the best validation.
    """

    clip_norm = 1.0
    sines: Tensor
    known_users: Tensor
    known_items: Tensor
    factor: Tensor
    best: Tensor

    def __init__(self, interactions: Interactions, vocabulary: int, config: PETERConfig) -> None:
        super().__init__()
        self.config = config
        self.users = nn.Embedding(len(interactions.users), config.width)
        self.items = nn.Embedding(len(interactions.items), config.width)
        self.words = nn.Embedding(vocabulary, config.width)
        block = nn.TransformerEncoderLayer(
            config.width, config.heads, config.inner, config.dropout, functional.relu, batch_first=True
        )
        self.transformer = nn.TransformerEncoder(block, config.layers, enable_nested_tensor=False)
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(config.width, config.width)
        self.height = nn.Linear(config.width, 1)
        self.out = nn.Linear(config.width, vocabulary)
        for weights in (self.users.weight, self.items.weight, self.words.weight, self.out.weight):
            nn.init.uniform_(weights, -INIT, INIT)
        nn.init.zeros_(self.out.bias)
        self.register_buffer("sines", sines(PREFIX + config.length, config.width), persistent=False)
        self.register_buffer("known_users", torch.ones(len(interactions.users), dtype=torch.bool))
        self.register_buffer("known_items", torch.ones(len(interactions.items), dtype=torch.bool))
        self.register_buffer("factor", torch.ones(()))
        self.register_buffer("best", torch.tensor(-math.inf))

    def show(self, examples: TrainingExamples) -> None:
        super().show(examples)
        used = has_target(examples)
        for known, rows in ((self.known_users, examples.users[used]), (self.known_items, examples.items[used])):
            known.fill_(not len(rows))
            known[self.tensor(rows)] = True

    def optimizers(self, settings: TrainingSettings) -> Sequence[torch.optim.Optimizer]:
        if self.config.optimizer == "sgd":
            return (torch.optim.SGD(self.parameters(), settings.learning_rate),)
        return super().optimizers(settings)

    def validated(self, score: float) -> None:
        """Slow down unless the score is better than all before."""
        if score <= float(self.best):
            self.factor *= self.config.slowdown
        self.best.clamp_(min=score)

    def pace(self, epoch: int) -> float:
        return float(self.factor)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        examples = self.examples
        assert examples is not None
        used = np.flatnonzero(has_target(examples))
        for chosen in shuffled(len(used), self.config.batch_size, rng):
            rows = used[chosen]
            numbers = examples.sentences[rows]
            tokens = np.full((len(rows), examples.tokens.shape[1]), PAD)
            tokens[numbers >= 0] = examples.tokens[numbers[numbers >= 0]]
            longest = int((tokens != PAD).sum(axis=1).max(initial=0))
            parts = (examples.users[rows], examples.items[rows], examples.ratings[rows], tokens[:, :longest])
            yield Batch(*map(self.tensor, parts))

    def loss(self, batch: Batch) -> Tensor:
        states = self.states(batch.users, batch.items, shifted(batch.tokens))
        total = torch.zeros((), device=self.device)
        real = batch.tokens != PAD
        if real.any():
            total = self.text_loss(states, batch.tokens) + self.config.context * self.context_loss(states, batch.tokens)
        rated = ~batch.ratings.isnan()
        if rated.any():
            errors = functional.mse_loss(self.ratings(states[rated]), batch.ratings[rated])
            total = total + self.config.rating * errors
        return total

    def text_loss(self, states: Tensor, tokens: Tensor) -> Tensor:
        """Mean negative log-likelihood of all words except padding, each given those before it, a scalar."""
        real = tokens != PAD
        return functional.cross_entropy(self.out(states[:, PREFIX:][real]), tokens[real])

    def context_loss(self, states: Tensor, tokens: Tensor) -> Tensor:
        """The same by the item's state alone."""
        scores: Tensor = self.out(states[:, 1]).log_softmax(dim=1).gather(1, tokens)
        return -scores[tokens != PAD].mean()

    def ratings(self, states: Tensor) -> Tensor:
        """Ratings, (n,), not clipped to the scale."""
        rated: Tensor = self.height(self.hidden(states[:, 0]).sigmoid()).squeeze(1)
        return rated

    def states(self, users: Tensor, items: Tensor, words: Tensor) -> Tensor:
        """``h``, (n, 2 + T, d), of user and item rows (n,) and words (n, T), ``START`` first."""
        prefix = [
            self._vectors(self.users, users, self.known_users),
            self._vectors(self.items, items, self.known_items),
        ]
        read = torch.cat([torch.stack(prefix, dim=1), self.words(words)], dim=1) * math.sqrt(self.config.width)
        size = read.shape[1]
        states: Tensor = self.transformer(self.dropout(read + self.sines[:size]), mask=hides(size, self.device))
        return states

    def rate(self, users: IntArray, items: IntArray) -> FloatArray:
        nothing = torch.empty(
            (len(users), 0), dtype=torch.int64, device=self.device
        )  # no word affects the user's state
        rated: FloatArray = self.ratings(self.states(self.tensor(users), self.tensor(items), nothing)).cpu().numpy()
        return rated

    def write(self, users: IntArray, items: IntArray) -> Iterator[list[int]]:
        for block in blocks(len(users)):
            whom, what = self.tensor(users[block]), self.tensor(items[block])
            yield from greedy(self._reader(whom, what), len(whom), self.config.length, self.device).tolist()

    def _reader(self, users: Tensor, items: Tensor) -> Callable[[Tensor], Tensor]:
        read = torch.empty((len(users), 0), dtype=torch.int64, device=self.device)

        def step(tokens: Tensor) -> Tensor:
            nonlocal read
            read = torch.cat([read, tokens[:, None]], dim=1)
            logits: Tensor = self.out(self.states(users, items, read)[:, -1])
            return logits

        return step

    def _vectors(self, table: nn.Embedding, rows: Tensor, known: Tensor) -> Tensor:
        """Embeddings (n, d); the mean of the known rows for others."""
        vectors: Tensor = table(rows)
        if self.training:
            return vectors
        return torch.where(known[rows][:, None], vectors, table.weight[known].mean(dim=0))


class PETER(RatingWriter[PETERConfig, PETERNetwork]):
    """Generates explanations and predicts ratings; a fit without explanations trains only the ratings."""

    Config = PETERConfig
    name = "peter"
    presets: ClassVar[Mapping[str, Any]] = {"small": PETERConfig(), "official": OFFICIAL}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "dropout": (0.2, 0.5),
        "context": (0.1, 1.0),
        "rating": (0.1, 1.0),
    }

    def build(self, artifacts: SentenceArtifacts, items: Items, cache: Path) -> PETERNetwork:
        width, heads = self.config.width, self.config.heads
        if width % heads or width % 2:
            raise UsageError(f"width={width} is not an even multiple of heads={heads}; choose another width")
        return PETERNetwork(artifacts.interactions, len(artifacts.vocabulary), self.config)

    def learn(self, network: PETERNetwork, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        def slowing() -> Scores:
            scores = validate()
            network.validated(max(scores.values()))
            return scores

        return super().learn(network, data, slowing)


def has_target(examples: TrainingExamples) -> BoolArray:
    """(n,) whether an interaction has a rating or a sentence."""
    return ~np.isnan(examples.ratings) | (examples.sentences >= 0)


def shifted(tokens: Tensor) -> Tensor:
    """What is read before each word, (n, T): ``START``, then the words but the last."""
    return functional.pad(tokens, (1, 0), value=START)[:, : tokens.shape[1]]


def hides(size: int, device: torch.device) -> Tensor:
    """(size, size) bool, true where a position (row) must not read another (column)."""
    hidden = torch.ones(size, size, dtype=torch.bool, device=device).triu(1)
    hidden[0, 1] = False
    return hidden


def sines(positions: int, width: int) -> Tensor:
    """(positions, width): ``sin(p / 10000^{2k/width})`` in column 2k and its cosine in 2k + 1."""
    angles = torch.arange(positions)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
