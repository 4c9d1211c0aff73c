"""What learned search systems share: facts, lessons, queries as vectors, and the terms of the objective."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.interactions import Interactions
from baselines.learning.learned import LearnedModel
from baselines.learning.network import Network
from baselines.learning.settings import TrainingSettings
from baselines.learning.training import Outcome
from baselines.search.words import Documents, Vocabulary
from unimp_bench.contracts import FitData, Ranker
from unimp_bench.corpus import Items
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.records import Examples, FloatArray, Histories, IntArray, Texts
from unimp_bench.settings import Count

TASK = "search"


@dataclass(frozen=True)
class SearchSettings(TrainingSettings):
    """Settings of systems that embed words and items in one space.

    Attributes:
        width: of every vector.
        negatives: how many negatives a positive stands against, ``k`` of the objective.
        pool: negatives that are drawn for a batch, with replacement; all its samples share them.
        min_count: how often a word stands in the training texts to have a vector.
    """

    width: Count = 128
    negatives: Count = 5
    pool: Count = 512
    min_count: Count = 5


@dataclass(frozen=True)
class SearchFacts:
    """The training part and its words."""

    interactions: Interactions
    vocabulary: Vocabulary

    def write(self, folder: Path) -> None:
        """To two files in a folder."""
        self.interactions.write(folder)
        self.vocabulary.write(folder)

    @classmethod
    def read(cls, folder: Path) -> SearchFacts:
        """What ``write`` wrote.

        Raises:
            DataError: a file is missing or damaged.
        """
        return cls(Interactions.read(folder), Vocabulary.read(folder))


@dataclass(frozen=True)
class Lessons:
    """What a search system trains on.

    Attributes:
        documents: the words of each training interaction, (n,).
        queries: the distinct queries, (Q,).
        query_of_item: (I,) int64, the query that each item of the catalogue answers.
    """

    documents: Documents
    queries: Documents
    query_of_item: IntArray


class SearchNetwork(Network):
    """Words, queries and items as vectors of one space.

    A query is ``q = tanh(W mean(words) + b)``; without a known word the mean is zero.

    Attributes:
        words, items: the tables, (V, width) and (I, width).
        project: ``W`` and ``b``.
        lessons: set where the network is to learn.
    """

    def __init__(self, facts: SearchFacts, config: SearchSettings, dropout: float = 0.0) -> None:
        super().__init__()
        self.interactions, self.vocabulary = facts.interactions, facts.vocabulary
        self.negatives, self.pool, self.batch_size = config.negatives, config.pool, config.batch_size
        self.words = nn.Embedding(len(facts.vocabulary), config.width)
        self.items = nn.Embedding(len(facts.interactions.items), config.width)
        self.project = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(dropout)
        self.lessons: Lessons | None = None

    def encoded(self, queries: Documents) -> Tensor:
        """(queries, width) the vectors ``q``."""
        words, offsets = self.tensor(queries.words.astype(np.int64)), self.tensor(queries.offsets)
        means = functional.embedding_bag(words, self.words.weight, offsets, mode="mean", include_last_offset=True)
        return torch.tanh(self.project(self.dropout(means)))

    def asked(self, examples: Examples) -> tuple[Tensor, IntArray]:
        """The vectors of the distinct queries, and the row of each example's there."""
        assert examples.queries is not None
        distinct, rows = np.unique(examples.queries, return_inverse=True)
        return self.encoded(self.vocabulary.queries([examples.query_texts[query] for query in distinct])), rows

    def queries_of(self, items: IntArray) -> tuple[Documents, IntArray]:
        """The distinct queries that some items of the catalogue answer, and the row of each item's there."""
        assert self.lessons is not None
        distinct, rows = np.unique(self.lessons.query_of_item[items], return_inverse=True)
        return self.lessons.queries.take(distinct), rows

    def drawn_words(self, rng: np.random.Generator) -> IntArray:
        """(pool,) words as negatives, by ``Vocabulary.noise``."""
        places = np.searchsorted(self._noise, rng.random(self.pool) * self._noise[-1], side="right")
        drawn: IntArray = np.minimum(places, len(self._noise) - 1)
        return drawn

    def drawn_items(self, rng: np.random.Generator) -> IntArray:
        """(pool,) items as negatives, each as likely as any other."""
        return rng.integers(len(self.interactions.items), size=self.pool)

    @cached_property
    def _noise(self) -> FloatArray:
        """(V,) the probabilities of the words, each added to those before."""
        return np.cumsum(self.vocabulary.noise)


SettingsT = TypeVar("SettingsT", bound=SearchSettings)
NetworkT = TypeVar("NetworkT", bound=SearchNetwork)


class LearnedSearch(LearnedModel[SettingsT, SearchFacts, NetworkT], Ranker[SettingsT]):
    """Learns from all training interactions; the query of each is the category path of its item."""

    Facts: ClassVar[type[SearchFacts]] = SearchFacts

    @abstractmethod
    def texts(self, histories: Histories, items: Items) -> Texts:
        """What is read of each training interaction."""

    def validated_by(self, data: FitData) -> str:
        return TASK

    def gather(self, data: FitData) -> SearchFacts:
        train = data.examples[TASK].train
        interactions = Interactions.of(train, data.catalogue)
        queries = np.array(data.items.text("category"), dtype=object)
        asked = np.unique(queries[np.unique(train.histories.items)]).tolist()
        texts = self.texts(train.histories, data.items)
        reviewed = texts is train.histories.reviews
        return SearchFacts(interactions, Vocabulary.of(texts, asked, self.config.min_count, reviewed=reviewed))

    def learn(self, network: NetworkT, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        histories, vocabulary = data.examples[TASK].train.histories, self.facts.vocabulary
        paths = np.array(data.items.text("category"), dtype=object)[self.facts.interactions.items]
        distinct, query_of_item = np.unique(paths, return_inverse=True)
        documents = vocabulary.documents(self.texts(histories, data.items))
        network.lessons = Lessons(documents, vocabulary.queries(distinct.tolist()), query_of_item)
        return super().learn(network, data, validate)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        network = self.prepared()
        with torch.no_grad():
            scores = network.score(examples).cpu().numpy()
        if np.array_equal(catalogue, self.facts.interactions.items):
            return scores
        return scores[:, self.facts.interactions.item_rows(catalogue)]


def sampled_loss(
    states: Tensor, positives: Tensor, negatives: Tensor, count: int, biases: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """``-ln s(x . y + b) - k E_n[ln s(-x . n - b_n)]`` of each sample, (B,): the mean is over a pool of negatives.

    Args:
        states: ``x``, (B, width).
        positives: ``y``, (B, width).
        negatives: the pool that all samples share, (pool, width).
        count: ``k``; a pool of ``k`` gives the sum over ``k`` negatives.
        biases: of the positives, (B,), and of the pool, (pool,); None for none.
    """
    near, far = (states * positives).sum(dim=1), states @ negatives.T
    if biases is not None:
        near, far = near + biases[0], far + biases[1]
    return functional.softplus(-near) + count * functional.softplus(far).mean(dim=1)
