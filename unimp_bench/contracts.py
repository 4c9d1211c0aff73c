"""Contracts of tasks and models, and the cards by which the registry knows them without importing them."""

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
    "Usage",
    "Writer",
]

NO_VALIDATION = "mark rows of the corpus's files as validation and build it again, or run a model that selects nothing"
"""Remedy for a validation part without examples."""

Reads = Literal["popularity", "ratings", "interactions", "order", "text", "pictures", "query", "truth"]


@dataclass(frozen=True)
class KindCard:
    """A kind of task, by the name that cards of tasks give. ``factory`` is ``module:Class``, imported when used."""

    name: str
    factory: str
    about: str


@dataclass(frozen=True)
class TaskCard:
    """A task as lists and errors show it.

    Attributes:
        name: what the user types.
        factory: ``module:Class``, imported only when used.
        kind: name of its kind.
        about: one line for lists.
        table: of the paper.
        reads: what its examples are drawn from beside the interactions, such as the text that is the query or answer;
            fits depend on it.
    """

    name: str
    factory: str
    kind: str
    about: str
    table: str
    reads: tuple[Reads, ...] = ("text", "pictures")


@dataclass(frozen=True)
class ModelCard:
    """A model as lists, checks and tables show it.

    Attributes:
        name: what the user types; a family's members are typed ``name:Variant``.
        factory: ``module:Class``, imported only when used.
        tasks: names of the tasks it serves; it must be of each one's kind (``Ranker``, ``Rater``...).
        reads: what decides its scores.
        about: one line for lists and tables, departures from the paper included.
        source: the paper or program it comes from.
        new_users: it scores users without training data.
        new_items: it scores items without training data.
        corpora: the only corpora it runs on; empty for any.
        variant: for a family, the configuration field that the part after the colon sets.
        goes_on: it can be initialised from an earlier fit of the same class (``FitData.start``).
        version: increased whenever the same specification gives other numbers, so that fits and results of different
            versions never mix.
        features: names of the feature extractors that it reads (``unimp_bench.corpus.features.VERSIONS``).
        either: it reads features of texts only where there are no pictures.
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
    either: bool = False
    validated: bool = True
    seeded: bool = True


@dataclass(frozen=True)
class NoOptions:
    """The configuration of a task or model that has nothing to configure."""


ConfigT = TypeVar("ConfigT")
ExamplesT = TypeVar("ExamplesT", bound="Examples")


class Task(ABC):
    """One kind of personal need: how its examples are drawn and what its instruction says.

    ``version`` is increased when drawing, rendering or scoring changes, so that results of two versions never mix.

    Attributes:
        instruction: a template with the fields ``{query}`` and ``{items}``, the shown items as text.
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
            UsageError: the corpus lacks what the task or split requires.
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
    """A fitted model of the same class and catalogue that initialises a fit: its state selected by protocol ``paper``.

    Attributes:
        folder: written by ``Model.save``.
        tasks: names of all tasks that it was fitted on, in any stage.
        catalogue: sorted numbers of its candidate items.
    """

    folder: Path
    tasks: tuple[str, ...]
    catalogue: IntArray


@dataclass(frozen=True)
class FitData:
    """Everything that a model learns from. Test targets are reachable through ``leak`` only.

    All arrays are read-only, those of examples to predict as well: copy one before changing it.

    Attributes:
        items: attributes and pictures of the whole catalogue.
        catalogue: sorted numbers of the candidate items of training and validation.
        examples: by task name, of ``loo`` or ``global-time``, or of ``new-domain`` where a model is adapted to it.
        seed: of every random choice in the fit.
        work: private folder of this fit; files found there at the start come from an interrupted fit of the same
            specification, so a model may resume from its checkpoint.
        cache: folder shared by all fits on this corpus, for data that depends on the corpus alone.
        validate: ``validate(model, task)`` scores the current model on the task's validation part, by the metric that
            orders the task's tables: between 0 and 1, higher is better, one score per protocol (the protocols are the
            same for all tasks of a fit). A model keeps its best epoch under each protocol
            (``unimp_bench.kinds.early_stopping``), and restores one of them in ``Model.select``.
        start: the fit that initialises this one; None for a fit from scratch.
        leak: returns the whole corpus, held-out interactions included, to measure the effect of a leak; recorded in
            every result of the fit. None outside of the harness.
        metrics: name of the metric of ``validate``, by task, for progress.
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
        """Name of the validation metric of some tasks, or of their mean, for progress."""
        names = dict.fromkeys(self.metrics.get(task, "validation") for task in tasks)
        return next(iter(names)) if len(names) == 1 else f"mean of {' and '.join(names)}"


@dataclass(frozen=True)
class Parameters:
    """Numbers of parameters: trained ones, and all."""

    trained: int = 0
    total: int = 0


@dataclass(frozen=True)
class Training:
    """What a training by gradient steps took, and why it ended.

    Attributes:
        steps: optimizer steps of all stages, pre-training included.
        examples: training examples shown in all stages, repetitions included: the unit is the model's own (sequences,
            interactions, pairs).
        epochs: passes over the training part in the last stage, which validation may end.
        stopped: ``converged`` where the patience of early stopping ended it, ``budget`` where its number of epochs or
            steps did.
    """

    steps: int
    examples: int
    epochs: int
    stopped: Literal["converged", "budget"]


@dataclass(frozen=True)
class Usage:
    """What a language model was asked for, answers that were kept from earlier included.

    Attributes:
        requests: number of different ones.
        prompt_tokens: that it read, those that several texts of a request share once.
        generated_tokens: that it wrote; 0 where likelihoods alone were asked for.
    """

    requests: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.generated_tokens + other.generated_tokens,
        )


class Model(ABC, Generic[ConfigT]):
    """A baseline or UniMP. Write ``fit``, ``save``, ``load`` and what its kind predicts.

    Attributes:
        Config: frozen dataclass with a default for every field.
        presets: named configurations; the first is the default. ``tuned`` is not among them: it is the configuration
            that ``unimp-bench tune`` chose for a corpus.
        space: search space of ``unimp-bench tune``, setting -> values to try in addition to the default.
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
        """Write everything that ``load`` needs into an existing empty folder. No pickle."""

    @abstractmethod
    def load(self, folder: Path, items: Items, cache: Path) -> None:
        """Restore what ``save`` wrote; predictions are bit-identical on one machine."""

    def select(self, protocol: Protocol, data: FitData) -> None:
        """Restore the state that validation chose under ``protocol``; called between ``fit`` and ``save`` per protocol.

        After ``fit`` alone a model has the state chosen under the first protocol.
        """

    def parameters(self) -> Parameters:
        """Counted after ``fit`` or ``load``."""
        return Parameters()

    def training(self) -> Training | None:
        """Of ``fit``, as the selected protocol saw it; kept by ``save``. None for a model without gradient steps."""
        return None

    def usage(self) -> Usage | None:
        """Of the predictions since ``fit`` or ``load``; None for a model that asks no language model."""
        return None

    def remarks(self) -> tuple[str, ...]:
        """Notes for readers of the result, such as a training stopped by its budget; kept by ``save``."""
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
