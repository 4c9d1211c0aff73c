"""Numbers that papers print, ``leaderboards/reported/*.json``: the nearest to a row, and how far it compares."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from unimp_bench import registry
from unimp_bench.errors import DataError
from unimp_bench.kinds import Kind, kind_of
from unimp_bench.records import Split
from unimp_bench.reports.table import PrintedTable
from unimp_bench.settings import Strict

REPORTED = "reported"

History = Literal["masked", "kept", "unknown"]
"""What became of the items that a user had already when a printed number ranked: the paper or its code says so, or
nobody does."""

HISTORY: dict[str, History] = {"paper": "kept", "masked": "masked"}
"""By protocol, what becomes of them in our tables."""


class ReportedRow(Strict):
    """One printed row.

    Attributes:
        system: as the paper names it.
        models: those of it that run here, if any.
        metrics: the cells.
        history: where it is another than that of the table.
    """

    system: str
    models: tuple[str, ...] = ()
    metrics: dict[str, float]
    history: History | None = None


class Reported(Strict):
    """One printed table.

    Attributes:
        source: paper and table.
        task: ours.
        data: the data as the paper describes it.
        corpus: our corpus on the same data, users and split, so that numbers compare; empty where we have none.
        protocol: what the paper says of splits and candidates.
        history: what became of seen items in its rankings, row by row where rows differ.
        split: ours that the table is on.
        topic: the suite whose rows it prints; empty where it is no suite's.
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
        """What became of seen items in one of its rows."""
        return row.history or self.history


def same_system(first: str, second: str) -> bool:
    """Whether two names are of one system, however each is written: ``S³-Rec``, ``S3-Rec`` and ``s3rec``."""
    return _plain(first) == _plain(second)


def _plain(name: str) -> str:
    """Letters, digits and plus signs (VIP5⁺ is another system than VIP5), raised and lowered ones as any others."""
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
        raise DataError(f"{path} is no table of reported numbers ({place}: {first['msg']})") from None


def load_reported(folder: Path) -> list[Reported]:
    """All printed tables below a leaderboards folder.

    Raises:
        DataError: a file is not of this form.
    """
    return [read_reported(path) for path in sorted((folder / REPORTED).glob("*.json"))]


OTHER_DATA, OTHER_PROTOCOL, UNKNOWN_PROTOCOL = "†", "¶", "§"

MARKS = {
    OTHER_DATA: "on other data",
    OTHER_PROTOCOL: "under the other protocol (seen items masked there and kept here, or vice versa)",
    UNKNOWN_PROTOCOL: "protocol unknown",
}
"""What is set behind a printed number, and what it means."""

LEGEND = (
    "*Reported*: the value printed in a paper, comparable if on the same data under the same protocol, otherwise "
    "marked: " + "; ".join(f"{mark} {meaning}" for mark, meaning in MARKS.items()) + "."
)


@dataclass(frozen=True)
class Printed:
    """A printed row beside one of ours.

    Attributes:
        table, row: where it is printed.
        same_data: whether it is on the corpus of our row.
        history: what became of seen items there; None for kinds of tasks that do not ask.
        ours: what becomes of them in our table.
    """

    table: Reported
    row: ReportedRow
    same_data: bool
    history: History | None
    ours: History | None

    @property
    def marks(self) -> str:
        """Those of ``MARKS`` that it has; none where it compares."""
        protocol = ""
        if self.history != self.ours:
            protocol = UNKNOWN_PROTOCOL if self.history == "unknown" else OTHER_PROTOCOL
        return ("" if self.same_data else OTHER_DATA) + protocol

    @property
    def differs(self) -> str:
        """In words, why it does not compare; empty where it does."""
        parts = [] if self.same_data else ["other data"]
        parts += [] if self.history == self.ours else [f"seen items {seen_items(self.history)}"]
        return ", ".join(parts)

    def cell(self, metric: str) -> str:
        """The number with its marks."""
        return f"{self.row.metrics[metric]:.4f}{self.marks}"


def of_model(model: str) -> Callable[[ReportedRow], bool]:
    """Whether a printed row is of a model that runs here."""
    return lambda row: model in row.models


def of_system(system: str) -> Callable[[ReportedRow], bool]:
    """Whether a printed row is of a system, however its name is written; none is of an empty one."""
    return lambda row: bool(system) and same_system(row.system, system)


def printed_rows(
    reported: Iterable[Reported], wanted: Callable[[ReportedRow], bool], kind: Kind, corpus: str, protocol: str
) -> list[Printed]:
    """The wanted rows beside one of ours on ``corpus`` under ``protocol``, those that compare best first."""
    ours = HISTORY[protocol] if kind.has_protocols else None
    found = [
        Printed(table, row, table.corpus == corpus, table.history_of(row) if kind.has_protocols else None, ours)
        for table in reported
        for row in table.rows
        if wanted(row)
    ]
    order = ("", UNKNOWN_PROTOCOL, OTHER_PROTOCOL)
    return sorted(found, key=lambda each: (not each.same_data, order.index(each.marks.removeprefix(OTHER_DATA))))


def nearest(found: Sequence[Printed], metric: str) -> Printed | None:
    """The one that compares best; on other data only what is on no corpus that we have.

    None where several print the metric on other data, of which none is nearer than the others.
    """
    having = [each for each in found if metric in each.row.metrics and (each.same_data or not each.table.corpus)]
    if not having or (not having[0].same_data and len(having) > 1):
        return None
    return having[0]


def printed_table(table: Reported) -> PrintedTable:
    """A printed table as the paper has it, with what became of seen items."""
    names = list(dict.fromkeys(name for row in table.rows for name in row.metrics))
    on = f"compare with corpus {table.corpus}" if table.corpus else f"other data than any corpus here ({OTHER_DATA})"
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
    """What became of seen items, in words."""
    return "not said" if history == "unknown" else str(history)
