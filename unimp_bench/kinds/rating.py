"""Ratings: one number per example, between the ends of the corpus's scale."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from unimp_bench.contracts import ConfigT, Model
from unimp_bench.errors import ModelError
from unimp_bench.kinds.base import AnswerError, AnswerReader, Column, Fields, Kind, MetricCard, Setting, number
from unimp_bench.metrics.rating import SQUARED_ERROR, rating_errors, rating_scores
from unimp_bench.records import ANSWER, PER_EXAMPLE, Examples, FloatArray, IntArray, Protocol, Shown

if TYPE_CHECKING:
    from unimp_bench.metrics.scores import Scores


@dataclass(frozen=True)
class RatingExamples(Examples):
    """Items to be rated.

    Attributes:
        shown: one item per example.
        ratings: (n,) float32 true ratings; None once hidden.
        scale: lowest and highest rating and the step between ratings.
    """

    shown: Shown = field(kw_only=True, metadata=PER_EXAMPLE)
    ratings: FloatArray = field(kw_only=True, metadata=ANSWER)
    scale: tuple[float, float, float] = field(kw_only=True)

    def answer_words(self, names: Callable[[IntArray], list[str]]) -> list[str]:
        return [rating_words(rating) for rating in self.ratings.tolist()]

    def answer_columns(self) -> dict[str, IntArray | FloatArray]:
        return {"target_rating": self.ratings}


class Rater(Model[ConfigT]):
    """A model that predicts ratings."""

    @abstractmethod
    def rate(self, examples: RatingExamples) -> FloatArray:
        """The predicted rating of each shown item, (n,) float on ``examples.scale``, clipped to it; NaN for unparsable
        answers."""


class RatingReader(AnswerReader):
    """``rating`` is a number, or null for an unparsable answer."""

    columns = ("rating",)
    ignored = ("truth",)

    def __init__(self, examples: RatingExamples, setting: Setting) -> None:
        self._ratings = np.full(len(examples), np.nan)

    def take(self, example: int, fields: Fields) -> None:
        if "rating" not in fields:
            raise AnswerError("has no rating; an answer that could not be parsed is null")
        if fields["rating"] is not None:
            self._ratings[example] = number(fields["rating"], "its rating")

    def finish(self) -> FloatArray:
        return self._ratings


_DEFINITION = "unimp_bench.metrics.rating:rating_scores"


class RatingKind(Kind):
    """Predictions are (n,) ratings, NaN for unparsable answers."""

    name = "rating"
    contract = Rater
    method = "rate"
    doing = "rating"
    reader = RatingReader
    metrics = (
        MetricCard(
            "MAE", "mean absolute error, in stars", r"\frac{1}{n} \sum_{e=1}^{n} |\hat{r}_e - r_e|", _DEFINITION
        ),
        MetricCard(
            "RMSE",
            "root of the mean squared error, in stars",
            r"\sqrt{\frac{1}{n} \sum_{e=1}^{n} (\hat{r}_e - r_e)^2}",
            _DEFINITION,
            pooled=True,
        ),
        MetricCard(
            "Unparsable",
            "share of answers without a rating",
            r"\frac{1}{n} \sum_{e=1}^{n} [\hat{r}_e \text{ is none}]",
            _DEFINITION,
        ),
    )
    columns = (
        Column("RMSE", higher_is_better=False, interval=True),
        Column("MAE", higher_is_better=False, interval=True),
        Column("Unparsable", higher_is_better=False),
    )
    main = "RMSE"
    compared = SQUARED_ERROR
    reported = "MAE"
    personal = True

    def checked(self, given: Any, examples: RatingExamples, label: str) -> FloatArray:
        if not isinstance(given, np.ndarray) or given.shape != (len(examples),) or given.dtype.kind != "f":
            raise ModelError(f"{label} gave no array of {len(examples)} floats for {len(examples)} ratings")
        if np.isinf(given).any():
            raise ModelError(f"{label} gave infinite ratings; an unparsable answer is NaN")
        return given.astype(np.float64)

    def each(self, model: Model[Any], examples: RatingExamples, catalogue: IntArray) -> list[Any]:
        return [None if np.isnan(rating) else rating for rating in super().each(model, examples, catalogue)]

    def scores(self, prediction: FloatArray, examples: RatingExamples, setting: Setting) -> Scores:
        return rating_scores(prediction, examples.ratings, examples.scale)

    @property
    def validated(self) -> str:
        return f"1 - {self.main} / range"

    def answers(self, prediction: FloatArray, examples: RatingExamples) -> list[int]:
        """Ratings in hundredths of the scale's step, cut to the scale; unparsable ones are all the same."""
        lowest, highest, step = examples.scale
        hundredths = np.rint((np.clip(prediction, lowest, highest) - lowest) / step * 100)
        numbers: list[int] = np.nan_to_num(hundredths, nan=-1).astype(np.int64).tolist()
        return numbers

    def is_constant(self, values: Mapping[str, FloatArray]) -> bool:
        """By the absolute errors as results store them, on a scale of one to five stars."""
        return "MAE" in values and are_of_one_rating(values["MAE"])

    def validation(self, model: Model[Any], examples: RatingExamples, setting: Setting) -> dict[Protocol, float]:
        """1 less the RMSE as a share of the scale."""
        low, high, _ = examples.scale
        errors = rating_errors(self.predict(model, examples, setting), examples.ratings, examples.scale)
        return {"paper": float(1 - np.sqrt(np.mean(errors**2)) / (high - low))}

    def table(self, prediction: FloatArray, examples: RatingExamples, setting: Setting) -> dict[str, Any]:
        given = [None if np.isnan(rating) else float(rating) for rating in prediction]
        return {"truth": examples.ratings.tolist(), "rating": given}

    def account(self, examples: int, catalogue: int, protocol: str) -> str:
        return f"{examples:,} test ratings"


def rating_words(rating: float) -> str:
    """A rating as an answer writes it: ``4``, ``3.5``, ``0.00001``; in six digits, all that float32 keeps of any."""
    return np.format_float_positional(float(f"{rating:.6g}"), trim="-")


STARS = np.arange(1.0, 6.0)
_TOLERANCE = 0.004
"""Two errors below 4 that are the same differ by less, as float16."""


def are_of_one_rating(errors: FloatArray) -> bool:
    """Whether some absolute errors in stars (n,) are those of one constant rating ``c``: ``|c - star|``, no others.

    A constant that is a whole star, or halfway between two, gives errors that other answers give too, and is not found.
    """
    found = np.unique(errors)
    constants = np.concatenate([STARS - found[0], STARS + found[0]])
    off_step = np.abs(2 * constants - np.rint(2 * constants)) > 2 * _TOLERANCE
    return any(
        bool((np.abs(found[:, None] - np.abs(constant - STARS)).min(axis=1) <= _TOLERANCE).all())
        for constant in constants[off_step & (constants > STARS[0]) & (constants < STARS[-1])]
    )
