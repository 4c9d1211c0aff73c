"""The ceiling of the built-in sample: the true choice probabilities, from the knowledge its generator keeps.

``docs/sample.md`` writes the choice model down; the arrays lie in the corpus's ``truth`` folder. The restricted
oracles know everything but the users' tastes for pictures, or for themes, or the order of purchases, and put the
expectation over the users (or over the last items) in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from unimp_bench.contracts import FitData, Ranker
from unimp_bench.corpus import Items
from unimp_bench.errors import DataError
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray

PICTURE_TASTES = ("colour", "shape", "pattern")
TEXT_TASTES = ("theme",)
IMPOSSIBLE = -1e4
"""Score of an item that cannot be chosen: finite, and below every log-probability."""


@dataclass(frozen=True)
class OracleConfig:
    """``hide`` names what the oracle must do without."""

    hide: Literal["nothing", "pictures", "text", "order"] = "nothing"


class Oracle(Ranker[OracleConfig]):
    """Scores are log-probabilities of the next item, for search given the query's category."""

    Config = OracleConfig
    presets: ClassVar[Mapping[str, OracleConfig]] = {
        "full": OracleConfig(),
        "no-pictures": OracleConfig(hide="pictures"),
        "no-text": OracleConfig(hide="text"),
        "no-order": OracleConfig(hide="order"),
    }

    def fit(self, data: FitData) -> None:
        self._open(data.items)

    def save(self, folder: Path) -> None:
        """Nothing: the truth lies in the corpus."""

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._open(items)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            logs = np.log(self.probabilities(examples)[:, catalogue])
        scores: FloatArray = np.maximum(logs, IMPOSSIBLE)
        return scores

    def probabilities(self, examples: Examples) -> FloatArray:
        """(examples, items) float64: the chance of every item of the corpus to be next; rows sum to 1."""
        possible = self._possible(examples)
        utilities = np.where(possible, self._taste(examples.users) + self._order(examples), -np.inf)
        weights = np.exp(utilities - utilities.max(axis=1, keepdims=True))
        shares: FloatArray = weights / weights.sum(axis=1, keepdims=True)
        return shares

    def _open(self, items: Items) -> None:
        folder = items.folder / "truth"
        if not folder.is_dir():
            raise DataError(f"{items.folder} has no truth folder: the oracle runs on the sample corpus alone")
        self._truth = {path.stem: np.load(path, allow_pickle=False) for path in sorted(folder.glob("*.npy"))}
        if len(self._truth["item_domain"]) != len(items):
            raise DataError(f"the truth in {folder} is not that of the corpus; build the corpus again")
        self._categories = np.array(items.text("category"), dtype=object)
        hidden = {"pictures": PICTURE_TASTES, "text": TEXT_TASTES}.get(self.config.hide, ())
        for taste in hidden:
            self._truth[f"user_{taste}"] = self._domain_means(f"user_{taste}")

    def _domain_means(self, name: str) -> FloatArray:
        """The rows of a user array, each replaced by the mean over the users of its domain."""
        values, domains = self._truth[name], self._truth["user_domain"]
        means = np.stack([values[domains == code].mean(axis=0) for code in range(domains.max() + 1)])
        replaced: FloatArray = means[domains]
        return replaced

    def _possible(self, examples: Examples) -> BoolArray:
        """(examples, items): of the user's domain, not bought yet, and of the query's category."""
        truth = self._truth
        possible: BoolArray = truth["user_domain"][examples.users][:, None] == truth["item_domain"][None, :]
        for number in range(len(examples)):
            possible[number, examples.history(number)] = False
        if examples.queries is not None:
            # The empty query stands for an unknown category, which says nothing.
            for query in np.unique(examples.queries):
                if examples.query_texts[query]:
                    matches = self._categories == examples.query_texts[query]
                    possible[examples.queries == query] &= matches
        return possible

    def _taste(self, users: IntArray) -> FloatArray:
        """(users, items) popularity and the users' tastes."""
        truth = self._truth
        distance = truth["item_dearness"][None, :] - truth["user_purse"][users][:, None]
        utilities: FloatArray = truth["item_popularity"] - truth["price_weight"] * distance**2
        for taste in (*PICTURE_TASTES, *TEXT_TASTES):
            utilities += truth[f"user_{taste}"][users][:, truth[f"item_{taste}"]]
        return utilities

    def _order(self, examples: Examples) -> FloatArray:
        """(examples, items) what the last items add."""
        truth = self._truth
        shelves = truth["item_shelf"]
        boosts = truth["series_boost"]
        last = examples.last_items(len(boosts))
        if self.config.hide == "order":
            # Over a uniform last item, successors add the same to every item of a domain; that cancels.
            domains = truth["item_domain"]
            frequencies = np.bincount(shelves, 1 / np.bincount(domains)[domains], minlength=len(truth["follow"]))
            order: FloatArray = np.broadcast_to((frequencies @ truth["follow"])[shelves], (len(examples), len(shelves)))
            return order
        order = np.where(last[:, -1:] >= 0, truth["follow"][shelves[last[:, -1]]][:, shelves], 0.0)
        for back, boost in enumerate(boosts, start=1):
            successors = np.where(last[:, -back] >= 0, truth["item_successor"][last[:, -back]], -1)
            rows = np.flatnonzero(successors >= 0)
            order[rows, successors[rows]] += boost
        return order
