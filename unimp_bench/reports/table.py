"""A table and a page as values: everything that text, Markdown, HTML and CSV show, and nothing of its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from unimp_bench.reports.plots import Plot
from unimp_bench.runs.results import Estimate

Mark = Literal["best", "ceiling", "empty", ""]
"""What a row is: the best by the main metric; an upper bound; one without a result."""

DEGENERATE = "≡"
"""Stands behind the label of a row with a warning."""

MIN_EXAMPLES = 20
"""A mean over fewer examples says nothing."""


@dataclass(frozen=True)
class Column:
    """A column beside the one of the labels; ``first`` is the order that a reader wants first."""

    name: str
    numeric: bool = True
    first: Literal["ascending", "descending"] = "ascending"
    is_metric: bool = False


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: empty where there is nothing to say.
        value: what it is sorted by where that is a number.
        interval: 95% interval of the value, where the table shows it.
        strong: a significant difference.
    """

    text: str = ""
    value: float | None = None
    interval: tuple[float, float] | None = None
    strong: bool = False


@dataclass(frozen=True)
class Stage:
    """One of the fits that led to a model."""

    tasks: tuple[str, ...]
    model: str
    split: str
    seed: int
    options: dict[str, Any]
    config: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """Where the number of one seed comes from.

    Attributes:
        commit: whole; empty where it is unknown.
        clean: whether the code had no changes beside it.
        costs: in words, by name; empty for predictions from outside, which cannot run again.
    """

    key: str
    seed: int
    command: str
    commit: str
    clean: bool
    machine: str
    time: str
    versions: dict[str, str]
    stages: tuple[Stage, ...]
    remarks: tuple[str, ...]
    costs: dict[str, str]


@dataclass(frozen=True)
class Quoted:
    """What a paper prints for a row's model; ``differs`` says why it does not compare, empty where it does."""

    source: str
    system: str
    metrics: dict[str, float]
    differs: str


@dataclass(frozen=True)
class Ties:
    """The main metric of a row as stored and with shuffled time ties, over the seeds that ran both ways.

    Attributes:
        runs: with shuffled ties, one per seed.
    """

    label: str
    stored: Estimate
    shuffled: Estimate
    runs: tuple[Run, ...]

    @property
    def shift(self) -> float:
        """What shuffling adds."""
        return self.shuffled.value - self.stored.value


@dataclass(frozen=True)
class Details:
    """All about one row with results.

    Attributes:
        reads: what decides the model's scores (``ModelFacts.reads``).
        metrics: every one that it has, in the order of ``Table.names``.
        missing: why others are absent.
        warnings: that its answers are degenerate, and how.
        answers: how far they differ, in words; empty where that was not counted.
        runs: one per seed.
    """

    about: str
    source: str
    metrics: dict[str, Estimate]
    missing: dict[str, str]
    warnings: tuple[str, ...]
    answers: dict[str, str]
    quoted: tuple[Quoted, ...]
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        label: the name and what distinguishes the row; unique within the table.
        name: of the model, or the label of the suite's row; the label begins with it.
        place: its number: the rank, or the order within a suite; None for what has no rank.
        reads: what decides the model's scores (``ModelFacts.reads``).
        cells: one per column.
        details: None for an empty row.
        reason: why it is empty.
    """

    label: str
    name: str
    place: int | None
    mark: Mark
    reads: tuple[str, ...]
    cells: tuple[Cell, ...]
    details: Details | None = None
    reason: str = ""

    @property
    def seeds(self) -> int:
        """How many results it averages."""
        return len(self.details.runs) if self.details else 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of its details."""
        return self.details.warnings if self.details else ()

    @property
    def marked(self) -> str:
        """The label, with a mark where there is a warning."""
        return f"{self.label} {DEGENERATE}" if self.warnings else self.label


@dataclass(frozen=True)
class Side:
    """The examples on one side of a cut; ``means`` of the metric, one per row, none over too few examples."""

    name: str
    examples: int
    means: tuple[float, ...]


@dataclass(frozen=True)
class CutRows:
    """The rows on both sides of a cut; ``name`` and ``about`` are the cut's."""

    name: str
    about: str
    yes: Side
    no: Side

    @property
    def divides(self) -> bool:
        """Whether there are examples on both sides."""
        return bool(self.yes.examples and self.no.examples)


@dataclass(frozen=True)
class Slices:
    """The rows with results, of ``labels``, cut by cut; ``metric`` is what is averaged."""

    metric: str
    labels: tuple[str, ...]
    cuts: tuple[CutRows, ...]

    @property
    def sides(self) -> list[tuple[Side, str]]:
        """Both sides of every cut, each first one with what the cut asks."""
        return [(side, cut.about if side is cut.yes else "") for cut in self.cuts for side in (cut.yes, cut.no)]


@dataclass(frozen=True)
class Table:
    """The rows that compare with one another.

    Attributes:
        title: unique but for corpora of one name and different fingerprints.
        first: head of the column of labels.
        ranked: whether rows are ordered by ``main``; else they have the order of a suite.
        options: of the task, in words; empty for its own.
        budget: preset and settings of a suite's rows, in words.
        protocol: empty for tasks that have none.
        facts: on the corpus and the examples, as Markdown.
        generated: whether the corpus is.
        order: that the order of interactions is that of a file, and what follows, as Markdown; empty where it is not.
        main: the metric that decides the order.
        names: of all metrics in their order.
    """

    title: str
    first: str
    ranked: bool
    task: str
    corpus: str
    fingerprint: str
    split: str
    protocol: str
    options: str
    budget: str
    facts: str
    generated: bool
    order: str
    main: str
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    slices: Slices | None = None
    ties: tuple[Ties, ...] = ()

    @property
    def filled(self) -> list[Row]:
        """The rows with results."""
        return [row for row in self.rows if row.details]

    @property
    def best(self) -> Row | None:
        """The best row by the main metric; None where there are upper bounds alone."""
        return next((row for row in self.rows if row.mark == "best"), None)

    def cell(self, row: Row, column: str) -> Cell:
        """One cell, by the name of its column."""
        return row.cells[[each.name for each in self.columns].index(column)]


@dataclass(frozen=True)
class PrintedTable:
    """A table as a paper prints it."""

    source: str
    about: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Page:
    """All tables of one task or suite.

    Attributes:
        name: of the task or suite, and of the page's file.
        origin: the table of a paper that it follows.
        about: what is asked or compared.
        order: of the rows, in a sentence.
        reading: how to read its tables, as Markdown.
        command: what gives a first result.
        notes: what else to say above the tables, as Markdown.
        plot: of the table of number ``plotted``; None where no table has one.
        reported: what papers print.
    """

    name: str
    title: str
    origin: str
    about: str
    order: str
    reading: str
    command: str
    notes: tuple[str, ...]
    tables: tuple[Table, ...]
    reported: tuple[PrintedTable, ...]
    plot: Plot | None = None
    plotted: int = 0
