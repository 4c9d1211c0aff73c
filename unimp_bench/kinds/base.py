"""What a kind of task defines: predictions of models and of files, metrics, the score that selects, and tables."""

from __future__ import annotations

import math
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from unimp_bench.contracts import Model, Task
from unimp_bench.errors import UsageError
from unimp_bench.guard import blamed, read_only, untouched
from unimp_bench.progress import progress
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from unimp_bench.corpus import Corpus
    from unimp_bench.kinds.cold import ColdRanks
    from unimp_bench.metrics.resources import Resources
    from unimp_bench.metrics.scores import Scores

E = TypeVar("E", bound=Examples)

BLOCK = 1024
"""Default number of examples per call of a model."""

MAX_LIST = 4096
"""Values in one list of a predictions file."""

Fields = Mapping[str, object]
"""The cells of one row of a predictions file by column; a cell without a value is None or absent."""


@dataclass(frozen=True)
class MetricCard:
    """A metric as the documentation shows it.

    Attributes:
        name: as tables write it, without a cutoff and without the encoder of metrics that have one.
        about: one line.
        equation: in LaTeX.
        definition: ``module:function`` with the full documentation.
        cutoffs: the K at which it is computed.
        pooled: it is computed over all examples together, not as a mean per example, so it has no paired test.
    """

    name: str
    about: str
    equation: str
    definition: str
    cutoffs: tuple[int, ...] = ()
    pooled: bool = False


@dataclass(frozen=True)
class Column:
    """A metric as tables show it.

    Attributes:
        name: of the metric, without the encoder in brackets that some metrics have.
        higher_is_better: false if lower is better.
        brief: it is in the main table; other columns are in the details.
        interval: the main table shows its interval.
    """

    name: str
    higher_is_better: bool = True
    brief: bool = True
    interval: bool = False

    def covers(self, metric: str) -> bool:
        """Whether a metric's full name belongs to this column: ``BERTScore F1 (roberta-large)``."""
        return metric == self.name or metric.startswith(f"{self.name} (")


@dataclass(frozen=True)
class Setting:
    """The context in which predictions are made and scored.

    Attributes:
        task: with its options.
        corpus: of the examples.
        protocol: treatment of seen items in rankings.
        cache: folder of data that depends on the corpus alone.
        label: the model's name, for errors and progress bars.
        resources: read by metrics of texts and pictures; None where only a validation score is computed.
        unknown: (users,) bool, users that the model cannot score; a ranking counts their examples as missed.
    """

    task: Task
    corpus: Corpus
    protocol: Protocol
    cache: Path
    label: str
    resources: Resources | None = None
    unknown: BoolArray | None = None


class AnswerError(ValueError):
    """An invalid answer in a file; the message completes a sentence that names the row."""


class AnswerReader(ABC):
    """Reads the answers to some examples from a file, row by row, in any order: the inverse of ``Kind.table``.

    Attributes:
        columns: columns of the answer.
        ignored: further columns that ``unimp-bench run`` writes.
    """

    columns: ClassVar[tuple[str, ...]]
    ignored: ClassVar[tuple[str, ...]]

    @abstractmethod
    def __init__(self, examples: Any, setting: Setting) -> None: ...

    @abstractmethod
    def take(self, example: int, fields: Fields) -> None:
        """Keep the answer to one example.

        Raises:
            AnswerError: it is invalid.
        """

    @abstractmethod
    def finish(self) -> Any:
        """The prediction, of the kind's type, once every example has its answer.

        Raises:
            AnswerError: the answers do not fit together.
        """


