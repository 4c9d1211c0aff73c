"""The oracle: one model of all kinds, each answer computed from the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from baselines.explanation.typical import TASK as EXPLANATION
from baselines.oracle.choices import Choices
from baselines.oracle.opinions import SENTENCES, Opinions
from baselines.oracle.selection import most_likely_sets
from baselines.oracle.truth import PICTURE_TASTES, TEXT_TASTES, read_truth
from baselines.rating_truth import expected_stars, median_stars, star_probabilities
from unimp_bench.contracts import FitData, Painter, Ranker, Rater, Selector, Writer
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray

IMPOSSIBLE = -1e4
"""Score of an item that cannot be chosen: finite, and below every log-probability."""

_BLOCK = 256


@dataclass(frozen=True)
class OracleConfig:
    """What the oracle knows and answers.

    Attributes:
        hide: what it must do without: every user's taste for pictures or themes, or the order of purchases. The
            expectation over the users of the domain, or over the last items, stands in its place.
        rating: what it says of a rating's true distribution: the mean has the least squared error, the median the
            least absolute one.
    """

    hide: Literal["nothing", "pictures", "text", "order"] = "nothing"
    rating: Literal["mean", "median"] = "mean"


class Oracle(
    Ranker[OracleConfig], Rater[OracleConfig], Writer[OracleConfig], Selector[OracleConfig], Painter[OracleConfig]
):
    """Ranks by the chance to be next (for search given the query's category), rates by the true distribution, selects
    the set with the highest expected F1, paints the picture of the likeliest item, and writes what someone of the same
    mind wrote.
    """

    Config = OracleConfig
    presets: ClassVar[Mapping[str, OracleConfig]] = {
        "full": OracleConfig(),
        "no-pictures": OracleConfig(hide="pictures"),
        "no-text": OracleConfig(hide="text"),
        "no-order": OracleConfig(hide="order"),
        "median": OracleConfig(rating="median"),
    }

    def __init__(self, config: OracleConfig) -> None:
        super().__init__(config)
        self._opinions: Opinions | None = None

    def fit(self, data: FitData) -> None:
        self._open(data.items)
        if EXPLANATION in data.examples:
            self._opinions = Opinions.of(self._truth, data.examples[EXPLANATION].train)

    def save(self, folder: Path) -> None:
        """The sentences alone, where it was fitted on any: the truth lies in the corpus."""
        if self._opinions is not None:
            self._opinions.save(folder)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._open(items)
        if (folder / SENTENCES).is_file():
            self._opinions = Opinions.load(folder)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            logs = np.log(self.probabilities(examples)[:, catalogue])
        scores: FloatArray = np.maximum(logs, IMPOSSIBLE)
        return scores

    def rate(self, examples: Examples) -> FloatArray:
        assert examples.shown is not None
        probabilities = star_probabilities(self._truth, examples.users, examples.shown.items)
        return {"mean": expected_stars, "median": median_stars}[self.config.rating](probabilities)

    def write(self, examples: Examples) -> list[str]:
        if self._opinions is None:
            raise UsageError("this oracle was fitted without sentences and has none to give; fit it on explanation")
        return self._opinions.write(self._truth, examples)

    def choose(self, examples: Examples) -> BoolArray:
        sizes = np.bincount(self._truth["item_domain"])[self._truth["user_domain"][examples.users]]
        return most_likely_sets(self._choices, examples, sizes)

    def paint(self, examples: Examples) -> IntArray:
        """The codes of the item with a picture that is likeliest to be meant."""
        assert examples.pictures is not None
        pictured = examples.pictures.rows >= 0
        best = [np.where(pictured, self.probabilities(block), -1.0).argmax(axis=1) for block in examples.blocks(_BLOCK)]
        return examples.pictures.of(np.concatenate(best))

    def probabilities(self, examples: Examples) -> FloatArray:
        """(examples, items) float64: the chance of every item of the corpus to be next; rows sum to 1."""
        return self._choices.of_examples(examples)

    def _open(self, items: Items) -> None:
        hidden = {"pictures": PICTURE_TASTES, "text": TEXT_TASTES}.get(self.config.hide, ())
        self._truth = read_truth(items, hidden)
        self._choices = Choices(self._truth, items.text("category"), order=self.config.hide != "order")
