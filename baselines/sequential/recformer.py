"""Recformer: users and items as sentences of the same language model (Li et al., KDD 2023).

An item is its attributes as words, a user the items of the history, the newest first (``item_words``). There are no
item embeddings. With a word w of type k (name or word of an attribute) in the n-th place, of the m-th newest item:

    e = LN(W_w + A_n + B_k + C_m),  h = state of [CLS] of Transformer(e_[CLS], e_1, ..)            (Eq. 4 and 5)
    score(j | history) = cos(h_history, h_j) / tau,  h_j the vector of a sequence of item j alone  (Eq. 8)

Pre-training on pairs of a history and its next item, one a user and epoch, from the second half of the sequence:

    L_MLM: 15% of the words of both are predicted, 80% of them masked, 10% another word
    L_IIC = mean over pairs i of  -log( exp(cos(h_i, h_next_i) / tau) / sum_j exp(cos(h_i, h_next_j) / tau) )
    L = L_IIC + mask_weight L_MLM                                                                  (Eq. 9 to 12)

Fine-tuning in two stages, on one pair a user and epoch, drawn from the whole sequence (algorithm 1):

    L = mean over pairs of  -log softmax(score)_next,  the vectors h_j of candidates without gradient
    1. all h_j are encoded again at the start of each epoch;  2. from the best epoch on, they are those of that epoch

The best epoch is that of both stages. An item without a training interaction is scored as any other.

Differences from the authors' program: a small model from scratch with the words of the items of training, where
theirs is a pre-trained Longformer with subwords, so attention is full and no weight is frozen; pre-training on the
training part of the same corpus, not on other domains; in ``L_IIC`` pairs with the same next item are not negatives;
the softmax is over the items with a training interaction, where theirs is over all; no history is empty; the learning
rate is constant, and both stages have one patience. Their ranks count ties for the model.

Memory: B N (width + inner) per block in a step of B sequences of N words, and B I for the scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.encoder import NORM_EPSILON, Encoder, init_weights
from baselines.learning.interactions import Interactions
from baselines.learning.model import TRAINING, LearnedRanker
from baselines.learning.network import Network, Trainable
from baselines.learning.sequences import Windows, batches, ends_of_histories, of_like_length, padded
from baselines.learning.training import NetworkTrainer, Outcome, best_weights, train
from baselines.sequential.item_words import (
    MASK,
    PADDING,
    ItemVocabulary,
    Sequences,
    WordedInteractions,
    newest_first,
    sequences,
)
from baselines.sequential.next_item import TransformerSettings, pretrain
from baselines.sequential.unisrec import in_batch_loss
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.ragged import Ragged
from unimp_bench.records import BoolArray, Examples, IntArray
from unimp_bench.settings import Count, Number, Rate, Share, Weight

_FIRST_STAGE = "first-stage"
_MASKED, _REPLACED = 0.8, 0.9
"""Shares of the predicted words that are masked, and that are masked or replaced by others."""


@dataclass(frozen=True)
class RecformerConfig(TransformerSettings):
    """Settings.

    Attributes:
        epochs: maximum number of epochs of the first stage of fine-tuning, in which items are encoded again.
        fixed_epochs: of the second stage, in which vectors of candidates are fixed.
        batch_size: pairs of a history and its next item per step.
        attributes: of items, those that the corpus has, in the order of their words: the authors' three, and keywords,
            which some corpora have in place of titles.
        attribute_words: words of an attribute, in addition to its name.
        max_words: words of the vocabulary.
        max_tokens: words of a history with ``[CLS]``; the oldest are left out.
        temperature: tau, of all cosines.
        pretraining_epochs: of pre-training; 0 skips it.
        pretraining_rate: learning rate of pre-training.
        pretraining_batch_size: pairs per step of pre-training.
        mask_share: share of words that pre-training predicts.
        mask_weight: weight of their loss.
    """

    epochs: Count = 6
    validate_every: Count = 3
    patience: Count = 4
    fixed_epochs: Count = 24
    learning_rate: Rate = 1e-3
    batch_size: Count = 32
    max_length: Count = 8
    dropout: Share = 0.1
    attention_dropout: Share = 0.1
    attributes: tuple[str, ...] = ("title", "brand", "category", "keywords")
    attribute_words: Count = 10
    max_words: Count = 10_000
    max_tokens: Count = 200
    temperature: Rate = 0.05
    pretraining_epochs: Number = 8
    pretraining_rate: Rate = 1e-3
    pretraining_batch_size: Count = 32
    mask_share: Share = 0.15
    mask_weight: Weight = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_tokens < 2:
            raise ValueError("max_tokens must be at least 2: [CLS] and a word")


AUTHORS = RecformerConfig(
    epochs=128,
    fixed_epochs=128,
    patience=5,
    learning_rate=5e-5,
    batch_size=128,
    max_length=50,
    width=768,
    inner=3072,
    layers=12,
    heads=12,
    attribute_words=32,
    max_words=50_000,
    max_tokens=1024,
    pretraining_epochs=32,
    pretraining_rate=5e-5,
    pretraining_batch_size=512,
)


class Pairs(NamedTuple):
    """Histories of B users as words, types and places, (B, N) each, and their next items, (B,)."""

    words: Tensor
    types: Tensor
    places: Tensor
    targets: Tensor


class RecformerNetwork(Network):
    """Word embeddings and the transformer.

    Args:
        interactions: the training part, on all items of the corpus.
        texts: (I rows) of ``ItemVocabulary.texts``.
        source: (I,) the item whose text each one had in the fit, -1 for none.
        config: the settings.

    Attributes:
        vectors: (I + 1, width) unit vectors of items by their texts in the fit, of the last encoding; the last row is
            that of an item without a text.
        fixed: whether ``vectors`` stay as they are.
    """

    vectors: Tensor
    targets: Tensor
    _target_of: Tensor
    _source: Tensor

    def __init__(
        self, interactions: WordedInteractions, texts: Ragged, source: IntArray, config: RecformerConfig
    ) -> None:
        super().__init__()
        self.interactions, self.texts, self.config, self.fixed = interactions, texts, config, False
        width = config.width
        self.words = nn.Embedding(len(interactions.vocabulary), width)
        self.tokens = nn.Embedding(config.max_tokens, width)
        self.types = nn.Embedding(3, width)
        self.places = nn.Embedding(config.max_length + 1, width)
        self.norm, self.dropout = nn.LayerNorm(width, eps=NORM_EPSILON), nn.Dropout(config.dropout)
        self.encoder = Encoder(
            *(width, config.inner, config.layers, config.heads, config.dropout, config.attention_dropout), causal=False
        )
        self.apply(init_weights)
        self.register_buffer("vectors", torch.zeros(len(interactions.items) + 1, width))
        targets, target_of = np.unique(interactions.sequences.values), np.zeros(len(interactions.items), dtype=np.int64)
        target_of[targets] = np.arange(len(targets))
        for name, values in {"targets": targets, "_target_of": target_of, "_source": source}.items():
            self.register_buffer(name, torch.as_tensor(values), persistent=False)

    def batches(self, rng: np.random.Generator) -> Iterator[Pairs]:
        if not self.fixed:
            self.encode_items()
        drawn = pairs_of_users(self.interactions, self.config.max_length, rng)
        for rows in batches(drawn, self.config.batch_size, rng):
            some = drawn.take(rows)
            read = self.histories(some)
            yield Pairs(*map(self.tensor, (*read, self.interactions.sequences.values[some.stops])))

    def histories(self, windows: Windows) -> Sequences:
        """The words of some histories."""
        items = padded(self.interactions.sequences.values, windows.starts, windows.stops, -1)
        return self.sequences(newest_first(items, windows.lengths()))

    def sequences(self, items: Ragged) -> Sequences:
        """The words of sequences of items, the newest first."""
        return sequences(self.texts, items, self.config.max_tokens)

    def forward(self, words: Tensor, types: Tensor, places: Tensor) -> Tensor:
        """States of all words, (B, N, width)."""
        embedded = self.words(words) + self.types(types) + self.places(places)
        embedded = self.dropout(self.norm(embedded + self.tokens.weight[: words.shape[1]]))
        states: Tensor = self.encoder(embedded, words != PADDING)
        return states

    def directions(self, words: Tensor, types: Tensor, places: Tensor) -> Tensor:
        """Unit vectors of sequences, (B, width)."""
        return functional.normalize(self(words, types, places)[:, 0], dim=1)

    def loss(self, batch: Pairs) -> Tensor:
        ends = self.directions(*batch[:3]) / self.config.temperature
        return functional.cross_entropy(ends @ self.vectors[self.targets].T, self._target_of[batch.targets])

    @torch.no_grad()
    def encode_items(self) -> None:
        """Encode all items with the current weights, without dropout."""
        mode = self.training
        self.eval()
        items = Ragged(np.append(np.arange(len(self.texts) + 1), len(self.texts)), np.arange(len(self.texts)))
        self.vectors.copy_(self._encoded(items))
        self.train(mode)

    def _encoded(self, items: Ragged) -> Tensor:
        """Unit vectors of sequences of items, computed in batches of similar length, (n, width)."""
        vectors = self.vectors.new_empty(len(items), self.config.width)
        for rows in of_like_length(Ragged(items.offsets, self.texts.lengths()[items.values]).sums()):
            read = self.sequences(items.take(rows))
            vectors[self.tensor(rows)] = self.directions(*map(self.tensor, read))
        return vectors

    def score(self, examples: Examples) -> Tensor:
        items, lengths = ends_of_histories(examples, self.interactions, self.config.max_length)
        ends = self._encoded(newest_first(items, lengths)) / self.config.temperature
        return ends @ self.vectors[self._source].T


class MaskedPairs(NamedTuple):
    """Histories of B users and their next items as words, and what is predicted of these.

    Attributes:
        history, item: the words with their types and places, (B, N) each.
        shown: (B, N) by history and item, the words with masks and replacements.
        chosen: (B, N) bool by history and item, the predicted words.
        targets: (B,) next items.
    """

    history: tuple[Tensor, ...]
    item: tuple[Tensor, ...]
    shown: tuple[Tensor, Tensor]
    chosen: tuple[Tensor, Tensor]
    targets: Tensor


class Pretraining(Trainable):
    """The network with the head that predicts words, by their embeddings."""

    def __init__(self, network: RecformerNetwork) -> None:
        super().__init__()
        self.network, self.config = network, network.config
        width = self.config.width
        self.transform, self.norm = nn.Linear(width, width), nn.LayerNorm(width, eps=NORM_EPSILON)
        self.bias = nn.Parameter(torch.zeros(network.words.num_embeddings))
        self.transform.apply(init_weights)

    def size(self, batch: MaskedPairs) -> int:
        return len(batch.targets)

    def batches(self, rng: np.random.Generator) -> Iterator[MaskedPairs]:
        network = self.network
        drawn = pairs_of_users(network.interactions, self.config.max_length, rng, second_half=True)
        for rows in batches(drawn, self.config.pretraining_batch_size, rng):
            yield self.pairs(drawn.take(rows), rng)

    def pairs(self, drawn: Windows, rng: np.random.Generator) -> MaskedPairs:
        """Some histories and their next items, with masks."""
        network = self.network
        targets = network.interactions.sequences.values[drawn.stops]
        both = (network.histories(drawn), network.sequences(Ragged.single(targets)))
        masks = [masked(read.words, network.words.num_embeddings, self.config.mask_share, rng) for read in both]
        history, item = (tuple(map(self.tensor, read)) for read in both)
        shown, chosen = ((self.tensor(one), self.tensor(other)) for one, other in zip(*masks, strict=True))
        return MaskedPairs(history, item, shown, chosen, self.tensor(targets))

    def loss(self, batch: MaskedPairs) -> Tensor:
        network = self.network
        ends, items = network.directions(*batch.history), network.directions(*batch.item)
        total = in_batch_loss(ends, items, batch.targets, self.config.temperature)
        for read, shown, chosen in zip((batch.history, batch.item), batch.shown, batch.chosen, strict=True):
            states = network(shown, *read[1:])[chosen]
            total = total + self.config.mask_weight * self.word_loss(states, read[0][chosen])
        return total

    def word_loss(self, states: Tensor, words: Tensor) -> Tensor:
        """Mean cross-entropy of words (n,) predicted from states (n, width); 0 without words."""
        transformed = self.norm(functional.gelu(self.transform(states)))
        logits = functional.linear(transformed, self.network.words.weight, self.bias)
        return functional.cross_entropy(logits, words, reduction="sum") / max(1, len(words))


class Recformer(LearnedRanker[RecformerConfig]):
    """See the module. The catalogue is the whole corpus, so rows are corpus numbers."""

    Config = RecformerConfig
    Artifacts: ClassVar[type[Interactions]] = WordedInteractions
    name = "recformer"
    presets: ClassVar[Mapping[str, Any]] = {"small": RecformerConfig(), "authors": AUTHORS}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-4, 2e-3),
        "dropout": (0.1, 0.3),
        "pretraining_epochs": (0, 8, 24),
        "width": (64, 128),
    }

    def fit(self, data: FitData) -> None:
        super().fit(replace(data, catalogue=np.arange(len(data.items))))

    def gather(self, data: FitData) -> WordedInteractions:
        plain = super().gather(data)
        attributes, trained = self.config.attributes, np.unique(plain.sequences.values)
        vocabulary = ItemVocabulary.of(data.items, attributes, trained, self.config.max_words)
        if not vocabulary.words:
            raise UsageError(
                f"no item of the training part has a word in any of attributes={','.join(attributes)}, and {self.name} "
                "reads nothing else; name other attributes, or run sasrec"
            )
        return WordedInteractions(plain.users, plain.items, plain.sequences, vocabulary)

    def build(self, artifacts: Interactions, items: Items, cache: Path) -> RecformerNetwork:
        assert isinstance(artifacts, WordedInteractions)
        source = np.arange(len(items)) if items.origin is None else np.asarray(items.moved("texts"), dtype=np.int64)
        texts = artifacts.vocabulary.texts(items, self.config.attributes, self.config.attribute_words)
        return RecformerNetwork(artifacts, texts, source, self.config)

    def learn(self, network: Network, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        assert isinstance(network, RecformerNetwork)
        config, trained = self.config, None
        if config.pretraining_epochs:
            trained = pretrain(
                Pretraining(network).to(network.device),
                data,
                self.name,
                epochs=config.pretraining_epochs,
                learning_rate=config.pretraining_rate,
                batch_size=config.pretraining_batch_size,
            )
        folder = data.work / _FIRST_STAGE
        encoding = NetworkTrainer(network, config, data.seed, self.name)
        first = train(encoding, folder, validate=validate, metric=self.metric(data))
        network.load_state_dict(best_weights(folder, next(iter(first.stopping.best))).tensors)
        network.fixed = True
        settings = replace(config, epochs=first.epochs + config.fixed_epochs)
        fixed = NetworkTrainer(network, settings, data.seed, self.name)
        outcome = train(fixed, data.work / TRAINING, validate=validate, metric=self.metric(data), earlier=folder)
        if not first.stopping.is_over:  # whatever the second stage did, the first one was ended by its budget
            outcome = replace(outcome, stopping=replace(outcome.stopping, patience=None))
        return outcome if trained is None else outcome.after(trained)


def pairs_of_users(
    interactions: Interactions, length: int, rng: np.random.Generator, *, second_half: bool = False
) -> Windows:
    """A history of each user with two interactions or more, of at most ``length`` items; its next item is at ``stop``.

    Args:
        second_half: the next item is in the second half of the sequence, its middle included; else anywhere but first.
    """
    offsets, counts = interactions.sequences.offsets, interactions.sequences.lengths()
    users = np.flatnonzero(counts >= 2)
    first = np.maximum(1, (counts[users] - 1) // 2) if second_half else np.ones_like(users)
    stops = offsets[users] + rng.integers(first, counts[users])
    return Windows(users, np.maximum(offsets[users], stops - length), stops)


def masked(words: IntArray, size: int, share: float, rng: np.random.Generator) -> tuple[IntArray, BoolArray]:
    """Words with masks and replacements, and which are to be predicted; both (B, N).

    In each sequence the share is rounded, at least one word. ``[CLS]`` and padding are neither masked nor drawn.

    Args:
        words: (B, N), with special ones.
        size: of the vocabulary.
    """
    plain = words > MASK
    counts = np.maximum(1, np.rint(share * plain.sum(axis=1)))
    order = np.where(plain, rng.random(words.shape), np.inf).argsort(axis=1).argsort(axis=1)
    chosen: BoolArray = plain & (order < counts[:, None])
    fate, other = rng.random(words.shape), rng.integers(MASK + 1, size, size=words.shape)
    changed = np.where(fate < _MASKED, MASK, np.where(fate < _REPLACED, other, words))
    return np.where(chosen, changed, words), chosen
