"""The report of an audit of a printed table: which cells of a row conflict, as values and as text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cached_property
from itertools import combinations

from unimp_bench.reports.audit.table.program import ALTERNATIVES, Definition, Fit, nearest, span
from unimp_bench.reports.audit.table.reading import Cell, PrintedRow, PrintedTable

SEARCHED = 3
"""All sets of so many cells are tried for the smallest one in conflict; beyond, cells are taken away one by one."""

SOLVER_DIGITS = 11
"""To which the ends of a span are believed, so that 0.505 does not become 0.506 outward."""


@dataclass(frozen=True)
class Conflict:
    """Cells that no histogram of ranks gives together, though it gives all but one of them, whichever that is.

    Attributes:
        given: all of them but the last one in the order of the print.
        odd: that one.
        low, high: between which values the metric of ``odd`` lies where ``given`` are what is printed.
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
    """The smallest set of cells in conflict, of several the one that misses by most.

    Args:
        cells: of one row, inconsistent.
        fit: of them.
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
    """One row and what was found.

    Attributes:
        fit: of the usual definitions.
        uneven: cells of HR that are no multiple of one over the number of examples, where that is known.
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
        """By how much the row misses, in units of the last digit (of the longest cell); 0 where it does not."""
        return max(0.0, float(self.fit.proven)) if not self.fit.consistent else 0.0

    @property
    def miss(self) -> float:
        """The same as a number that metrics are in."""
        return self.units * float(min(cell.unit for cell in self.row.cells))

    @cached_property
    def conflict(self) -> Conflict | None:
        """The smallest set of cells in conflict."""
        return None if self.fit.consistent else conflict_of(self.row.cells, self.fit)

    def holds(self, definition: Definition) -> bool:
        """Whether the row is consistent under a definition."""
        return nearest(self.row.cells, definition).consistent

    @cached_property
    def saved_by(self) -> tuple[Definition, ...]:
        """The other definitions under which an inconsistent row is consistent."""
        return () if self.fit.consistent else tuple(filter(self.holds, ALTERNATIVES))


@dataclass(frozen=True)
class TableAudit:
    """All rows of one table."""

    table: PrintedTable
    rows: tuple[RowAudit, ...]

    @classmethod
    def of(cls, table: PrintedTable, examples: int | None = None) -> TableAudit:
        """Test a table, of so many examples where that is known."""
        return cls(table, tuple(RowAudit.of(row, examples) for row in table.rows))

    @property
    def inconsistent(self) -> tuple[RowAudit, ...]:
        return tuple(row for row in self.rows if not row.consistent)


def _is_share(cell: Cell, examples: int) -> bool:
    """Whether some number of examples gives what is printed."""
    value, half = cell.count * cell.unit, cell.unit / 2
    return math.ceil((value - half) * examples) <= (value + half) * examples


def lines_of(audit: TableAudit) -> list[str]:
    """A title with the verdict, notes on the reading, and what was found in each row."""
    title, wrong, total = audit.table.title, len(audit.inconsistent), len(audit.rows)
    said = f"all {total} rows are consistent" if not wrong else f"{wrong} of {total} rows {VERDICT}"
    if not total:
        said = "nothing to test"
    width = max((len(row.row.system) for row in audit.rows), default=0)
    lines = [f"{title}: {said}", *(f"  note: {note}" for note in audit.table.notes)]
    for row in audit.rows:
        first, *rest = _found(row)
        lines += [f"  {row.row.system.ljust(width)}  {first}", *(f"  {' ' * width}  {line}" for line in rest)]
    return lines


def missed(row: RowAudit) -> str:
    """By how much a row misses, as a number and in units of the last digit."""
    digits = max(cell.digits for cell in row.row.cells) + 2
    return f"{row.miss:.{digits}f} ({row.units:.2f} units of the last digit)"


def _found(row: RowAudit) -> list[str]:
    if row.consistent:
        return ["consistent"]
    lines = [f"{cell} is no multiple of one over the number of examples" for cell in row.uneven]
    if row.conflict:
        lines += [f"misses by {missed(row)}", str(row.conflict)]
        lines += [f"consistent if {definition.name}" for definition in row.saved_by]
    return lines
