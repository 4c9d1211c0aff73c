"""Selections: one choice among the candidates of each example."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from unimp_bench.contracts import ConfigT, Model
from unimp_bench.errors import ModelError
from unimp_bench.kinds.base import AnswerError, AnswerReader, Column, Fields, Kind, MetricCard, Setting, named, quoted
from unimp_bench.metrics.scores import Score
from unimp_bench.metrics.selection import selection_scores
from unimp_bench.ragged import offsets_of
from unimp_bench.records import ANSWER_PER_SHOWN, PER_EXAMPLE, BoolArray, Examples, IntArray, Protocol, Shown

if TYPE_CHECKING:
    from unimp_bench.metrics.scores import Scores


@dataclass(frozen=True)
class SelectionExamples(Examples):
    """Candidates, some of which suit the user.

    Attributes:
        shown: the candidates.
        suits: (shown rows,) bool, true for the items to be chosen; None once hidden.
    """

    has_candidates: ClassVar[bool] = True

    shown: Shown = field(kw_only=True, metadata=PER_EXAMPLE)
    suits: BoolArray = field(kw_only=True, metadata=ANSWER_PER_SHOWN)

    def answer_items(self) -> Shown:
        return Shown(offsets_of(self.suits)[self.shown.offsets], self.shown.items[self.suits])


class Selector(Model[ConfigT]):
    """A model that picks some of the shown items."""

    @abstractmethod
    def choose(self, examples: SelectionExamples) -> BoolArray:
        """(shown rows,) bool, true for the items it picks."""


class SelectionReader(AnswerReader):
    """``chosen`` names some of the example's candidates, each at most as often as it is one; it may be empty."""

    columns = ("chosen",)
    ignored = ("candidates", "truth")

    def __init__(self, examples: SelectionExamples, setting: Setting) -> None:
        self._shown = examples.shown
        self._names = setting.corpus.items.names
        self._chosen = np.zeros(len(examples.shown.items), dtype=np.bool_)

    def take(self, example: int, fields: Fields) -> None:
        rows = range(int(self._shown.offsets[example]), int(self._shown.offsets[example + 1]))
        left = [(self._names[self._shown.items[row]], row) for row in rows]
        for name in named(fields.get("chosen"), "chosen"):
            found = next((pair for pair in left if pair[0] == name), None)
            if found is None:
                raise AnswerError(f"chosen holds {quoted(name)}, which is not among its candidates, or too often")
            left.remove(found)
            self._chosen[found[1]] = True

    def finish(self) -> BoolArray:
        return self._chosen


_DEFINITION = "unimp_bench.metrics.selection:selection_scores"


class SelectionKind(Kind):
    """Predictions are (shown rows,) bool."""

    name = "selection"
    contract = Selector
    method = "choose"
    doing = "selecting"
    reader = SelectionReader
    metrics = (
        MetricCard(
            "F1",
            "of the chosen candidates C and the suitable ones R of an example, averaged over examples",
            r"\frac{1}{n} \sum_{e=1}^{n} \frac{2 |C_e \cap R_e|}{|C_e| + |R_e|}",
            _DEFINITION,
        ),
        MetricCard(
            "Precision",
            "share of the chosen candidates that suit, averaged over examples",
            r"\frac{1}{n} \sum_{e=1}^{n} \frac{|C_e \cap R_e|}{|C_e|}",
            _DEFINITION,
        ),
        MetricCard(
            "Recall",
            "share of the suitable candidates that are chosen, averaged over examples",
            r"\frac{1}{n} \sum_{e=1}^{n} \frac{|C_e \cap R_e|}{|R_e|}",
            _DEFINITION,
        ),
        MetricCard("Chosen", "mean number of chosen candidates", r"\frac{1}{n} \sum_{e=1}^{n} |C_e|", _DEFINITION),
    )
    columns = (
        Column("F1", interval=True),
        Column("Precision", interval=True),
        Column("Recall", interval=True),
        Column("Chosen"),
    )
    main = compared = "F1"
    reported = "F1"
    shown = "Candidates"

    def checked(self, given: Any, examples: SelectionExamples, label: str) -> BoolArray:
        shape = examples.shown.items.shape
        if not isinstance(given, np.ndarray) or given.dtype != np.bool_ or given.shape != shape:
            raise ModelError(f"{label} gave no array of {shape[0]} bools for {shape[0]} candidates")
        return given

    def each(self, model: Model[Any], examples: SelectionExamples, catalogue: IntArray) -> list[Any]:
        return np.split(model.choose(examples), examples.shown.offsets[1:-1])  # type: ignore[attr-defined]

    def scores(self, prediction: BoolArray, examples: SelectionExamples, setting: Setting) -> Scores:
        return selection_scores(prediction, examples.suits, examples.shown.offsets)

    def answers(self, prediction: BoolArray, examples: SelectionExamples) -> list[tuple[bool, ...]]:
        """Which candidates are chosen, by their places; all and none are the same whatever the number of candidates."""
        choices = [tuple(each.tolist()) for each in np.split(prediction, examples.shown.offsets[1:-1])]
        return [choice[:1] if len(set(choice)) == 1 else choice for choice in choices]

    def validation(self, model: Model[Any], examples: SelectionExamples, setting: Setting) -> dict[Protocol, float]:
        """F1, averaged over users."""
        found = self.scores(self.predict(model, examples, setting), examples, setting)["F1"]
        assert isinstance(found, Score)
        return {"paper": found.value}

    def table(self, prediction: BoolArray, examples: SelectionExamples, setting: Setting) -> dict[str, Any]:
        names = np.array(setting.corpus.items.names, dtype=object)[examples.shown.items]
        cuts = examples.shown.offsets[1:-1]
        pairs = zip(np.split(names, cuts), np.split(prediction, cuts), np.split(examples.suits, cuts), strict=True)
        rows = [(names.tolist(), names[chosen].tolist(), names[suits].tolist()) for names, chosen, suits in pairs]
        return {
            "candidates": [row[0] for row in rows],
            "chosen": [row[1] for row in rows],
            "truth": [row[2] for row in rows],
        }

    def account(self, examples: int, catalogue: int, protocol: str) -> str:
        return f"{examples:,} test examples, each with its own candidates"
