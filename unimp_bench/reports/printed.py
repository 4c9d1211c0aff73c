"""What papers print for a row, the nearest of it, and the marks that say how far it compares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from unimp_bench import registry
from unimp_bench.kinds import Kind, kind_of
from unimp_bench.reports.reported import HISTORY, History, Reported, ReportedRow, same_system

OTHER_DATA, OTHER_PROTOCOL, UNKNOWN_PROTOCOL = "†", "¶", "§"

MARKS = {
    OTHER_DATA: "on other data",
    OTHER_PROTOCOL: "under the other protocol (seen items masked there and kept here, or vice versa)",
    UNKNOWN_PROTOCOL: "protocol unknown",
}
"""What is set behind a printed number, and what it means."""

LEGEND = (
    "*Reported*: the value printed in a paper, comparable if on the same data under the same protocol, otherwise "
    "marked: " + "; ".join(f"{mark} {told}" for mark, told in MARKS.items()) + "."
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


def nearest_cell(found: Sequence[Printed], metric: str) -> str:
    """The cell of ``nearest``; empty for none."""
    best = nearest(found, metric)
    return "" if best is None else best.cell(metric)


def printed_table(table: Reported) -> tuple[str, tuple[str, ...], list[tuple[str, ...]]]:
    """What a printed table is on, its heads and its rows, as the paper has them and with what became of seen items."""
    names = list(dict.fromkeys(name for row in table.rows for name in row.metrics))
    on = f"compare with corpus {table.corpus}" if table.corpus else f"other data than any corpus here ({OTHER_DATA})"
    asks = kind_of(registry.task_cards()[table.task].kind).has_protocols
    return (
        f"{table.data}; {table.protocol}; {on}.",
        ("System", *names, *(("Seen items",) if asks else ())),
        [
            (
                row.system,
                *(f"{row.metrics[name]:.4f}" if name in row.metrics else "" for name in names),
                *((seen_items(table.history_of(row)),) if asks else ()),
            )
            for row in table.rows
        ],
    )


def seen_items(history: History | None) -> str:
    """What became of seen items, in words."""
    return "not said" if history == "unknown" else str(history)
