"""Audits rows of printed tables: conflicting cells, as values, as text and as a page."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cached_property
from itertools import combinations
from pathlib import Path

from unimp_bench.markdown import anchor, generated, table_head, table_row
from unimp_bench.reports.audit.table.program import ALTERNATIVES, STANDARD, Definition, Fit, nearest, span
from unimp_bench.reports.audit.table.reading import Cell, PrintedRow, PrintedTable, read_table
from unimp_bench.reports.tables.printed import REPORTED, Reported

SEARCHED = 3
"""Maximum size of conflicts found by exhaustive search; larger ones are found by removing cells one by one."""

SOLVER_DIGITS = 11
"""Precision of the ends of a span, so that 0.505 is not rounded outward to 0.506."""


@dataclass(frozen=True)
class Conflict:
    """A minimal set of inconsistent cells: without any one of them, the others are consistent.

    Attributes:
        given: all cells but the last one in printed order.
        odd: the last cell.
        low, high: the range of the metric of ``odd`` given the others as printed.
    """

    given: tuple[Cell, ...]
    odd: Cell
    low: Decimal
    high: Decimal

    def __str__(self) -> str:
        *others, last = map(str, self.given)
        given = f"{', '.join(others)} and {last} leave" if others else f"{last} leaves"
        return f"{given} {self.odd.metric.name} between {self.low:f} and {self.high:f}; printed {self.odd.value:f}"


def conflict_of(cells: tuple[Cell, ...], fit: Fit) -> Conflict:
    """The smallest set of inconsistent cells; among several the one with the largest miss.

    Args:
        cells: of one inconsistent row.
        fit: of these cells.
    """
    *given, odd = _smallest(cells, fit)
    low, high = span(odd, tuple(given))
    step = Decimal(1).scaleb(-odd.digits - 1)  # one digit more than printed, outward
    return Conflict(
        given=tuple(given),
        odd=odd,
        low=Decimal(f"{low:.{SOLVER_DIGITS}f}").quantize(step, ROUND_FLOOR),
        high=Decimal(f"{high:.{SOLVER_DIGITS}f}").quantize(step, ROUND_CEILING),
    )


def _smallest(cells: tuple[Cell, ...], fit: Fit) -> tuple[Cell, ...]:
    for size in range(2, SEARCHED + 1):
        found = [subset for subset in combinations(cells, size) if not nearest(subset).consistent]
        if found:
            return max(found, key=lambda subset: nearest(subset).proven)
    kept = tuple(cell for cell, weight in zip(cells, fit.weights, strict=True) if weight)
    for cell in kept:
        fewer = tuple(other for other in kept if other != cell)
        if not nearest(fewer).consistent:
            kept = fewer
    return kept


VERDICT = "cannot come from one ranking per example at the printed precision"


@dataclass(frozen=True)
class RowAudit:
    """The audit of one row.

    Attributes:
        fit: under the usual definitions.
        uneven: cells of HR that are not a multiple of one over the number of examples; empty if that is unknown.
    """

    row: PrintedRow
    fit: Fit
    uneven: tuple[Cell, ...]

    @classmethod
    def of(cls, row: PrintedRow, examples: int | None) -> RowAudit:
        hits = [cell for cell in row.cells if cell.metric.measure == "HR"]
        uneven = tuple(cell for cell in hits if examples and not _is_share(cell, examples))
        return cls(row, nearest(row.cells), uneven)

    @property
    def consistent(self) -> bool:
        return self.fit.consistent and not self.uneven

    @property
    def units(self) -> float:
        """The miss in units of the last digit (of the longest cell); 0 for a consistent row."""
        return max(0.0, float(self.fit.proven)) if not self.fit.consistent else 0.0

    @property
    def miss(self) -> float:
        """The miss in units of the metrics."""
        return self.units * float(min(cell.unit for cell in self.row.cells))

    @cached_property
    def conflict(self) -> Conflict | None:
        """The smallest set of inconsistent cells; None for a consistent row."""
        return None if self.fit.consistent else conflict_of(self.row.cells, self.fit)

    def holds(self, definition: Definition) -> bool:
        """Whether the row is consistent under a definition."""
        return nearest(self.row.cells, definition).consistent

    @cached_property
    def saved_by(self) -> tuple[Definition, ...]:
        """The alternative definitions under which an inconsistent row is consistent."""
        return () if self.fit.consistent else tuple(filter(self.holds, ALTERNATIVES))


@dataclass(frozen=True)
class TableAudit:
    """The audits of all rows of one table."""

    table: PrintedTable
    rows: tuple[RowAudit, ...]

    @classmethod
    def of(cls, table: PrintedTable, examples: int | None = None) -> TableAudit:
        """Audit a table, with the number of its examples if known."""
        return cls(table, tuple(RowAudit.of(row, examples) for row in table.rows))

    @property
    def inconsistent(self) -> tuple[RowAudit, ...]:
        return tuple(row for row in self.rows if not row.consistent)


def _is_share(cell: Cell, examples: int) -> bool:
    """Whether some number of hits gives the printed value."""
    value, half = cell.count * cell.unit, cell.unit / 2
    return math.ceil((value - half) * examples) <= (value + half) * examples


def lines_of(audit: TableAudit) -> list[str]:
    """The title with the verdict, notes on the reading, and the findings for each row, as text."""
    title, wrong, total = audit.table.title, len(audit.inconsistent), len(audit.rows)
    verdict = f"all {total} rows are consistent" if not wrong else f"{wrong} of {total} rows {VERDICT}"
    if not total:
        verdict = "nothing to test"
    width = max((len(row.row.system) for row in audit.rows), default=0)
    lines = [f"{title}: {verdict}", *(f"  note: {note}" for note in audit.table.notes)]
    for row in audit.rows:
        first, *rest = _findings(row)
        lines += [f"  {row.row.system.ljust(width)}  {first}", *(f"  {' ' * width}  {line}" for line in rest)]
    return lines


def missed(row: RowAudit) -> str:
    """The miss of a row, as a number and in units of the last digit."""
    digits = max(cell.digits for cell in row.row.cells) + 2
    return f"{row.miss:.{digits}f} ({row.units:.2f} units of the last digit)"


def _findings(row: RowAudit) -> list[str]:
    if row.consistent:
        return ["consistent"]
    lines = [f"{cell} is not a multiple of one over the number of examples" for cell in row.uneven]
    if row.conflict:
        lines += [f"misses by {missed(row)}", str(row.conflict)]
        lines += [f"consistent if {definition.name}" for definition in row.saved_by]
    return lines


PAGE = "table_audit.md"

INTRODUCTION = (
    "For each printed row: can its rounded HR, NDCG and MRR come from one ranking per example? With one relevant item "
    "all of them are sums over one histogram of target ranks, so a linear program decides "
    "([method](../docs/table_audit.md)). Sampled candidates, ties and masked items change the ranks, not the "
    "equations, and a mean over seeds has a histogram too. An inconsistent row has cells that do not belong together "
    "under the usual definitions; the test gives no reason. Alternative definitions are tried below.",
    "The cells are those of `reported/`, with the digits of the longest cell of their measure in the table. A miss is "
    "the smallest widening of the half unit of rounding, in all cells, that admits a histogram; a miss above one unit "
    "remains even if every last digit may be off by one. `unimp-bench audit table` applies the test to other tables.",
)


def audit_reported(folder: Path) -> list[TableAudit]:
    """The audits of all tables below a leaderboards folder that print rank metrics, Table 2 before Table 10.

    Raises:
        DataError: a file is not of the form of reported numbers.
    """
    paths = sorted((folder / REPORTED).glob("*.json"), key=lambda path: _natural(path.name))
    return [audit for audit in (TableAudit.of(read_table(path)) for path in paths) if audit.rows]


def marked(tables: Iterable[Reported], audits: Iterable[TableAudit]) -> list[Reported]:
    """Printed tables whose inconsistent rows are marked ``impossible``.

    Args:
        audits: of the same tables, and perhaps of others.
    """
    wrong = {(audit.table.source, each.row.system) for audit in audits for each in audit.inconsistent}
    return [
        table.model_copy(
            update={
                "rows": tuple(
                    row.model_copy(update={"impossible": (table.source, row.system) in wrong}) for row in table.rows
                )
            }
        )
        for table in tables
    ]


def headline(audits: Sequence[TableAudit]) -> str:
    """The outcome of all audits in one sentence."""
    wrong, total = sum(len(audit.inconsistent) for audit in audits), sum(len(audit.rows) for audit in audits)
    return f"{wrong} of {total} printed rows {VERDICT} ([audit of printed tables]({PAGE}))."


def table_audit_page(audits: Sequence[TableAudit]) -> str:
    """The page of all audits as Markdown."""
    wrong, total = sum(len(audit.inconsistent) for audit in audits), sum(len(audit.rows) for audit in audits)
    lines = [generated("unimp-bench leaderboard", f"{REPORTED}/"), "# Audit of printed tables", ""]
    lines += [line for text in INTRODUCTION for line in (text, "")]
    lines += [f"**{wrong} of {total} printed rows {VERDICT}**; one that several tables print counts in each.", ""]
    lines += [*_summary(audits), "", *_readings(audits)]
    for audit in audits:
        lines += ["", *_section(audit)]
    return "\n".join(lines) + "\n"


def _summary(audits: Sequence[TableAudit]) -> list[str]:
    return [
        *table_head(("Table", "Rows", "Consistent", "Miss over one unit", "Largest miss", "Row")),
        *(table_row(_summary_cells(audit)) for audit in audits),
    ]


def _summary_cells(audit: TableAudit) -> list[str]:
    worst = max(audit.rows, key=lambda row: row.units)
    largest = [f"{worst.units:.2f} units", worst.row.system] if audit.inconsistent else ["", ""]
    counts = [len(audit.rows), len(audit.rows) - len(audit.inconsistent), sum(row.units > 1 for row in audit.rows)]
    title = audit.table.title
    return [f"[{title}](#{anchor(title)})", *map(str, counts), *largest]


def _readings(audits: Sequence[TableAudit]) -> list[str]:
    """Number of consistent rows of each table under each definition."""
    definitions = (STANDARD, *ALTERNATIVES)
    letters = [chr(ord("A") + number) for number in range(len(definitions))]
    return [
        "## Alternative definitions",
        "",
        "Number of consistent rows per table under other definitions of its cells. The last two are weak "
        "tests, since each of several runs has a separate histogram. A definition under which some rows become "
        "consistent and others inconsistent explains the table only if its rows were computed in different ways.",
        "",
        *(f"* **{letter}**: {definition.name}" for letter, definition in zip(letters, definitions, strict=True)),
        "",
        *table_head(("Table", "Rows", *letters)),
        *(
            table_row([audit.table.title, str(len(audit.rows)), *(_held(audit, each) for each in definitions)])
            for audit in audits
        ),
    ]


def _held(audit: TableAudit, definition: Definition) -> str:
    return str(sum(row.holds(definition) for row in audit.rows))


def _section(audit: TableAudit) -> list[str]:
    names = list(dict.fromkeys(cell.metric.name for row in audit.rows for cell in row.row.cells))
    return [
        f"## {audit.table.title}",
        "",
        *table_head(("Row", *names, "Consistent", "Misses by")),
        *(table_row(_cells(row, names)) for row in audit.rows),
        *([""] if audit.inconsistent else []),
        *(f"* {row.row.system}: {row.conflict}. {_saved(row)}" for row in audit.inconsistent),
    ]


def _cells(row: RowAudit, names: Sequence[str]) -> list[str]:
    printed = {cell.metric.name: f"{cell.value:f}" for cell in row.row.cells}
    verdict = ["yes", ""] if row.consistent else ["**no**", missed(row)]
    return [row.row.system, *(printed.get(name, "") for name in names), *verdict]


def _saved(row: RowAudit) -> str:
    return f"Consistent if {'; or if '.join(definition.name for definition in row.saved_by)}." if row.saved_by else ""


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key that compares numbers within names by their value."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
