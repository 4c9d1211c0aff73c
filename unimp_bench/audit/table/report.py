"""The audit of printed tables: what every row says, under the usual definitions and under others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from unimp_bench.audit.table.cells import Cell, PrintedRow, PrintedTable
from unimp_bench.audit.table.conflict import Conflict, conflict_of
from unimp_bench.audit.table.definitions import ALTERNATIVES, Definition
from unimp_bench.audit.table.program import Fit, nearest

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
