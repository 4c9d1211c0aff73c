"""What a task and a model must be, and the cards by which the registry knows them without importing them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from unimp_bench.errors import UsageError

if TYPE_CHECKING:  # lists and --help read the cards of this module, and load nothing for it
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from unimp_bench.corpus import Corpus, Items
    from unimp_bench.kinds.picture import Painter, Sampling, SamplingPainter
    from unimp_bench.kinds.ranking import Ranker
    from unimp_bench.kinds.rating import Rater
    from unimp_bench.kinds.selection import Selector
    from unimp_bench.kinds.text import Writer
    from unimp_bench.records import Examples, Histories, IntArray, Part, Protocol, Split

__all__ = [
    "FitData",
    "KindCard",
    "Model",
    "ModelCard",
    "NoOptions",
    "Painter",
    "Parameters",
    "Ranker",
    "Rater",
    "Sampling",
    "SamplingPainter",
    "Selector",
    "Start",
    "Task",
    "TaskCard",
    "TaskExamples",
    "Writer",
]

NO_VALIDATION = "mark rows of the corpus's files as validation and build it again, or run a model that selects nothing"
"""What to do about a validation part without examples."""

Reads = Literal["popularity", "ratings", "interactions", "order", "text", "pictures", "query", "truth"]


@dataclass(frozen=True)
class KindCard:
    """A kind of task, by the name that cards of tasks give. ``factory`` is ``module:Class``, imported when used."""

    name: str
    factory: str
    about: str


@dataclass(frozen=True)
class TaskCard:
    """A task as lists and errors show it. ``factory`` is ``module:Class``, imported only when used."""

    name: str
    factory: str
    kind: str
    about: str
    table: str


@dataclass(frozen=True)
class ModelCard:
    """A model as lists, checks and tables show it.

    Attributes:
        name: what the user types; a family's members are typed ``name:Variant``.
        factory: ``module:Class``, imported only when used.
        tasks: names of the tasks it serves; it must be of each one's kind (``Ranker``, ``Rater``...).
        reads: what decides its scores.
        about: one line for lists and tables; departures from the paper are named here.
        source: the paper or program it comes from.
        new_users: it scores users that were not in its training data.
        new_items: it scores items that were not in its training data.
        corpora: the only corpora it runs on; empty for any.
        variant: for a family, the configuration field that the part after the colon sets.
        goes_on: it can go on from an earlier fit of its own (``FitData.start``).
        version: goes up whenever the same specification gives other numbers, so that a fit or result of an earlier
            version is never taken for one of this version.
        features: names of the feature extractors that it reads (``unimp_bench.corpus.features.VERSIONS``).
        validated: it chooses its epoch or a setting by ``FitData.validate``.
        seeded: another seed gives other predictions; false for rules, which one run describes fully.
    """

    name: str
    factory: str
    tasks: tuple[str, ...]
    reads: tuple[Reads, ...]
    about: str
    source: str
    new_users: bool
    new_items: bool
    corpora: tuple[str, ...] = ()
    variant: str | None = None
    goes_on: bool = False
    version: int = 1
    features: tuple[str, ...] = ()
    validated: bool = True
    seeded: bool = True


@dataclass(frozen=True)
class NoOptions:
    """The configuration of a task or model that has nothing to configure."""


ConfigT = TypeVar("ConfigT")
ExamplesT = TypeVar("ExamplesT", bound="Examples")


class Task(ABC):
    """One kind of personal need: how its examples are drawn and what its instruction says.

    ``version`` goes up when drawing, rendering or scoring changes, so that results of two versions never mix.

    Attributes:
        instruction: the words; ``{query}`` stands for the query, ``{items}`` for the shown items in words.
        Config: frozen dataclass of options, with a default for every field.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    kind: ClassVar[str]
    splits: ClassVar[tuple[Split, ...]]
    instruction: ClassVar[str]
    Config: ClassVar[type[Any]] = NoOptions

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config

    @abstractmethod
    def examples(self, corpus: Corpus, split: Split, part: Part) -> Examples:
        """All examples of a part, answers included; the same ones at every call.

        Raises:
            UsageError: the corpus has not what the task or split needs.
        """


@dataclass(frozen=True)
class TaskExamples(Generic[ExamplesT]):
    """The examples of one task that a model is fitted on, of its kind's class, with targets.

    Attributes:
        train: the training part.
        held_out: the validation part; empty where the corpus has a public split without one.
    """

    train: ExamplesT
    held_out: ExamplesT

    @property
    def validation(self) -> ExamplesT:
        """The validation part.

        Raises:
            UsageError: it is empty.
        """
        if not len(self.held_out):
            part = f"{self.held_out.task} in split {self.held_out.split}"
            raise UsageError(f"there are no validation examples of {part} to select a setting by; {NO_VALIDATION}")
        return self.held_out


