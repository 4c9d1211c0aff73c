"""What the page shows, before it is HTML: plain text and numbers, nothing escaped, nothing of their source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Mark = Literal["best", "ceiling", "empty", ""]
"""What a row is: the best by the main metric; a ceiling, which knows the truth; one without a result."""


@dataclass(frozen=True)
class Whisker:
    """A value and its interval, in per cent of the width that the column's intervals span."""

    low: float
    value: float
    high: float


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: as it is read; empty where there is nothing to say.
        key: what it is sorted by where that is not its text; empty for cells that come last.
        aside: the interval in words, for who cannot see the whisker.
        strong: a difference that is significant.
    """

    text: str = ""
    key: str = ""
    aside: str = ""
    whisker: Whisker | None = None
    strong: bool = False


@dataclass(frozen=True)
class Head:
    """A column's head; ``first`` is the order that a reader wants first."""

    name: str
    numeric: bool = True
    first: Literal["ascending", "descending"] = "ascending"


@dataclass(frozen=True)
class Line:
    """One row of a table.

    Attributes:
        name, words: the model or the suite's row; what it was changed to, or how many seeds it has.
        label: both, by which it is found.
        reads: what decides the model's scores (``ModelFacts.reads``).
        detail: number of its details within ``Page.details``; None for an empty row.
        reason: why it is empty.
        cells: one a head, without the first.
    """

    name: str
    words: str
    label: str
    mark: Mark
    reads: tuple[str, ...]
    detail: int | None
    cells: tuple[Cell, ...]
    reason: str = ""


@dataclass(frozen=True)
class Drawing:
    """A plot: its title, its SVG as the source of an image, and what it shows, in words."""

    title: str
    source: str
    finding: str


@dataclass(frozen=True)
class Table:
    """The rows that compare with one another.

    Attributes:
        anchor: unique within the page.
        facts: on the corpus and the examples.
        warning: that the corpus is generated; empty for a real one.
        audit: anchor of the corpus's audit; empty where it has none.
        order: that the order of the corpus is that of a file, and what follows; empty where it is not.
        protocol: empty for tasks that have none.
    """

    anchor: str
    title: str
    task: str
    corpus: str
    split: str
    protocol: str
    facts: str
    warning: str
    heads: tuple[Head, ...]
    lines: tuple[Line, ...]
    drawing: Drawing | None = None
    audit: str = ""
    order: str = ""


@dataclass(frozen=True)
class Printed:
    """A table as a paper prints it."""

    source: str
    about: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Board:
    """All tables of one task or topic; ``command`` is what gives a first result."""

    anchor: str
    title: str
    origin: str
    about: str
    order: str
    command: str
    tables: tuple[Table, ...]
    printed: tuple[Printed, ...]


@dataclass(frozen=True)
class Summary:
    """The best row of a table of a task."""

    board: str
    table: Table
    best: Line
    metric: str
    value: Cell
    models: int


@dataclass(frozen=True)
class Picture:
    """A picture within the page; ``uri`` is a data URI."""

    label: str
    uri: str


@dataclass(frozen=True)
class Panel:
    """What one user had, and what a model answered."""

    user: str
    history: tuple[Picture, ...]
    outcome: tuple[Picture, ...]


@dataclass(frozen=True)
class Gallery:
    """Pictures that a model drew for several users who ask the same; ``synthetic`` where the corpus is generated."""

    synthetic: bool
    query: str
    command: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Metric:
    """A metric with its 95% interval."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Stage:
    """One fit of those that led to a model."""

    tasks: tuple[str, ...]
    model: str
    split: str
    seed: int
    options: dict[str, Any]
    config: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """Where one seed's number comes from."""

    key: str
    seed: int
    command: str
    commit: str
    machine: str
    time: str
    versions: dict[str, str]
    stages: tuple[Stage, ...]
    remarks: tuple[str, ...]
    costs: dict[str, str]


@dataclass(frozen=True)
class Part:
    """Examples on one side of a cut; ``about`` says what the cut asks, on its first side."""

    name: str
    examples: int
    about: str


@dataclass(frozen=True)
class Ties:
    """The main metric as stored and where ties in time are shuffled, over the seeds that have both."""

    seeds: int
    stored: Metric
    shuffled: Metric


@dataclass(frozen=True)
class Quoted:
    """What a paper prints for a row's model; ``differs`` says why it does not compare, empty where it does."""

    source: str
    system: str
    metrics: dict[str, float]
    differs: str


@dataclass(frozen=True)
class Detail:
    """All about one row.

    Attributes:
        sheet: number of its table within ``Page.sheets``.
        warnings: that its answers are degenerate, and how.
        answers: how far they differ, in words; empty where nobody counted.
        means: of the main metric on each of the sheet's parts; None where there are too few examples.
        runs: keys of ``Page.runs``, one a seed.
    """

    label: str
    sheet: int
    about: str
    source: str
    reads: tuple[str, ...]
    metrics: tuple[Metric, ...]
    missing: dict[str, str]
    warnings: tuple[str, ...]
    answers: dict[str, str]
    quoted: tuple[Quoted, ...]
    means: tuple[float | None, ...]
    ties: Ties | None
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """What the details of a table's rows have in common: its heading, main metric and the parts of its examples."""

    title: str
    main: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class AuditLine:
    """The test examples of a corpus that some tasks have in common; ``anchor`` on the first of a corpus."""

    anchor: str
    corpus: str
    synthetic: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Audits:
    """The shares of test examples by the cuts; ``questions`` are the cuts' names and what they ask."""

    heads: tuple[Head, ...]
    questions: tuple[tuple[str, str], ...]
    lines: tuple[AuditLine, ...]


@dataclass(frozen=True)
class Page:
    """Everything; ``tasks`` and ``topics`` are those of the boards."""

    tasks: tuple[Board, ...]
    topics: tuple[Board, ...]
    summaries: tuple[Summary, ...]
    galleries: tuple[Gallery, ...]
    audits: Audits | None
    sheets: tuple[Sheet, ...]
    details: tuple[Detail, ...]
    runs: dict[str, Run]
