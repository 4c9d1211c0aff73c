"""In how many days does a user come back? A kind of task, its task and a model, in one file of a package of its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unimp_bench.contracts import ConfigT, FitData, KindCard, Model, ModelCard, Task, TaskCard
from unimp_bench.corpus import Corpus, Items
from unimp_bench.corpus.splits import target_examples
from unimp_bench.errors import ModelError
from unimp_bench.files import damaged
from unimp_bench.kinds.base import AnswerError, AnswerReader, Column, Fields, Kind, MetricCard, Setting, number
from unimp_bench.metrics.scores import Scores, mean_score
from unimp_bench.records import ANSWER, SPLITS, Examples, FloatArray, IntArray, Part, Protocol, Split

SECONDS = 86_400.0


@dataclass(frozen=True)
class DaysExamples(Examples):
    """Users who come back.

    Attributes:
        days: (n,) float64 from the last interaction of the history to the next; None once hidden.
    """

    days: FloatArray = field(kw_only=True, metadata=ANSWER)

    def answer_words(self, names: Callable[[IntArray], list[str]]) -> list[str]:
        return [f"{days:g}" for days in self.days.tolist()]


class Forecaster(Model[ConfigT]):
    """A model that predicts a number of days."""

    @abstractmethod
    def forecast(self, examples: DaysExamples) -> FloatArray:
        """(n,) float64 days, finite and at least 0."""


class DaysReader(AnswerReader):
    """``days`` is a number."""

    columns = ("days",)
    ignored = ("truth",)

    def __init__(self, examples: DaysExamples, setting: Setting) -> None:
        self._days = np.zeros(len(examples))

    def take(self, example: int, fields: Fields) -> None:
        days = number(fields.get("days"), "its number of days")
        if days < 0:
            raise AnswerError(f"has {days:g} days, which is less than 0")
        self._days[example] = days

    def finish(self) -> FloatArray:
        return self._days


def days_off(predicted: FloatArray, true: FloatArray) -> FloatArray:
    """(n,) absolute errors in days."""
    return np.abs(predicted - true)


class DaysKind(Kind):
    """Predictions are (n,) days."""

    name = "days"
    contract = Forecaster
    method = "forecast"
    doing = "forecasting"
    reader = DaysReader
    metrics = (
        MetricCard(
            "Days off",
            "mean absolute error, in days",
            r"\frac{1}{n} \sum_{e=1}^{n} |\hat{d}_e - d_e|",
            "return_time:days_off",
        ),
    )
    columns = (Column("Days off", higher_is_better=False, interval=True),)
    main = compared = "Days off"

    def checked(self, given: Any, examples: DaysExamples, label: str) -> FloatArray:
        if not isinstance(given, np.ndarray) or given.shape != (len(examples),) or given.dtype != np.float64:
            raise ModelError(f"{label} gave no array of {len(examples)} float64 numbers of days")
        if not (np.isfinite(given) & (given >= 0)).all():
            raise ModelError(f"{label} gave numbers of days that are infinite, NaN or less than 0")
        return given

    def scores(self, prediction: FloatArray, examples: DaysExamples, setting: Setting) -> Scores:
        return {"Days off": mean_score(days_off(prediction, examples.days))}

    def answers(self, prediction: FloatArray, examples: DaysExamples) -> list[float]:
        """The days, to a tenth."""
        rounded: list[float] = prediction.round(1).tolist()
        return rounded

    def validation(self, model: Model[Any], examples: DaysExamples, setting: Setting) -> dict[Protocol, float]:
        """1 / (1 + the mean error)."""
        return {"paper": float(1 / (1 + days_off(self.predict(model, examples, setting), examples.days).mean()))}

    def table(self, prediction: FloatArray, examples: DaysExamples, setting: Setting) -> dict[str, Any]:
        return {"truth": examples.days.tolist(), "days": prediction.tolist()}

    def account(self, examples: int, catalogue: int, protocol: str) -> str:
        return f"{examples:,} test users"


KIND = KindCard(name="days", factory="return_time:DaysKind", about="a number of days")


class ReturnTime(Task):
    """The answer is the time from the last known interaction to the next one."""

    name = "return_time"
    version = 1
    kind = "days"
    splits = SPLITS
    instruction = "In how many days will the user buy something again?"

    def examples(self, corpus: Corpus, split: Split, part: Part) -> DaysExamples:
        examples = target_examples(corpus, split, part, self.name)
        rows, times = np.asarray(examples.rows), corpus.histories.times
        return DaysExamples.of(examples, days=(times[rows] - times[rows - 1]) / SECONDS)


TASK = TaskCard(
    name="return_time",
    factory="return_time:ReturnTime",
    kind="days",
    about="the days until a user buys something again",
    table="none",
)


@dataclass(frozen=True)
class UsualGapConfig:
    """How the usual gap is found.

    Attributes:
        quantile: of the gaps of training.
    """

    quantile: float = 0.5


class UsualGap(Forecaster[UsualGapConfig]):
    """A quantile of all gaps of training."""

    Config = UsualGapConfig

    def fit(self, data: FitData) -> None:
        train = data.examples["return_time"].train
        assert isinstance(train, DaysExamples)
        self._days = float(np.quantile(train.days, self.config.quantile))

    def forecast(self, examples: DaysExamples) -> FloatArray:
        return np.full(len(examples), self._days)

    def save(self, folder: Path) -> None:
        (folder / "days").write_text(str(self._days), encoding="utf-8")

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        try:
            self._days = float((folder / "days").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise damaged(folder, error) from None


MODEL = ModelCard(
    name="usual-gap",
    factory="return_time:UsualGap",
    tasks=("return_time",),
    reads=("interactions",),
    about="a quantile of all gaps of training",
    source="folklore",
    new_users=True,
    new_items=True,
    validated=False,
    seeded=False,
)
