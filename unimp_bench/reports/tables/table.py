"""A table and a page as values, independent of results and renderers (text, Markdown, HTML, CSV)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from unimp_bench.reports.tables.judges import NOBODY, Judging
from unimp_bench.reports.tables.plots import Plot
from unimp_bench.runs.results import Estimate

Mark = Literal["best", "tied", "ceiling", "empty", ""]
"""The best row by the main metric; one that does not differ significantly from it; an upper bound; a row without
results; any other row."""

DEGENERATE = "≡"
"""Suffix of the label of a row with a warning."""

MIN_MEAN = 20
"""Minimum number of examples for a mean."""


@dataclass(frozen=True)
class Column:
    """A column besides that of labels; ``first`` is the direction of the first sort."""

    name: str
    numeric: bool = True
    first: Literal["ascending", "descending"] = "ascending"
    is_metric: bool = False


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: may be empty.
        value: numeric sort key; None for text.
        interval: 95% interval of the value, if shown.
        strong: whether a difference is significant.
    """

    text: str = ""
    value: float | None = None
    interval: tuple[float, float] | None = None
    strong: bool = False


@dataclass(frozen=True)
class Stage:
    """One of the successive fits of a model."""

    tasks: tuple[str, ...]
    model: str
    version: int
    split: str
    seed: int
    options: dict[str, Any]
    config: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """The provenance of one seed's result.

    Attributes:
        commit: full hash; empty if unknown.
        clean: whether there were no uncommitted changes.
        costs: in words, by name; empty for imported predictions, which cannot be reproduced.
        stopped: why training ended (``converged``, ``budget``); empty without training or record.
        older: what is of an earlier version.
        crowded: whether other processes shared the machine.
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
    stopped: str = ""
    older: tuple[str, ...] = ()
    crowded: bool = False


@dataclass(frozen=True)
class Quoted:
    """A reported row of the same model; ``differs`` is why it is not comparable, empty if it is.

    ``impossible`` rows cannot come from one ranking per example.
    """

    source: str
    system: str
    metrics: dict[str, float]
    differs: str
    impossible: bool = False


@dataclass(frozen=True)
class Ties:
    """The main metric of a row on the stored order and with shuffled time ties, over the common seeds.

    Attributes:
        runs: with shuffled ties, one per seed.
    """

    label: str
    stored: Estimate
    shuffled: Estimate
    runs: tuple[Run, ...]

    @property
    def shift(self) -> float:
        """Change by shuffling."""
        return self.shuffled.value - self.stored.value


@dataclass(frozen=True)
class Details:
    """Details of one row with results.

    Attributes:
        metrics: all available ones, in the order of ``Table.names``.
        missing: reasons of absent metrics.
        warnings: of degenerate answers.
        answers: number and frequency of distinct answers, in words; empty if not recorded.
        quoted: reported rows of the same model.
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
        label: unique within the table.
        name: of the model, or label of the suite's row; a prefix of the label.
        place: rank, or position within a suite; None for unranked rows.
        reads: inputs of the model (``ModelFacts.reads``).
        features: modalities whose vectors it read: ``pictures``, ``text``.
        cells: one per column.
        details: None for an empty row.
        seeded: whether its results depend on the seed.
        flags: keys of ``unimp_bench.reports.rows.standard.FLAGS``.
        steps: optimizer steps of all its fits, averaged over seeds; None without gradient steps.
        trials: of the search that chose its settings.
        reason: why the row is empty.
    """

    label: str
    name: str
    place: int | None
    mark: Mark
    reads: tuple[str, ...]
    cells: tuple[Cell, ...]
    details: Details | None = None
    seeded: bool = False
    flags: tuple[str, ...] = ()
    steps: int | None = None
    trials: int = 0
    reason: str = ""
    features: tuple[str, ...] = ()

    @property
    def seeds(self) -> int:
        """Number of averaged results."""
        return len(self.details.runs) if self.details else 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of its details."""
        return self.details.warnings if self.details else ()

    @property
    def marked(self) -> str:
        """The label, with a mark if there is a warning."""
        return f"{self.label} {DEGENERATE}" if self.warnings else self.label


@dataclass(frozen=True)
class Side:
    """The examples on one side of a cut; ``means`` of the metric, one per row, none over too few examples.

    A row without the metric has None."""

    name: str
    examples: int
    means: tuple[float | None, ...]


@dataclass(frozen=True)
class CutRows:
    """The rows on both sides of a cut; ``name`` and ``about`` are the cut's. A class has no other side."""

    name: str
    about: str
    yes: Side
    no: Side | None

    @property
    def sides(self) -> list[Side]:
        """The one or two sides."""
        return [self.yes] if self.no is None else [self.yes, self.no]

    @property
    def divides(self) -> bool:
        """Whether every side has examples."""
        return all(side.examples for side in self.sides)


@dataclass(frozen=True)
class Slices:
    """Means of ``metric`` for the rows with results, in the order of ``labels``, for each cut."""

    metric: str
    labels: tuple[str, ...]
    cuts: tuple[CutRows, ...]

    @property
    def sides(self) -> list[tuple[Side, str]]:
        """The sides of every cut; the first one with the definition of the cut."""
        return [(side, cut.about if side is cut.yes else "") for cut in self.cuts for side in cut.sides]


