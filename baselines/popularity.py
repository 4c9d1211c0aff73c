"""Popularity, overall and within the queried category: the baseline in every ranking table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unimp_bench.contracts import FitData, Parameters, Ranker
from unimp_bench.corpus import Items
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray


@dataclass(frozen=True)
class PopularityConfig:
    """Popularity has no settings."""


class Popularity(Ranker[PopularityConfig]):
    """Scores an item by its number of training interactions, the same for every user and query."""

    Config = PopularityConfig

    def fit(self, data: FitData) -> None:
        self._counts = np.bincount(data.histories.items, minlength=len(data.items)).astype(np.float64)

    def save(self, folder: Path) -> None:
        np.save(folder / "counts.npy", self._counts, allow_pickle=False)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._counts = np.load(folder / "counts.npy", allow_pickle=False)

    def parameters(self) -> Parameters:
        """The counts."""
        return Parameters(total=len(self._counts))

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        return np.broadcast_to(self._counts[catalogue], (len(examples), len(catalogue)))


class QueryMatcher:
    """Finds the items that match a search query: those whose whole category path equals the query."""

    def __init__(self, items: Items) -> None:
        paths, codes = np.unique(np.array(items.text("category"), dtype=object), return_inverse=True)
        self._code_of_path = {str(path): code for code, path in enumerate(paths)}
        self._codes = codes

    def matches(self, examples: Examples, catalogue: IntArray) -> BoolArray:
        """(examples, catalogue) bool, whether the item's category path equals the example's query."""
        assert examples.queries is not None
        codes = np.array([self._code_of_path.get(text, -1) for text in examples.query_texts])
        matches: BoolArray = codes[examples.queries][:, None] == self._codes[catalogue][None, :]
        return matches


class QueryPopularity(Popularity):
    """Popularity among the items of the queried category; all other items rank below them."""

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