class Kind(ABC):
    """A kind of task.

    Each kind has its own type of predictions (one model's answers to a set of examples), and of ``examples``:
    ``Examples`` or a class derived from it.

    Attributes:
        name: as cards and tasks name it.
        contract: the class that its models derive from.
        method: the method of ``contract`` that predicts.
        doing: its label in progress bars.
        reader: of predictions files.
        metrics: documentation of its metrics.
        columns: its metrics, in the order of tables.
        main: the metric that orders rows, and selects models on validation, under the protocol of the table, where
            ``validated`` names no other.
        compared: the metric for paired tests and slices; the main one, where that has values per example.
        selection: version of the selection rule by protocol; 1 by default.
        reported: the metric of a paper's table that the main table shows next to ours.
        has_protocols: the treatment of seen items matters, as in rankings alone.
        protocol: of the main table.
        personal: predictions differ between users even after a short training.
        trains: its examples require a model trained on the corpus first.
        shown: heading of an example's shown items.
    """

    name: ClassVar[str]
    contract: ClassVar[type[Model[Any]]]
    method: ClassVar[str]
    doing: ClassVar[str]
    reader: ClassVar[type[AnswerReader]]
    metrics: ClassVar[tuple[MetricCard, ...]] = ()
    columns: ClassVar[tuple[Column, ...]]
    main: ClassVar[str]
    compared: ClassVar[str]
    selection: ClassVar[Mapping[Protocol, int]] = {}
    reported: ClassVar[str] = ""
    has_protocols: ClassVar[bool] = False
    protocol: ClassVar[Protocol] = "paper"
    personal: ClassVar[bool] = False
    trains: ClassVar[bool] = False
    shown: ClassVar[str] = "Shown item"

    def complete(self, examples: Any, task: Task, corpus: Corpus, cache: Path) -> Any:
        """The examples that a task drew, with the columns that the kind adds."""
        return examples

    def predict(self, model: Model[Any], examples: Any, setting: Setting) -> Any:
        """The predictions of a fitted model for all examples, with answers hidden.

        Raises:
            UsageError: the model is not of this kind.
            ModelError: its predictions break the contract.
        """
        must_be(model, self.contract, setting.label, setting.task.name)
        hidden = read_only(examples.hidden())
        parts = []
        with untouched(setting.label, hidden):
            for start in progress(range(0, len(examples), BLOCK), f"{setting.label}: {self.doing}", unit="block"):
                block = hidden.select(slice(start, min(start + BLOCK, len(examples))))
                with blamed(model, setting.label, self.method):
                    given = getattr(model, self.method)(block)
                parts.append(self.checked(given, block, setting.label))
        return self.joined(parts)

    def checked(self, given: Any, examples: Any, label: str) -> Any:
        """What a model's ``method`` returned for a block, validated; kinds that override ``predict`` need none.

        Raises:
            ModelError: it has a wrong type, shape or values.
        """
        raise NotImplementedError(f"{type(self).__name__} must define checked, or a predict that does not need it")

    def joined(self, parts: list[Any]) -> Any:
        """The prediction of several blocks of examples."""
        return np.concatenate(parts)

    def each(self, model: Model[Any], examples: Any, catalogue: IntArray) -> list[Any]:
        """A model's answer to each hidden example, (n,): arrays, numbers or texts, None for no answer."""
        return list(getattr(model, self.method)(examples))

    @abstractmethod
    def scores(self, prediction: Any, examples: Any, setting: Setting) -> Scores:
        """All metrics of a prediction, in a setting with resources."""

    def ranks(self, prediction: Any) -> IntArray | None:
        """(n,) target ranks, from which all values can be recomputed; None for kinds without ranks."""
        return None

    def cold(self, prediction: Any, examples: Any, setting: Setting) -> ColdRanks | None:
        """The part of items without a training interaction in a ranking; None where it is not defined."""
        return None

    def targets(self, examples: Any, setting: Setting) -> IntArray | None:
        """(users,) number of consecutive examples of each user, where values are per user; None where per example."""
        return None

    def answers(self, prediction: Any, examples: Any) -> Sequence[Hashable] | None:
        """Each example's answer, (n,), normalised so that equivalent answers are equal; None for rankings."""
        return None

    def is_constant(self, values: Mapping[str, FloatArray]) -> bool:
        """Whether metric values per example prove that all answers are the same."""
        return False

    @abstractmethod
    def validation(self, model: Model[Any], examples: Any, setting: Setting) -> dict[Protocol, float]:
        """The selection score under each protocol, between -1 and 1; higher is better.

        Kinds without protocols have one, ``paper``. The protocol of ``setting`` is ignored.
        """

    @property
    def validated(self) -> str:
        """Name of the score that ``validation`` returns."""
        return self.main

    @abstractmethod
    def table(self, prediction: Any, examples: Any, setting: Setting) -> dict[str, pa.Array | list[Any]]:
        """Columns of the predictions file other than ``id``, with source names."""

    @abstractmethod
    def account(self, examples: int, catalogue: int, protocol: str) -> str:
        """Number of examples and what they were scored on, for the head of a table."""

    def under(self, protocol: Protocol | None) -> Protocol:
        """The protocol that is meant: the main one where none is named, and the only one of kinds without protocols."""
        return protocol if protocol and self.has_protocols else self.protocol

    def column(self, metric: str) -> Column | None:
        """The column of a metric's full name."""
        return next((column for column in self.columns if column.covers(metric)), None)


def must_be(model: Model[Any], contract: type[Any], label: str, task: str) -> None:
    """Refuse a model that does not implement a task's contract."""
    if not isinstance(model, contract):
        raise UsageError(f"{label} cannot serve {task}, which requires a {contract.__name__}")


def evenly(examples: E, most: int) -> E:
    """At most ``most`` of the examples, evenly spaced."""
    return examples.select(spaced(len(examples), most))


def spaced(count: int, most: int) -> IntArray:
    """At most ``most`` of the numbers below ``count``, evenly spaced."""
    return np.linspace(0, count - 1, min(most, count)).astype(np.int64)


_quote = reprlib.Repr()
_quote.maxstring = _quote.maxother = 100


def quoted(value: object) -> str:
    """A value from a file for an error message: short, on one line, without control characters."""
    return _quote.repr(value)


def number(value: object, what: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise AnswerError(f"{what} is {quoted(value)}, not a finite number")
    return float(value)


def whole(value: object, what: str) -> int:
    """An integer, possibly written as ``3.0``."""
    if number(value, what) % 1:
        raise AnswerError(f"{what} is {quoted(value)}, not an integer")
    return int(value)  # type: ignore[call-overload, no-any-return]


def listed(value: object, what: str) -> list[object]:
    """A list of at most ``MAX_LIST`` values of any type."""
    if not isinstance(value, list):
        raise AnswerError(f"{what} is {quoted(value)}, not a list")
    if len(value) > MAX_LIST:
        raise AnswerError(f"{what} has {len(value):,} values, more than {MAX_LIST:,}")
    return value


def named(value: object, what: str) -> list[str]:
    """A list of items by their source names."""
    names = listed(value, what)
    for name in names:
        if not isinstance(name, str):
            raise AnswerError(f"{what} holds {quoted(name)}; items are named by strings")
    return names  # type: ignore[return-value]
