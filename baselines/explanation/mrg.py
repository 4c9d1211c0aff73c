"""MRG, multi-modal review generation: a rating and a sentence from a user, an item and its picture (Truong and Lauw,
WWW 2019).

    h = tanh(W [p_u; q_i] + b)                  r = mu + w . h + b'

``mu`` is the mean training rating, and the sentence that of ``Decoder``. Both losses are trained in turn: per batch one
step of Adam on the squared error of the ratings, then one, of the same Adam, on the likelihood of the sentences of
these users and items. Each step decays the weights that its loss reaches, as ``l2 / 2`` times their squares would;
biases, norms and word vectors are exempt. (In the authors' code only parameters named as biases are, so that most
biases and the norms decay.)

The authors pair a sentence with a photo that its writer took. Here all users share the catalogue's picture of an item,
which says less of what each of them writes; an item without one has a grid of zeros. Departures: pictures are patch
tokens of a frozen encoder, projected to the width of the network, in place of VGG's; a sentence has up to 32 words, not
20; word vectors begin at random, not at GloVe's; padding, start and unknown words are never written; and validation
chooses the epoch, then the length at which a sentence without an end is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.explanation.mrg_examples import END, PAD, START, UNKNOWN, MRGFacts, Regions, TrainingExamples
from baselines.explanation.typical import TASK
from baselines.learning.model import LearnedModel
from baselines.learning.network import Trainable, TrainingSettings, shuffled
from baselines.learning.training import Outcome
from unimp_bench.contracts import FitData, Rater, Writer
from unimp_bench.corpus import Items
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.kinds.rating import RatingExamples
from unimp_bench.kinds.text import TextExamples
from unimp_bench.records import Examples, FloatArray, IntArray, Protocol
from unimp_bench.settings import Count, Share, Weight

LIMITS = (24, 16, 12, 8)
"""Maximum lengths of a sentence that are tried below ``length``."""

_WRITTEN_AT_ONCE = 128
_NORM_MOMENTUM = 0.05
_WORD_STD = 0.1


@dataclass(frozen=True)
class MRGConfig(TrainingSettings):
    """Settings.

    Attributes:
        batch_size: interactions, with their sentences, per step.
        factors: F, of a user and of an item; ``[p; q]``, the trunk and the regions have twice as many channels.
        word_width, state_width: of word vectors and of the LSTM.
        dropout: of what goes to the words.
        l2: weight of half the squared weights.
        length: maximum number of words of a sentence, its end included.
        min_count, vocabulary: minimum occurrences of a word, and maximum number of words.
        encoder: ``tiny``, or the name of an open_clip model (``ViT-L-14``).
        pretrained: open_clip's tag of the encoder's weights (``openai``).
        text_encoder: ``lsa``, or a model of transformers; used where there are no pictures.
    """

    epochs: Count = 20
    validate_every: Count = 5  # ROUGE-L alone cannot tell sentences from frequent words in no order
    patience: Count = 2
    batch_size: Count = 64
    factors: Count = 32
    word_width: Count = 64
    state_width: Count = 64
    dropout: Share = 0.2
    l2: Weight = 1e-4
    length: Count = 32
    min_count: Count = 3
    vocabulary: Count = 20_000
    encoder: str = "tiny"
    pretrained: str = ""
    text_encoder: str = "lsa"


OFFICIAL = MRGConfig(
    learning_rate=3e-4,
    factors=256,
    word_width=200,
    state_width=256,
    encoder="ViT-L-14",
    pretrained="openai",
)


class Scene(NamedTuple):
    """Inputs of all words of a sentence: ``s`` (n, D), ``V`` and ``W_v V`` (n, L, D)."""

    sentiment: Tensor
    regions: Tensor
    keys: Tensor


class State(NamedTuple):
    """``h_t`` and ``c_t``, (n, C) each."""

    hidden: Tensor
    cell: Tensor


class Decoder(nn.Module):
    """The sentence decoder: an LSTM that at each word weighs the user's view of the item against its picture.

    With ``p`` and ``q`` the vectors of user and item, ``h`` the trunk's state and ``V_1 .. V_L`` the regions of the
    picture, projected to D channels:

        s = BatchNorm(h)                            V = BatchNorm(regions)
        h_0 = tanh(W_h [p; q] + b_h)                c_0 = tanh(W_c [p; q] + b_c)
        e_l = w_a . tanh(W_v V_l + W_a h_{t-1} + b_a) + b      a = softmax(e)      v_t = sum_l a_l V_l
        beta_t = sigmoid(w_x . x_t + w_h . h_{t-1} + b)        z_t = beta_t s + (1 - beta_t) v_t
        c_t, h_t = LSTM([x_t; z_t], c_{t-1}, h_{t-1})
        o_t = tanh(W_1 h_t + b_1 + W_2 z_t + x_t)              logits = W_o o_t + b_o

    ``x_t`` is the vector of the previous word. Batch norms average with a decay of 0.95.

    Args:
        width: D, of ``[p; q]``, ``h`` and the projected regions.
        channels: of a region from the encoder.
        vocabulary: number of words, special ones included.
        word_width: of ``x_t``.
        state_width: C.
        dropout: of ``h_t`` and ``o_t`` on their way to the words.
    """

    def __init__(
        self, *, width: int, channels: int, vocabulary: int, word_width: int, state_width: int, dropout: float
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, word_width)
        self.project = nn.Linear(channels, width, bias=False)
        self.sentiment_norm = nn.BatchNorm1d(width, momentum=_NORM_MOMENTUM)
        self.region_norm = nn.BatchNorm1d(width, momentum=_NORM_MOMENTUM)
        self.first_hidden = nn.Linear(width, state_width)
        self.first_cell = nn.Linear(width, state_width)
        self.key = nn.Linear(width, width, bias=False)
        self.query = nn.Linear(state_width, width)
        self.relevance = nn.Linear(width, 1)
        self.word_gate = nn.Linear(word_width, 1, bias=False)
        self.state_gate = nn.Linear(state_width, 1)
        self.lstm = nn.LSTMCell(word_width + width, state_width)
        self.from_state = nn.Linear(state_width, word_width)
        self.from_context = nn.Linear(width, word_width, bias=False)
        self.out = nn.Linear(word_width, vocabulary)
        self.dropout = nn.Dropout(dropout)

    def initialise(self) -> None:
        """Draw the first word vectors."""
        nn.init.normal_(self.words.weight, std=_WORD_STD)

    def loss(self, pairs: Tensor, trunk: Tensor, regions: Tensor, tokens: Tensor) -> Tensor:
        """Mean negative log likelihood of all words but padding, a scalar.

        Args:
            pairs: (n, D) ``[p; q]``.
            trunk: (n, D) ``h``.
            regions: (n, L, channels).
            tokens: (n, T) the sentences.
        """
        scene, state = self.scene(trunk, regions), self.begin(pairs)
        previous = torch.cat([torch.full_like(tokens[:, :1], START), tokens[:, :-1]], dim=1)
        words = self.words(previous)
        hidden, contexts = [], []
        for word in words.unbind(dim=1):
            state, context = self.step(scene, state, word)
            hidden.append(state.hidden)
            contexts.append(context)
        real = tokens != PAD
        logits = self.logits(torch.stack(hidden, 1)[real], torch.stack(contexts, 1)[real], words[real])
        return functional.cross_entropy(logits, tokens[real])

    def generate(self, pairs: Tensor, trunk: Tensor, regions: Tensor, length: int) -> Tensor:
        """(n, at most length) the most probable word at each step, of special ones ``END`` alone, which is the last."""
        scene, state = self.scene(trunk, regions), self.begin(pairs)
        tokens = torch.full((len(pairs),), START, device=pairs.device)
        ended = torch.zeros_like(tokens, dtype=torch.bool)
        written: list[Tensor] = []
        while len(written) < length and not ended.all():
            word = self.words(tokens)
            state, context = self.step(scene, state, word)
            logits = self.logits(state.hidden, context, word)
            logits[:, [PAD, START, UNKNOWN]] = -torch.inf
            tokens = logits.argmax(dim=1)
            ended |= tokens == END
            written.append(tokens)
        return torch.stack(written, dim=1)

    def scene(self, trunk: Tensor, regions: Tensor) -> Scene:
        """``s``, ``V`` and ``W_v V``."""
        projected = self.project(regions)
        normed = self.region_norm(projected.flatten(0, 1)).view_as(projected)
        return Scene(self.sentiment_norm(trunk), normed, self.key(normed))

    def begin(self, pairs: Tensor) -> State:
        """``h_0`` and ``c_0``."""
        return State(torch.tanh(self.first_hidden(pairs)), torch.tanh(self.first_cell(pairs)))

    def step(self, scene: Scene, state: State, word: Tensor) -> tuple[State, Tensor]:
        """The next state, and ``z_t`` (n, D), from ``x_t`` (n, word_width)."""
        picture = (self.attention(scene, state)[:, None] @ scene.regions).squeeze(1)
        beta = self.gate(state, word)
        context = beta * scene.sentiment + (1 - beta) * picture
        return State(*self.lstm(torch.cat([word, context], dim=1), state)), context

    def attention(self, scene: Scene, state: State) -> Tensor:
        """``a``, (n, L), from the previous state."""
        scores: Tensor = self.relevance(torch.tanh(scene.keys + self.query(state.hidden)[:, None]))
        return scores.squeeze(2).softmax(dim=1)

    def gate(self, state: State, word: Tensor) -> Tensor:
        """``beta_t``, (n, 1)."""
        return torch.sigmoid(self.word_gate(word) + self.state_gate(state.hidden))

    def logits(self, hidden: Tensor, context: Tensor, word: Tensor) -> Tensor:
        """(n, vocabulary)."""
        mixed = torch.tanh(self.from_state(self.dropout(hidden)) + self.from_context(context) + word)
        logits: Tensor = self.out(self.dropout(mixed))
        return logits


class Rated(NamedTuple):
    """Rows of users and items, and ratings, (n,) each."""

    users: Tensor
    items: Tensor
    ratings: Tensor


class Written(NamedTuple):
    """Rows of users and items, (n,), regions (n, L, channels), and tokens (n, T)."""

    users: Tensor
    items: Tensor
    regions: Tensor
    tokens: Tensor


class Batch(NamedTuple):
    """Some interactions: those with a rating, and those with a sentence."""

    rated: Rated
    written: Written


class MRGNetwork(Trainable):
    """Tables, trunk and both heads.

    Attributes:
        examples: set for a training.
        limit: maximum number of words that are written, ``length`` at first.
    """

    examples: TrainingExamples | None = None
    mean: Tensor
    limit: Tensor

    def __init__(self, facts: MRGFacts, regions: Regions, config: MRGConfig) -> None:
        super().__init__()
        self.config, self.regions, self.remarks = config, regions, regions.remarks
        self.weight_decay = config.l2
        width = 2 * config.factors
        self.users = nn.Embedding(len(facts.interactions.users), config.factors)
        self.items = nn.Embedding(len(facts.interactions.items), config.factors)
        self.trunk = nn.Linear(width, width)
        self.rating = nn.Linear(width, 1)
        self.decoder = Decoder(
            width=width,
            channels=regions.shape[1],
            vocabulary=len(facts.vocabulary),
            word_width=config.word_width,
            state_width=config.state_width,
            dropout=config.dropout,
        )
        self.register_buffer("mean", torch.tensor(facts.mean), persistent=False)
        self.register_buffer("limit", torch.tensor(config.length))
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                nn.init.xavier_uniform_(weight)
            elif "bias" in name:
                nn.init.zeros_(weight)
        self.decoder.initialise()

    def decays(self, weight: nn.Parameter) -> bool:
        return weight.ndim > 1 and weight is not self.decoder.words.weight

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        examples = self.examples
        assert examples is not None
        for rows in shuffled(len(examples.users), self.config.batch_size, rng):
            rated = rows[~np.isnan(examples.ratings[rows])]
            written = rows[examples.sentences[rows] >= 0]
            tokens = examples.tokens[examples.sentences[written]]
            longest = int((tokens != PAD).sum(axis=1).max(initial=1))
            yield Batch(
                Rated(*map(self.tensor, (examples.users[rated], examples.items[rated], examples.ratings[rated]))),
                Written(
                    self.tensor(examples.users[written]),
                    self.tensor(examples.items[written]),
                    self.tensor(self.regions.of(examples.items[written])),
                    self.tensor(tokens[:, :longest].astype(np.int64)),
                ),
            )

    def losses(self, batch: Batch) -> Iterator[Tensor]:
        """Of the ratings, then of the sentences, with the weights at the time each is requested.

        A batch norm cannot train on a single sentence, which is skipped.
        """
        if len(batch.rated.users):
            yield self.rating_loss(batch.rated)
        if len(batch.written.users) > 1:
            yield self.review_loss(batch.written)

    def loss(self, batch: Batch) -> Tensor:
        return sum(self.losses(batch), torch.zeros((), device=self.device))

    def step(self, batch: Batch, optimizers: Sequence[torch.optim.Optimizer]) -> Tensor:
        (optimizer,) = optimizers
        total = torch.zeros((), device=self.device)
        for loss in self.losses(batch):
            optimizer.zero_grad()  # weights that only the other loss reaches have no gradient
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach()
        return total

    def rating_loss(self, rated: Rated) -> Tensor:
        """Mean squared error, a scalar."""
        return functional.mse_loss(self.ratings(rated.users, rated.items), rated.ratings)

    def review_loss(self, written: Written) -> Tensor:
        """Mean negative log likelihood of a word, a scalar."""
        pairs = self.pairs(written.users, written.items)
        loss: Tensor = self.decoder.loss(pairs, self.state(pairs), written.regions, written.tokens)
        return loss

    def ratings(self, users: Tensor, items: Tensor) -> Tensor:
        """``r`` of rows, (n,), not clipped to the scale."""
        heights: Tensor = self.rating(self.state(self.pairs(users, items))).squeeze(1)
        return self.mean + heights

    def pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """``[p; q]`` of rows, (n, 2 F)."""
        return torch.cat([self.users(users), self.items(items)], dim=1)

    def state(self, pairs: Tensor) -> Tensor:
        """``h``, (n, 2 F)."""
        return torch.tanh(self.trunk(pairs))

    def rate(self, users: IntArray, items: IntArray) -> FloatArray:
        """``r`` of rows, (n,)."""
        rated: FloatArray = self.ratings(self.tensor(users), self.tensor(items)).cpu().numpy()
        return rated

    def write(self, users: IntArray, items: IntArray) -> Iterator[list[int]]:
        """The most probable words for rows."""
        for start in range(0, len(users), _WRITTEN_AT_ONCE):
            block = slice(start, start + _WRITTEN_AT_ONCE)
            pairs = self.pairs(self.tensor(users[block]), self.tensor(items[block]))
            regions = self.tensor(self.regions.of(items[block]))
            yield from self.decoder.generate(pairs, self.state(pairs), regions, int(self.limit)).tolist()


class MRG(LearnedModel[MRGConfig, MRGFacts, MRGNetwork], Writer[MRGConfig], Rater[MRGConfig]):
    """Writes explanations and predicts ratings. Without explanations in its fit it only learns to rate."""

    Config = MRGConfig
    Facts: ClassVar[type[MRGFacts]] = MRGFacts
    name = "mrg"
    presets: ClassVar[Mapping[str, Any]] = {"small": MRGConfig(), "official": OFFICIAL}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "dropout": (0.2, 0.5),
        "l2": (1e-5, 1e-4, 1e-3),
    }

    def gather(self, data: FitData) -> MRGFacts:
        return MRGFacts.of(data, self.config.min_count, self.config.vocabulary)

    def build(self, facts: MRGFacts, items: Items, cache: Path) -> MRGNetwork:
        config, numbers = self.config, facts.interactions.items
        regions = Regions(items, numbers, config.encoder, config.pretrained, config.text_encoder, cache)
        return MRGNetwork(facts, regions, config)

    def learn(self, network: MRGNetwork, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        network.examples = TrainingExamples.of(data, self.facts, self.config.length)
        return super().learn(network, data, validate)

    def settle(self, protocol: Protocol, data: FitData, best: float) -> None:
        def quality(limit: int) -> float:
            self.network.limit.fill_(limit)
            return self.quality(data)[protocol]

        length = self.config.length
        if TASK in data.examples:
            self.network.limit.fill_(max((length, *(limit for limit in LIMITS if limit < length)), key=quality))

    def validated_by(self, data: FitData) -> str:
        """Explanation; preference only in a fit without it."""
        return TASK if TASK in data.examples else next(iter(data.examples))

    def write(self, examples: TextExamples) -> list[str]:
        with torch.no_grad():
            written = list(self.prepared().write(*self._rows(examples)))
        return [self.facts.vocabulary.sentence(tokens) for tokens in written]

    def rate(self, examples: RatingExamples) -> FloatArray:
        with torch.no_grad():
            return self.prepared().rate(*self._rows(examples))

    def _rows(self, examples: Examples) -> tuple[IntArray, IntArray]:
        """(n,) rows of users and of the shown items."""
        assert examples.shown is not None
        interactions = self.facts.interactions
        return interactions.user_rows(examples.users), interactions.item_rows(examples.shown.items)