@dataclass(frozen=True)
class Start:
    """A fitted model of the same class and catalogue that a fit goes on from: what protocol ``paper`` chose of it.

    Attributes:
        folder: what ``Model.save`` wrote.
        tasks: names of all tasks that it was fitted on, in whatever stage.
        catalogue: sorted numbers of the items that were answers there.
    """

    folder: Path
    tasks: tuple[str, ...]
    catalogue: IntArray


@dataclass(frozen=True)
class FitData:
    """All that a model is given to learn from. The test targets are nowhere in it but behind ``leak``.

    Its arrays, as those of the examples to predict, are read-only: a model copies one before it changes it.

    Attributes:
        items: attributes and pictures of the whole catalogue.
        catalogue: sorted numbers of the items that may be answers in training and validation.
        examples: by task name, of ``loo`` or ``global-time``, or of ``new-domain`` where a model is adapted to it.
        seed: of every random choice in the fit.
        work: a folder of this fit's own; what is there at the start is from an interrupted fit of the same
            specification, so a model may go on from its checkpoint.
        cache: a folder shared by all fits on this corpus, for what depends on the corpus alone.
        validate: ``validate(model, task)`` scores the model as it stands on the task's validation part, by the metric
            that orders the task's tables: between 0 and 1, higher better, one score a protocol (the protocols are the
            same for all tasks of a fit). A model keeps its best epoch under each of them
            (``unimp_bench.kinds.early_stopping``), and becomes one of these in ``Model.select``.
        start: what the fit goes on from; None for a fit that begins anew.
        leak: gives the whole corpus, held-out interactions included, to show what a leak is worth; every result of
            the fit then says so. None outside of the harness.
        metrics: what ``validate`` measures, by task, in words for progress.
    """

    items: Items
    catalogue: IntArray
    examples: Mapping[str, TaskExamples[Any]]
    seed: int
    work: Path
    cache: Path
    validate: Callable[[Model[Any], str], Mapping[Protocol, float]]
    start: Start | None = None
    leak: Callable[[], Corpus] | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)

    @property
    def histories(self) -> Histories:
        """The training part of all users; it is the same for every task of the fit."""
        part: Examples = next(iter(self.examples.values())).train
        return part.histories

    def metric(self, *tasks: str) -> str:
        """What the validation scores of some tasks, or their mean, measure, in words for progress."""
        names = dict.fromkeys(self.metrics.get(task, "validation") for task in tasks)
        return next(iter(names)) if len(names) == 1 else f"mean of {' and '.join(names)}"


@dataclass(frozen=True)
class Parameters:
    """Numbers of parameters: those that training moved, and all."""

    trained: int = 0
    total: int = 0


@dataclass(frozen=True)
class Training:
    """What a training by gradient steps took, and why it ended.

    Attributes:
        steps: optimizer steps.
        examples: training examples shown, repetitions included: the unit is the model's own (sequences, interactions,
            pairs).
        epochs: passes over the training part.
        stopped: ``converged`` where the patience of early stopping ended it, ``budget`` where its number of epochs or
            steps did.
    """

    steps: int
    examples: int
    epochs: int
    stopped: Literal["converged", "budget"]


class Model(ABC, Generic[ConfigT]):
    """A baseline or UniMP. Write ``fit``, ``save``, ``load`` and what its kind predicts.

    Attributes:
        Config: frozen dataclass with a default for every field.
        presets: named configurations; the first is what runs when the user names none. ``tuned`` is none of them: it
            stands for what ``unimp-bench tune`` chose for a corpus.
        space: what ``unimp-bench tune`` searches, setting -> the values to try beside the model's own.
    """

    Config: ClassVar[type[Any]]
    presets: ClassVar[Mapping[str, Any]] = {}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @abstractmethod
    def fit(self, data: FitData) -> None:
        """Learn from the training part, choose on the validation part."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write all that ``load`` needs into an existing empty folder. No pickle."""

    @abstractmethod
    def load(self, folder: Path, items: Items, cache: Path) -> None:
        """Become the fitted model that ``save`` wrote; predictions are the same to the last bit on one machine."""

    def select(self, protocol: Protocol, data: FitData) -> None:
        """Become what validation chose under ``protocol``; called between ``fit`` and ``save``, for each protocol.

        After ``fit`` alone a model is what was chosen under the first protocol.
        """

    def parameters(self) -> Parameters:
        """Counted after ``fit`` or ``load``."""
        return Parameters()

    def training(self) -> Training | None:
        """Of ``fit``, as the selected protocol saw it; kept by ``save``. None for a model without gradient steps."""
        return None

    def remarks(self) -> tuple[str, ...]:
        """What a reader of the result must know, such as a training that its budget cut short; kept by ``save``."""
        return ()


_OF_KINDS = {
    "Ranker": "ranking",
    "Rater": "rating",
    "Writer": "text",
    "Selector": "selection",
    "Painter": "picture",
    "Sampling": "picture",
    "SamplingPainter": "picture",
}


def __getattr__(name: str) -> Any:
    """The contract of each kind, which is defined with its kind."""
    if name not in _OF_KINDS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"unimp_bench.kinds.{_OF_KINDS[name]}"), name)
