"""Which cells of a row cannot stand together, and what they leave one another."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import combinations

from unimp_bench.audit.table.cells import Cell
from unimp_bench.audit.table.program import Fit, nearest, span

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