@dataclass(frozen=True)
class ColdRow:
    """Means of a metric for one row; None where they are unknown or over too few examples.

    Attributes:
        content: of items that it reads: ``text``, ``pictures``.
        listed: share of cold items among those listed.
        warm, warm_alone: over the warm targets, with and without the cold items among the candidates.
        cold, cold_alone: over the cold targets, with and without the other cold items.
    """

    label: str
    content: tuple[str, ...]
    listed: float | None
    warm: float | None
    warm_alone: float | None
    cold: float | None
    cold_alone: float | None


@dataclass(frozen=True)
class ColdItems:
    """Targets with and without a training interaction, warm and cold ones, in the rows with results.

    Attributes:
        metric: that is averaged.
        items: number of cold items among the candidates.
        catalogue: number of candidates.
        warm, cold: numbers of targets.
        chance: the expected metric where the order of all candidates is random.
    """

    metric: str
    items: int
    catalogue: int
    warm: int
    cold: int
    chance: float
    rows: tuple[ColdRow, ...]


@dataclass(frozen=True)
class Exchange:
    """Two rows of a table whose models read features of different encoders.

    Attributes:
        model: whose encoders are compared.
        modality: ``text``, ``pictures`` or ``both``.
        reads, instead: the encoders of the row and of the other one.
        row, base: their labels.
        difference: of the compared metric; empty where the two are not compared.
        better: whether the row is significantly better (True) or worse (False); None where the test tells no difference
            or a row has few seeds.
    """

    model: str
    modality: str
    reads: str
    instead: str
    row: str
    base: str
    difference: Cell
    p: Cell
    better: bool | None


@dataclass(frozen=True)
class Table:
    """A table of comparable rows.

    Attributes:
        title: unique up to builds of a corpus.
        first: head of the column of labels.
        ranked: whether rows are ordered by ``main``; else by the suite.
        options: of the task, in words; empty for the defaults.
        budget: preset and settings of a suite's rows, in words.
        protocol: empty for tasks without protocols.
        facts: about the corpus and the examples, as Markdown.
        units: number of test examples, or of users with several targets.
        generated: whether the corpus is generated.
        order: warning of a file-order artefact, as Markdown; empty without one.
        main: the metric of the order.
        verdict: the best rows, or why there are none, in words.
        confirmed: labels of the best rows that a global temporal split does not contradict.
        names: of all metrics, in order.
        cold: targets without a training interaction; None without such items and where no result counted them.
        queries: statistics of the queries, in words; empty for tasks without queries.
        one_query: share of the examples with the most frequent query; None if unknown.
        by_time: labels of the best rows under split ``global-time``; None without a result of that split
            of one of the best rows.
        agrees: whether a row is best under both splits; None if either has no best row.
        clock: whether the corpus has clock times; None if unknown.
        lacks: missing untrained baselines of the standard.
        equal_steps: whether the rows of the suites' subject have the same number of optimizer steps.
        exchanges: of a suite that compares encoders, its pairs of rows.
        judging: scores of judges for the texts of its rows.
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
    units: int
    generated: bool
    order: str
    main: str
    verdict: str
    confirmed: tuple[str, ...]
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    slices: Slices | None = None
    cold: ColdItems | None = None
    ties: tuple[Ties, ...] = ()
    queries: str = ""
    one_query: float | None = None
    by_time: tuple[str, ...] | None = None
    agrees: bool | None = None
    clock: bool | None = None
    lacks: tuple[str, ...] = ()
    equal_steps: bool = False
    exchanges: tuple[Exchange, ...] = ()
    judging: Judging = NOBODY

    @property
    def filled(self) -> list[Row]:
        """The rows with results."""
        return [row for row in self.rows if row.details]

    @property
    def best(self) -> list[Row]:
        """The best row and those that do not differ significantly from it; empty if the standard allows none."""
        return [row for row in self.rows if row.mark in ("best", "tied")]

    @property
    def first_row(self) -> Row | None:
        """The row of place 1, whether it may be called best or not."""
        return next((row for row in self.rows if row.place == 1), None)

    @property
    def measured(self) -> list[str]:
        """The metrics that a row has: others, such as those whose weights are not here, have no column in Markdown."""
        known = {name for row in self.filled if row.details for name in row.details.metrics}
        return [name for name in self.names if name in known]

    def cell(self, row: Row, column: str) -> Cell:
        """The cell of a row by the name of its column."""
        return row.cells[[each.name for each in self.columns].index(column)]

    def with_half(self, row: Row) -> str:
        """The main metric of a row and half of its interval; empty where it is missing."""
        estimate = None if row.details is None else row.details.metrics.get(self.main)
        return "" if estimate is None else f"{estimate.value:.4f} ± {(estimate.high - estimate.low) / 2:.4f}"


@dataclass(frozen=True)
class PrintedTable:
    """A table as printed in a paper."""

    source: str
    about: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Page:
    """All tables of one task or suite.

    Attributes:
        name: of the task or suite, and of the page's file.
        origin: the corresponding table of the paper.
        about: the prediction or comparison.
        order: of the rows, as a sentence.
        reading: how to read the tables, as Markdown.
        command: gives a first result.
        findings: what the tables say, in sentences.
        notes: above the tables, as Markdown.
        plot: of the table with index ``plotted``; None without one.
        reported: tables of papers.
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
    findings: tuple[str, ...] = ()
