"""RTM: a transformer reads the user's and the candidate's reviews together (Bi, Ai and Croft, SIGIR 2021).

The network is ``baselines.search.rtm_network``. A user is read by the last reviews of the history, a candidate by its
last reviews in the training part, in training as at test: the review that is foretold is on neither side, while other
users' reviews of a candidate may be later, as they may be later than a test target in any leave-one-out. A candidate
without any is read by a pseudo-review, its text. Every candidate takes a pass of its own, so a pool of items is ranked
for each query (``baselines.search.rtm_pool``), and all others stand alike below it.

Departures from the authors' program: of the user, nothing later than the target is read; cold candidates stay;
negatives come from the pool, among whose items the model has to choose (``hard``); no subsampling of words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from baselines.learning.learned import LearnedModel
from baselines.learning.training import Outcome
from baselines.search.learned import TASK
from baselines.search.rtm_lessons import Lessons
from baselines.search.rtm_network import RTMConfig, RTMNetwork
from baselines.search.rtm_pool import Pools
from baselines.search.rtm_reviews import NOTHING, Reviews, first_words, last_of
from baselines.search.words import Vocabulary, written
from unimp_bench.contracts import FitData, Ranker
from unimp_bench.corpus import Items
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.records import Examples, FloatArray, IntArray

_READ = 1024
"""Examples whose histories are read together, from disk and by the encoder of reviews."""

_PASSES = 2048
"""Candidates that go through the transformer together."""

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


class RTM(LearnedModel[RTMConfig, Reviews, RTMNetwork], Ranker[RTMConfig]):
    """See the module."""

    Config = RTMConfig
    Facts = Reviews
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
        texts = written(train.histories, data.items)
        vocabulary = Vocabulary.of(texts, train.query_texts, self.config.min_count, reviewed=reviewed)
        recall = self._pools_of(train.histories.items, data.items).recall(data.examples[TASK].validation)
        return Reviews.of(train.histories, data.items, vocabulary, self.config.review_words, recall)

    def build(self, facts: Reviews, items: Items, cache: Path) -> RTMNetwork:
        self._items, self._pools = items, self._pools_of(facts.items, items)
        return RTMNetwork(facts, self.config)

    def learn(self, network: RTMNetwork, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        train = data.examples[TASK].train
        network.lessons = Lessons.of(train, data.catalogue, self.facts.vocabulary, self._pools)
        return super().learn(network, data, validate)

    def validated_by(self, data: FitData) -> str:
        return TASK

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        network = self.prepared()
        pools, rows = self._pools.of(examples)
        with torch.no_grad():
            queries = self._queries(network, examples)[network.tensor(rows)]
            parts = [
                self._relevance(network, examples.select(some), queries[some], pools[rows[some]])
                for some in (slice(start, start + _READ) for start in range(0, len(examples), _READ))
            ]
        return _placed(np.concatenate(parts), pools[rows], catalogue)

    def _queries(self, network: RTMNetwork, examples: Examples) -> Tensor:
        """Vectors of the distinct queries, (queries, width)."""
        assert examples.queries is not None
        texts = [examples.query_texts[query] for query in np.unique(examples.queries)]
        return network.query(self.facts.vocabulary.queries(texts))

    def _relevance(self, network: RTMNetwork, examples: Examples, queries: Tensor, items: IntArray) -> FloatArray:
        """Of some items for each example, (examples, items)."""
        rows = last_of(examples.starts(), examples.ends, self.config.user_reviews)
        texts = written(examples.histories, self._items).select(rows[rows >= 0])
        read = network.vectors(first_words(self.facts.vocabulary.documents(texts), self.config.review_words))
        users = np.full(rows.shape, NOTHING)
        users[rows >= 0] = np.arange(len(texts))
        size = max(1, _PASSES // items.shape[1])
        found = [
            network.relevance(
                queries[some], read, users[some], network.item_vectors, network.of_item[items[some]]
            ).cpu()
            for some in (slice(start, start + size) for start in range(0, len(examples), size))
        ]
        return torch.cat(found).numpy()

    def _pools_of(self, bought: IntArray, items: Items) -> Pools:
        return Pools(items, np.bincount(bought, minlength=len(items)), self.config.pool)


def _placed(scores: FloatArray, items: IntArray, catalogue: IntArray) -> FloatArray:
    """Scores of a catalogue, (n, catalogue), from those of some items, (n, P) each; the rest is 1 below the least."""
    placed = np.repeat(scores.min(axis=1, keepdims=True) - 1, len(catalogue), axis=1)
    columns = np.minimum(np.searchsorted(catalogue, items), len(catalogue) - 1)
    rows, taken = np.nonzero(catalogue[columns] == items)
    placed[rows, columns[rows, taken]] = scores[rows, taken]
    return placed
