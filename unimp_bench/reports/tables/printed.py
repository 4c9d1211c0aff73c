"""Numbers reported in papers, ``leaderboards/reported/*.json``, and their comparability with rows."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from unimp_bench import registry
from unimp_bench.errors import DataError
from unimp_bench.kinds import Kind, kind_of
from unimp_bench.records import Split
from unimp_bench.reports.tables.table import PrintedTable
from unimp_bench.settings import Strict

REPORTED = "reported"

History = Literal["masked", "kept", "unknown"]
"""Treatment of seen items in a reported ranking, by the paper or its code."""

HISTORY: dict[str, History] = {"paper": "kept", "masked": "masked"}
"""Treatment of seen items by protocol of this project."""


class ReportedRow(Strict):
    """One printed row.

    Attributes:
        system: name in the paper.
        models: names of the corresponding models of this project.
        presets: of a model, the one preset that corresponds, by the model's name; without an entry all do.
        metrics: the cells.
        history: where it is another than that of the table.
        impossible: no ranking of one target per example gives its cells; found by the audit, never printed in a file.
    """

    system: str
    models: tuple[str, ...] = ()
    presets: dict[str, str] = Field(default={})
    metrics: dict[str, float]
    history: History | None = None
    impossible: bool = Field(default=False, exclude=True)


class Reported(Strict):
    """One printed table.

    Attributes:
        source: paper and table.
        task: of this project.
        data: description of the data in the paper.
        corpus: the comparable corpus of this project (same data, users and split); empty without one.
        protocol: splits and candidates by the paper.
        history: treatment of seen items; rows may differ.
        split: of this project.
        topic: the suite with its rows; empty without one.
        rows: in the order of the paper.
    """

    source: str
    task: str
    data: str
    corpus: str
    protocol: str
    split: Split = "loo"
    topic: str = ""
    history: History = "unknown"
    rows: tuple[ReportedRow, ...]

    def history_of(self, row: ReportedRow) -> History:
        """Treatment of seen items in a row."""
        return row.history or self.history


def same_system(first: str, second: str) -> bool:
    """Whether two names mean one system, such as ``S³-Rec``, ``S3-Rec`` and ``s3rec``."""
    return _plain(first) == _plain(second)


def _plain(name: str) -> str:
    """Letters, digits and plus signs (VIP5⁺ is not VIP5), superscripts and subscripts normalised."""
    letters = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in letters if letter.isalnum() or letter == "+")


def read_reported(path: Path) -> Reported:
    """One printed table.

    Raises:
        DataError: the file is not of this form.
    """
    try:
        return Reported.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DataError(f"{path} is not a table of reported numbers ({place}: {first['msg']})") from None


def load_reported(folder: Path) -> list[Reported]:
    """All printed tables below a leaderboards folder.

    Raises:
        DataError: a file is not of this form.
    """
    return [read_reported(path) for path in sorted((folder / REPORTED).glob("*.json"))]


OTHER_DATA, OTHER_PROTOCOL, UNKNOWN_PROTOCOL, IMPOSSIBLE = "†", "¶", "§", "✗"

MARKS = {
    OTHER_DATA: "on other data",
    OTHER_PROTOCOL: "under the other protocol (seen items masked there and kept here, or vice versa)",
    UNKNOWN_PROTOCOL: "protocol unknown",
    IMPOSSIBLE: "printed in a row that cannot come from one ranking per example",
}
"""Marks of reported numbers and their meanings."""

LEGEND = (
    "*Reported*: the value printed in a paper, comparable if on the same data under the same protocol, otherwise "
    "marked: " + "; ".join(f"{mark} {meaning}" for mark, meaning in MARKS.items()) + "."
)


@dataclass(frozen=True)
class Printed:
    """A reported row, compared with one of this project.

    Attributes:
        table, row: its source.
        same_data: whether it is on the same corpus.
        history: its treatment of seen items; None for kinds without protocols.
        ours: the treatment in this project.
    """

    table: Reported
    row: ReportedRow
    same_data: bool
    history: History | None
    ours: History | None

    @property
    def marks(self) -> str:
        """Its ``MARKS``; empty if it is comparable."""
        protocol = ""
        if self.history != self.ours:
            protocol = UNKNOWN_PROTOCOL if self.history == "unknown" else OTHER_PROTOCOL
        return ("" if self.same_data else OTHER_DATA) + protocol + (IMPOSSIBLE if self.row.impossible else "")

    @property
    def differs(self) -> str:
        """Why it is not comparable; empty if it is."""
        parts = [] if self.same_data else ["other data"]
        parts += [] if self.history == self.ours else [f"seen items {seen_items(self.history)}"]
        parts += [MARKS[IMPOSSIBLE]] if self.row.impossible else []
        return ", ".join(parts)

    def cell(self, metric: str) -> str:
        """The number with its marks."""
        return f"{self.row.metrics[metric]:.4f}{self.marks}"


def of_model(model: str, preset: str) -> Callable[[ReportedRow], bool]:
    """A predicate for reported rows of a model of this project with a preset."""
    return lambda row: model in row.models and row.presets.get(model, preset) == preset


def of_system(system: str) -> Callable[[ReportedRow], bool]:
    """A predicate for reported rows of a system, in any spelling; none for an empty name."""
    return lambda row: bool(system) and same_system(row.system, system)


def printed_rows(
    reported: Iterable[Reported], wanted: Callable[[ReportedRow], bool], kind: Kind, corpus: str, protocol: str
) -> list[Printed]:
    """The wanted rows, compared with a row on ``corpus`` under ``protocol``; the most comparable first."""
    ours = HISTORY[protocol] if kind.has_protocols else None
    found = [
        Printed(table, row, table.corpus == corpus, table.history_of(row) if kind.has_protocols else None, ours)
        for table in reported
        for row in table.rows
        if wanted(row)
    ]
    order = ("", UNKNOWN_PROTOCOL, OTHER_PROTOCOL)
    return sorted(found, key=lambda each: (not each.same_data, order.index(each.marks.strip(OTHER_DATA + IMPOSSIBLE))))


def nearest(found: Sequence[Printed], metric: str) -> Printed | None:
    """The most comparable row with a metric; on other data only if that is no corpus of this project.

    None for several rows on other data, as none is more comparable than the others.
    """
    having = [each for each in found if metric in each.row.metrics and (each.same_data or not each.table.corpus)]
    if not having or (not having[0].same_data and len(having) > 1):
        return None
    return having[0]


def printed_table(table: Reported) -> PrintedTable:
    """A table as printed in the paper, with the treatment of seen items."""
    names = list(dict.fromkeys(name for row in table.rows for name in row.metrics))
    on = f"compare with corpus {table.corpus}" if table.corpus else f"on other data than all corpora ({OTHER_DATA})"
    asks = kind_of(registry.task_cards()[table.task].kind).has_protocols
    return PrintedTable(
        source=table.source,
        about=f"{table.data}; {table.protocol}; {on}.",
        heads=("System", *names, *(("Seen items",) if asks else ())),
        rows=tuple(
            (
                row.system,
                *(f"{row.metrics[name]:.4f}" if name in row.metrics else "" for name in names),
                *((seen_items(table.history_of(row)),) if asks else ()),
            )
            for row in table.rows
        ),
    )


def seen_items(history: History | None) -> str:
    """Treatment of seen items in words."""
    return "unspecified" if history == "unknown" else str(history)
