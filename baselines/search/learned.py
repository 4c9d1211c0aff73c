"""Shared parts of trained search systems: words of queries, reviews and items, the query encoder, the objective.

Words are stemmed, without stop words. A query consists of its distinct words, each at the position of its last
occurrence, as in the data sets of Ai et al. (SIGIR 2017).
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, TypeVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedModel
from baselines.learning.network import Network, TrainingSettings
from baselines.learning.training import Outcome
from baselines.learning.vocabulary import Vocabulary, stems
from unimp_bench.contracts import FitData, Ranker
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.progress import progress
from unimp_bench.ragged import Ragged
from unimp_bench.records import Examples, FloatArray, Histories, IntArray, Texts
from unimp_bench.settings import Count

TASK = "search"
ITEM_FIELDS = ("title", "brand", "category", "description")
"""Attributes that form the text of an item."""

NO_REVIEWS = "the corpus has no reviews: the words of an interaction are those of its item's text"

_BLOCK = 16_384


class ItemTexts:
    """The texts of all items, from the ``fields`` that the corpus has; implements ``Texts``."""

    def __init__(self, items: Items, fields: Sequence[str] = ITEM_FIELDS) -> None:
        columns = [items.text(field) for field in fields if field in items.attributes]
        self._texts = [" ".join(values) for values in zip(*columns, strict=True)] if columns else [""] * len(items)

    def take(self, numbers: IntArray) -> list[str]:
        return [self._texts[number] for number in numbers]


def interaction_texts(histories: Histories, items: Items) -> Texts:
    """The review of each interaction, or its item's text on a corpus without reviews."""
    if histories.reviews is not None:
        return histories.reviews
    return Texts(ItemTexts(items), np.asarray(histories.items))


def query_words(text: str) -> list[str]:
    """The distinct words of a query, each at its last occurrence."""
    return list(dict.fromkeys(reversed(stems(text))))[::-1]


@dataclass(frozen=True)
class SearchVocabulary(Vocabulary):
    """The words of training texts and queries, the most frequent first.

    Attributes:
        counts: occurrences of each word in the training texts; 0 for words that occur only in queries.
        reviewed: whether the texts are reviews, rather than texts of items.
    """

    counts: dict[str, Annotated[int, Field(ge=0)]]
    reviewed: bool

    @classmethod
    def of(cls, texts: Texts, queries: Sequence[str], min_count: int, *, reviewed: bool) -> SearchVocabulary:
        """Words that occur ``min_count`` times or more in the training texts, and all words of training queries.

        Raises:
            UsageError: no word of the texts occurs often enough.
        """
        counts: Counter[str] = Counter()
        for text in _read(texts, "counting words"):
            counts.update(stems(text))
        queried = {word for query in queries for word in query_words(query)}
        kept = {word: counts[word] for word in counts.keys() | queried if counts[word] >= min_count or word in queried}
        if not any(kept.values()):
            raise UsageError(f"no word occurs {min_count} times in the training texts; lower min_count")
        return cls(dict(sorted(kept.items(), key=lambda pair: (-pair[1], pair[0]))), reviewed)

    @property
    def spellings(self) -> Collection[str]:
        return self.counts

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks for systems that use reviews."""
        return () if self.reviewed else (NO_REVIEWS,)

    def documents(self, texts: Texts) -> Ragged:
        """The words of texts, read in blocks."""
        return self.encode(map(stems, _read(texts, "reading words")))

    def queries(self, texts: Sequence[str]) -> Ragged:
        """The words of queries; empty for a query without a known word."""
        return self.encode(map(query_words, texts))

    @cached_property
    def noise(self) -> FloatArray:
        """(words,) float64 cumulative probabilities of negative words, by frequency to the power 3/4."""
        weights = np.array(list(self.counts.values()), dtype=np.float64) ** 0.75
        return np.cumsum(weights / weights.sum())


def _read(texts: Texts, label: str) -> Iterator[str]:
    for start in progress(range(0, len(texts), _BLOCK), label, unit="block"):
        yield from texts.select(slice(start, start + _BLOCK)).read()


@dataclass(frozen=True)
class SearchSettings(TrainingSettings):
    """Settings of systems that embed words and items in one space.

    Attributes:
        width: of all vectors.
        negatives: number of negatives per positive, ``k`` of the objective.
        pool: number of negatives per batch, drawn with replacement and shared by all samples.
        min_count: minimum occurrences of a word in the training texts.
    """

    width: Count = 128
    negatives: Count = 5
    pool: Count = 512
    min_count: Count = 5


@dataclass(frozen=True)
class SearchArtifacts:
    """The training interactions and the vocabulary."""

    interactions: Interactions
    vocabulary: SearchVocabulary

    def write(self, folder: Path) -> None:
        self.interactions.write(folder)
        self.vocabulary.write(folder)

    @classmethod
    def read(cls, folder: Path) -> SearchArtifacts:
        return cls(Interactions.read(folder), SearchVocabulary.read(folder))


@dataclass(frozen=True)
class TrainingExamples:
    """The training data of a search system.

    Attributes:
        documents: words of each training interaction.
        queries: words of the Q distinct queries.
        query_of_item: (I,) int64 query for which each item of the catalogue is relevant.
    """

    documents: Ragged
    queries: Ragged
    query_of_item: IntArray


class SearchNetwork(Network):
    """Words, queries and items as vectors of one space.

    A query is ``q = tanh(W mean(words) + b)``; without a known word the mean is zero.

    Attributes:
        words, items: the embedding tables, (V, width) and (I, width).
        project: ``W`` and ``b``.
        examples: set before training.
    """

    def __init__(self, artifacts: SearchArtifacts, config: SearchSettings, dropout: float = 0.0) -> None:
        super().__init__()
        self.interactions, self.vocabulary = artifacts.interactions, artifacts.vocabulary
        self.negatives, self.pool, self.batch_size = config.negatives, config.pool, config.batch_size
        self.words = nn.Embedding(len(artifacts.vocabulary), config.width)
        self.items = nn.Embedding(len(artifacts.interactions.items), config.width)
        self.project = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(dropout)
        self.examples: TrainingExamples | None = None

    def encode(self, queries: Ragged) -> Tensor:
        """The query vectors ``q``, (queries, width)."""
        words, offsets = self.tensor(queries.values.astype(np.int64)), self.tensor(queries.offsets)
        means = functional.embedding_bag(words, self.words.weight, offsets, mode="mean", include_last_offset=True)
        return torch.tanh(self.project(self.dropout(means)))

    def encode_queries(self, examples: Examples) -> Tensor:
        """The query vectors ``q`` of examples, (examples, width); each distinct query is encoded once."""
        texts, rows = examples.distinct_queries()
        return self.encode(self.vocabulary.queries(texts))[self.tensor(rows)]

    def queries_of(self, items: IntArray) -> tuple[Ragged, IntArray]:
        """The distinct queries of the given items of the catalogue, and the row of each item's query."""
        assert self.examples is not None
        distinct, rows = np.unique(self.examples.query_of_item[items], return_inverse=True)
        return self.examples.queries.take(distinct), rows

    def draw_words(self, rng: np.random.Generator) -> IntArray:
        """(pool,) negative words, drawn by ``SearchVocabulary.noise``."""
        cumulated = self.vocabulary.noise
        drawn = np.searchsorted(cumulated, rng.random(self.pool) * cumulated[-1], side="right")
        capped: IntArray = np.minimum(drawn, len(cumulated) - 1)
        return capped

    def draw_items(self, rng: np.random.Generator) -> IntArray:
        """(pool,) negative items, drawn uniformly."""
        return rng.integers(len(self.interactions.items), size=self.pool)


