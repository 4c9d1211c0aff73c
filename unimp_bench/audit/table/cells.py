"""What a paper prints: cells with their digits, rows, and a table."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from unimp_bench.metrics.ranking import RankMetric


@dataclass(frozen=True)
class Cell:
    """One printed number between 0 and 1: ``count`` units of its last digit, the ``digits``-th after the point.

    Two cells are equal only where they print the same, so 0.011 and 0.0110 are not.
    """

    metric: RankMetric
    count: int
    digits: int

    @classmethod
    def of(cls, metric: RankMetric, printed: Decimal, digits: int | None = None) -> Cell:
        """A number as it is printed, or with so many digits after the point."""
        exponent = printed.as_tuple().exponent
        assert isinstance(exponent, int), "a cell is a finite number"
        places = max(0, -exponent) if digits is None else digits
        return cls(metric, int(round(printed, places).scaleb(places)), places)

    @property
    def unit(self) -> Fraction:
        """One unit of the last digit."""
        return Fraction(1, 10**self.digits)

    @property
    def value(self) -> Decimal:
        """The number, with its digits."""
        return Decimal(self.count).scaleb(-self.digits)

    def __str__(self) -> str:
        return f"{self.metric.name} {self.value:f}"


@dataclass(frozen=True)
class PrintedRow:
    """The cells of one system, in the order of the print; a system may lack some."""

    system: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class PrintedTable:
    """The rows that have rank metrics, and what of the file was left out or read otherwise, a line each."""

    title: str
    rows: tuple[PrintedRow, ...]
    notes: tuple[str, ...] = ()
