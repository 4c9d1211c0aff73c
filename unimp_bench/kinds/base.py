"""What a kind of task must say of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from unimp_bench.errors import UsageError

if TYPE_CHECKING:  # tables read the columns of a kind, and load nothing else for it
    import pyarrow as pa

    from unimp_bench.contracts import Model, Task
    from unimp_bench.corpus import Corpus
    from unimp_bench.metrics.resources import Resources
    from unimp_bench.metrics.scores import Scores
    from unimp_bench.records import BoolArray, Examples, Protocol

BLOCK = 1024
"""Examples that a model is given at once, where the kind has no reason for another number."""


@dataclass(frozen=True)
class Column:
    """A metric as tables show it.

    Attributes:
        name: of the metric, without the encoder that some metrics name in brackets after it.
        higher_is_better: else lower is.
        brief: it stands in the main table; others stand in the details.
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
    """Where predictions are made and scored.

    Attributes:
        task: with its options.
        corpus: of the examples.
        protocol: what becomes of seen items in rankings.
        cache: folder of what depends on the corpus alone.
        label: the model's name, for errors and progress bars.
        resources: what metrics of texts and pictures read; None where nothing but a validation score is wanted.
        unknown: (users,) bool, those that the model cannot score: a ranking counts their examples as missed.
    """

    task: Task
    corpus: Corpus
    protocol: Protocol
    cache: Path
    label: str
    resources: Resources | None = None
    unknown: BoolArray | None = None


class Kind(ABC):
    """A kind of task. A prediction is what one model made of a set of examples; each kind has a type of its own.

    Attributes:
        name: as cards and tasks name it.
        columns: its metrics, in the order of tables.
        main: the metric that orders rows, and selects models on validation, under the protocol of the table.
        compared: the metric whose values of each example are tested and cut into slices; the main one, where that has
            such values.
        selection: versions of the rule by which validation selects, by protocol; 1 where none is given.
        reported: the metric of a paper's table that the main table sets beside ours.
        has_protocols: rankings alone ask what becomes of seen items.
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    main: ClassVar[str]
    compared: ClassVar[str]
    selection: ClassVar[Mapping[Protocol, int]] = {}
    reported: ClassVar[str]
    has_protocols: ClassVar[bool] = False

    @abstractmethod
    def predict(self, model: Model[Any], examples: Examples, setting: Setting) -> Any:
        """Let a fitted model answer all examples, hidden from it their answers.

        Raises:
            UsageError: the model is not of this kind.
            ModelError: its answers break the contract.
        """

    @abstractmethod
    def scores(self, prediction: Any, examples: Examples, setting: Setting) -> Scores:
        """All metrics of a prediction, in a setting with resources."""

    def answers(self, prediction: Any, examples: Examples) -> Sequence[Hashable] | None:
        """Each example's answer, (n,), equal where a reader would call two answers the same; None for rankings."""
        return None

    @abstractmethod
    def validation(self, model: Model[Any], examples: Examples, setting: Setting) -> dict[Protocol, float]:
        """The score that models are selected by, the main metric, under each protocol: between 0 and 1, higher better.

        Kinds without protocols have one, ``paper``. That of ``setting`` does not matter here.
        """

    @property
    def validated(self) -> str:
        """What ``validation`` gives, in words."""
        return self.main

    @abstractmethod
    def table(self, prediction: Any, examples: Examples, setting: Setting) -> dict[str, pa.Array | list[Any]]:
        """Columns of the predictions file beside ``id``, by source names."""

    @abstractmethod
    def account(self, examples: int, catalogue: int, protocol: str) -> str:
        """How many examples were scored on what, for the head of a table."""

    def column(self, metric: str) -> Column | None:
        """The column of a metric's full name."""
        return next((column for column in self.columns if column.covers(metric)), None)


def must_be(model: Model[Any], kind: type[Any], label: str, task: str) -> None:
    """Refuse a model that does not predict what a task asks for."""
    if not isinstance(model, kind):
        raise UsageError(f"{label} is no {kind.__name__.lower()}, and {task} needs one")


def evenly(examples: Examples, most: int) -> Examples:
    """At most so many of the examples, evenly spaced."""
    import numpy as np

    chosen = np.linspace(0, len(examples) - 1, min(most, len(examples)))
    return examples.select(chosen.astype(np.int64))


def hidden_blocks(examples: Examples, label: str, doing: str, size: int = BLOCK) -> Iterator[Examples]:
    """The examples without their answers, in blocks, under a progress bar."""
    from unimp_bench.guard import read_only, untouched
    from unimp_bench.progress import progress

    hidden = read_only(examples.hidden())
    with untouched(label, hidden):
        for start in progress(range(0, len(examples), size), f"{label}: {doing}", unit="block"):
            yield hidden.select(slice(start, min(start + size, len(examples))))