SettingsT = TypeVar("SettingsT", bound=SearchSettings)
NetworkT = TypeVar("NetworkT", bound=SearchNetwork)


class LearnedSearch(LearnedModel[SettingsT, SearchArtifacts, NetworkT], Ranker[SettingsT]):
    """Trains on all training interactions; the query of an interaction is the category path of its item."""

    Artifacts: ClassVar[type[SearchArtifacts]] = SearchArtifacts

    @abstractmethod
    def texts(self, histories: Histories, items: Items) -> Texts:
        """The text of each training interaction."""

    def validated_by(self, data: FitData) -> str:
        return TASK

    def gather(self, data: FitData) -> SearchArtifacts:
        train = data.examples[TASK].train
        interactions = Interactions.of(train, data.catalogue)
        paths = np.array(data.items.text("category"), dtype=object)
        queries = np.unique(paths[np.unique(train.histories.items)]).tolist()
        texts = self.texts(train.histories, data.items)
        reviewed = texts is train.histories.reviews
        return SearchArtifacts(
            interactions, SearchVocabulary.of(texts, queries, self.config.min_count, reviewed=reviewed)
        )

    def learn(self, network: NetworkT, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        histories, vocabulary = data.examples[TASK].train.histories, self.artifacts.vocabulary
        paths = np.array(data.items.text("category"), dtype=object)[self.artifacts.interactions.items]
        distinct, query_of_item = np.unique(paths, return_inverse=True)
        documents = vocabulary.documents(self.texts(histories, data.items))
        network.examples = TrainingExamples(documents, vocabulary.queries(distinct.tolist()), query_of_item)
        return super().learn(network, data, validate)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        network = self.prepared()
        with torch.no_grad():
            scores = network.score(examples).cpu().numpy()
        return self.artifacts.interactions.columns(scores, catalogue)


def sampled_loss(
    states: Tensor, positives: Tensor, negatives: Tensor, count: int, biases: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """``-ln s(x . y + b) - k E_n[ln s(-x . n - b_n)]`` per sample, (B,), with the mean over a pool of negatives.

    Args:
        states: ``x``, (B, width).
        positives: ``y``, (B, width).
        negatives: the pool shared by all samples, (pool, width).
        count: ``k``; with a pool of size ``k`` the second term is the sum over the pool.
        biases: of the positives, (B,), and of the pool, (pool,); None for no biases.
    """
    near, far = (states * positives).sum(dim=1), states @ negatives.T
    if biases is not None:
        near, far = near + biases[0], far + biases[1]
    return functional.softplus(-near) + count * functional.softplus(far).mean(dim=1)
