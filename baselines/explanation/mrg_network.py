"""MRG: one trunk under a rating and a sentence (Truong and Lauw, WWW 2019).

    h = tanh(W [p_u; q_i] + b)                  r = mu + w . h + b'

``mu`` is the mean training rating, and the sentence that of ``baselines.explanation.mrg_decoder``. Both losses are
learned in turn: on each batch one step of Adam down the squared error of the ratings, then one, of the same Adam, down
the likelihood of the sentences that belong to these users and items. Each step decays the weights that its loss
reaches, as ``l2 / 2`` times their squares would; biases, norms and word vectors are exempt. (In the authors' code only
what is named a bias is, which leaves most biases and the norms decayed.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.explanation.mrg_decoder import Decoder
from baselines.explanation.mrg_facts import Lessons, MRGFacts
from baselines.explanation.mrg_regions import Regions
from baselines.explanation.mrg_words import PAD
from baselines.learning.network import Trainable, shuffled
from baselines.learning.settings import TrainingSettings
from unimp_bench.records import FloatArray, IntArray
from unimp_bench.settings import Count, Share, Weight

_WRITTEN_AT_ONCE = 128


@dataclass(frozen=True)
class MRGConfig(TrainingSettings):
    """Settings.

    Attributes:
        batch_size: interactions, with their sentences a step.
        factors: F, of a user and of an item; ``[p; q]``, the trunk and the regions have twice as many channels.
        word_width, state_width: of word vectors and of the LSTM.
        dropout: of what goes to the words.
        l2: weight of half the squared weights.
        length: most words of a sentence, its end included.
        min_count, vocabulary: how often a word must occur, and how many are known at most.
        encoder: ``tiny``, or the name of an open_clip model (``ViT-L-14``).
        pretrained: open_clip's tag of the encoder's weights (``openai``).
        text_encoder: ``lsa``, or a model of transformers; read where there are no pictures.
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
    """What is known of some interactions; of some there is no rating, of some no sentence."""

    rated: Rated
    written: Written


class MRGNetwork(Trainable):
    """Tables, trunk and both heads.

    Attributes:
        lessons: what is learned from; None in a network that only answers.
        limit: most words that are written, at first ``length``.
    """

    lessons: Lessons | None = None
    mean: Tensor
    limit: Tensor

    def __init__(self, facts: MRGFacts, regions: Regions, config: MRGConfig) -> None:
        super().__init__()
        self.config, self.regions, self.remarks = config, regions, regions.remarks
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

    def optimizers(self, settings: TrainingSettings) -> Sequence[torch.optim.Optimizer]:
        """One Adam; in a step it moves and decays only what that step's loss reaches."""
        words = self.decoder.words.weight
        decayed = [weight for weight in self.parameters() if weight.ndim > 1 and weight is not words]
        exempt = [weight for weight in self.parameters() if weight.ndim == 1 or weight is words]
        groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": self.config.l2}, {"params": exempt}]
        return (torch.optim.Adam(groups, lr=settings.learning_rate, fused=True),)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        lessons = self.lessons
        assert lessons is not None
        for rows in shuffled(len(lessons.users), self.config.batch_size, rng):
            rated = rows[~np.isnan(lessons.ratings[rows])]
            written = rows[lessons.sentences[rows] >= 0]
            tokens = lessons.tokens[lessons.sentences[written]]
            longest = int((tokens != PAD).sum(axis=1).max(initial=1))
            yield Batch(
                Rated(*map(self.tensor, (lessons.users[rated], lessons.items[rated], lessons.ratings[rated]))),
                Written(
                    self.tensor(lessons.users[written]),
                    self.tensor(lessons.items[written]),
                    self.tensor(self.regions.of(lessons.items[written])),
                    self.tensor(tokens[:, :longest].astype(np.int64)),
                ),
            )

    def losses(self, batch: Batch) -> Iterator[Tensor]:
        """Of the ratings, then of the sentences, with the weights of the moment each is asked for.

        A lone sentence has no batch to be normed in and is passed over.
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
            optimizer.zero_grad()  # what the other loss alone reaches has no gradient, and stays
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
        """``r`` of rows, (n,), wherever it falls."""
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
        """The likeliest words for rows."""
        for start in range(0, len(users), _WRITTEN_AT_ONCE):
            asked = slice(start, start + _WRITTEN_AT_ONCE)
            pairs = self.pairs(self.tensor(users[asked]), self.tensor(items[asked]))
            regions = self.tensor(self.regions.of(items[asked]))
            yield from self.decoder.write(pairs, self.state(pairs), regions, int(self.limit)).tolist()
