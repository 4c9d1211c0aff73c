"""Counts of item-to-item transitions, without training, with feature similarity as the tie-breaker.

Follows the finding that such a graph beats many trained sequential models on the usual data sets (arXiv 2605.07125). A
transition from ``i`` to ``j`` that are ``s`` steps apart in a training history has weight ``1 / s``, and ``reverse``
times that from ``j`` to ``i``. The last items of a history vote for their successors, older ones with less weight:

    score(j) = sum_p decay^p W[h_p, j] / indegree(j)^damping        (h_0 is the newest item)

where ``indegree(j)`` is the sum of column ``j`` of ``W``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from baselines.learning.files import read_csr, write_csr
from baselines.popularity import QueryMatcher
from unimp_bench.contracts import FitData, Parameters, Ranker
from unimp_bench.corpus import Items
from unimp_bench.corpus.reader import PATH_SEPARATOR
from unimp_bench.records import Examples, FloatArray, Histories, IntArray
from unimp_bench.settings import Count, Weight

FEATURES = ("category", "brand")

# Transition scores are rounded to this grid; similarities are scaled to fit between two grid points.
_GRID = 1e-8


@dataclass(frozen=True)
class TransitionGraphConfig:
    """Settings of the graph.

    Attributes:
        window: maximum steps between two items of one transition.
        reverse: weight of the reverse direction.
        recent: number of newest items of the history that vote.
        decay: factor on a vote per step back.
        damping: exponent of the in-degree that scores are divided by.
    """

    window: Count = 3
    reverse: Weight = 0.5
    recent: Count = 5
    decay: Annotated[float, Field(gt=0, le=1)] = 0.7
    damping: Weight = 0.3


class TransitionGraph(Ranker[TransitionGraphConfig]):
    """Ranks by transitions from the newest items, then by the cosine between their categories and brands.

    In search, items of the queried category rank first. Items without a transition, such as those of a new domain,
    are ranked by similarity alone.
    """

    Config = TransitionGraphConfig
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "window": (1, 2, 3, 5, 10, 20),
        "reverse": (0.0, 0.5, 1.0),
        "decay": (0.1, 0.3, 0.5, 0.7, 0.9),
        "damping": (0.0, 0.3, 0.5),
    }

    def fit(self, data: FitData) -> None:
        self._graph = self._damped(_transitions(data.histories, len(data.items), self.config))
        self._describe(data.items)

    def save(self, folder: Path) -> None:
        write_csr(self._graph, folder)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._graph = read_csr(folder)
        self._describe(items)

    def parameters(self) -> Parameters:
        """The edges of the graph."""
        return Parameters(total=int(self._graph.nnz))

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        votes = self._votes(examples)
        transitions = votes @ self._graph[:, catalogue]
        transitions.data = np.round(transitions.data / _GRID) * _GRID
        scores: FloatArray = transitions.toarray()
        for feature in self._features:
            feature.add_similarities(votes, catalogue, _GRID / (2 * len(self._features)), scores)
        if examples.queries is not None:
            above_all = self._graph.max() * self.config.recent + 1
            np.add(scores, above_all, out=scores, where=self._matcher.matches(examples, catalogue))
        return scores

    def _describe(self, items: Items) -> None:
        self._features = [_Feature(items.text(name)) for name in FEATURES if name in items.attributes]
        if "category" in items.attributes:
            self._matcher = QueryMatcher(items)

    def _votes(self, examples: Examples) -> sparse.csr_array:
        """Weights of the newest items of each history, (examples, items)."""
        recent = examples.last_items(self.config.recent)
        weights = self.config.decay ** np.arange(self.config.recent - 1, -1, -1.0)
        rows, columns = np.nonzero(recent >= 0)
        shape = (len(examples), self._graph.shape[0])
        return sparse.csr_array((weights[columns], (rows, recent[rows, columns])), shape=shape)

    def _damped(self, graph: sparse.csr_array) -> sparse.csr_array:
        indegrees = np.maximum(graph.sum(axis=0), np.finfo(np.float64).tiny)
        graph.data /= indegrees[graph.indices] ** self.config.damping
        return graph


def _transitions(histories: Histories, items: int, config: TransitionGraphConfig) -> sparse.csr_array:
    """Weighted transitions in both directions, (items, items)."""
    users = np.repeat(np.arange(histories.users), histories.lengths())
    graph = sparse.csr_array((items, items))
    for step in range(1, config.window + 1):
        together = users[step:] == users[:-step]
        before, after = histories.items[:-step][together], histories.items[step:][together]
        graph += sparse.csr_array((np.full(len(before), 1 / step), (before, after)), shape=graph.shape)
    return (graph + config.reverse * graph.T).tocsr()


class _Feature:
    """TF-IDF vectors of one attribute over its labels: one vector per distinct value, shared by its items."""

    def __init__(self, texts: list[str]) -> None:
        values, self._codes = np.unique(np.array(texts, dtype=object), return_inverse=True)
        labels = [[label for label in text.split(PATH_SEPARATOR) if label] for text in values]
        numbers = {label: number for number, label in enumerate(dict.fromkeys(chain.from_iterable(labels)))}
        rows = np.repeat(np.arange(len(values)), [len(path) for path in labels])
        columns = np.array([numbers[label] for path in labels for label in path], dtype=np.int64)
        shape = (len(values), len(numbers))
        counts = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()
        items_with = np.bincount(self._codes, minlength=len(values)) @ (counts > 0)
        counts.data *= np.log(len(texts) / items_with)[counts.indices]
        self._vectors = _unit_rows(counts)

    def add_similarities(self, votes: sparse.csr_array, catalogue: IntArray, weight: float, scores: FloatArray) -> None:
        """Add ``weight`` times the cosine (0 to 1) of each item and the weighted history to ``scores``, in place."""
        taste = _unit_rows(votes @ self._vectors[self._codes])
        cosines = weight * (taste @ self._vectors.T).toarray()
        codes = self._codes[catalogue]
        for row, cosine in zip(scores, cosines, strict=True):
            row += cosine[codes]


def _unit_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    matrix.eliminate_zeros()
    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1))
    matrix.data /= np.repeat(lengths, np.diff(matrix.indptr))
    return matrix
