"""Popularity: the floor under every ranking table, alone and within the category that a query names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baselines.queries import QueryMatcher
from unimp_bench.contracts import FitData, Ranker
from unimp_bench.corpus import Items
from unimp_bench.records import Examples, FloatArray, IntArray


@dataclass(frozen=True)
class PopularityConfig:
    """Popularity has no settings."""


class Popularity(Ranker[PopularityConfig]):
    """Scores an item by its interactions in the training part, the same for every user and query."""

    Config = PopularityConfig

    def fit(self, data: FitData) -> None:
        history = next(iter(data.examples.values())).train.histories
        self._counts = np.bincount(history.items, minlength=len(data.items)).astype(np.float64)

    def save(self, folder: Path) -> None:
        np.save(folder / "counts.npy", self._counts, allow_pickle=False)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._counts = np.load(folder / "counts.npy", allow_pickle=False)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        return np.broadcast_to(self._counts[catalogue], (len(examples), len(catalogue)))


class QueryPopularity(Popularity):
    """Popularity among the items of the queried category; all other items stand below them."""

    def fit(self, data: FitData) -> None:
        super().fit(data)
        self._matcher = QueryMatcher(data.items)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        super().load(folder, items, cache)
        self._matcher = QueryMatcher(items)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        counts = self._counts[catalogue]
        above_all = self._counts.max() + 1
        return np.where(self._matcher.matches(examples, catalogue), counts + above_all, counts)
