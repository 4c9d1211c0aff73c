"""What a plot shows, before it is drawn: plain numbers and words, nothing of their source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Role = Literal["row", "ceiling", "floor", "base"]
"""What a row is: one like the others; a ceiling, which knows the truth; a floor, which knows nothing of the user; or
the one that the others are compared with."""


@dataclass(frozen=True)
class Point:
    """One row of a table on one metric.

    Attributes:
        row: its number in the table's section, from 0; drawn elements that stand for it carry it as ``data-row``.
        label: as the table names it; any text, cut where it is too long.
        short: stands for the label where a ``Scatter`` has no room for it, such as a place in the table.
        value: of the metric.
        low, high: ends of its 95% interval; None where nobody measured it.
        role: what kind of row it is.
        printed: what a paper prints for it on the same data; None where none does.
        differs: why that does not compare all the same; empty where it does.
        cost: on the other axis of a ``Scatter``, which leaves out points without one.
    """

    row: int
    label: str
    value: float
    low: float | None = None
    high: float | None = None
    role: Role = "row"
    printed: float | None = None
    differs: str = ""
    cost: float | None = None
    short: str = ""

    def __post_init__(self) -> None:
        known = [number for number in (self.value, self.low, self.high, self.printed, self.cost) if number is not None]
        if not all(map(math.isfinite, known)) or (self.cost or 0) < 0:
            raise ValueError(f"no plot has a place for all numbers of {self}")

    @property
    def extent(self) -> tuple[float, ...]:
        """All numbers that the axis of values must hold."""
        return tuple(number for number in (self.value, self.low, self.high, self.printed) if number is not None)


@dataclass(frozen=True)
class Intervals:
    """Rows of a table below one another: a dot and its 95% interval each, in the order of ``points``.

    Attributes:
        title: the name of the picture, read out before anything else.
        finding: what it shows, in words: the text for who cannot see it.
        metric: of the values.
        higher_is_better: of the metric.
        points: the best first.
        note: small print below, such as what was left out; empty for none.
    """

    title: str
    finding: str
    metric: str
    higher_is_better: bool
    points: tuple[Point, ...]
    note: str = ""


@dataclass(frozen=True)
class Scatter:
    """A metric against a cost on a logarithmic axis, with the line of the rows that none beats in both.

    Attributes:
        cost: name of the other axis, with its unit.
        shorts: small print on what ``Point.short`` stands for, where one had to.
        higher_is_better: of the metric; the front runs along the better side.
    """

    title: str
    finding: str
    metric: str
    cost: str
    higher_is_better: bool
    points: tuple[Point, ...]
    note: str = ""
    shorts: str = ""


@dataclass(frozen=True)
class Bars:
    """Differences to one row, bars from zero to ``value``, with intervals of the difference; the order is kept.

    Attributes:
        metric: whose difference.
        base: label of the row that the others are compared with; its own point has role ``base`` and value 0.
        higher_is_better: of the metric; says on which side of zero a row is better.
    """

    title: str
    finding: str
    metric: str
    base: str
    higher_is_better: bool
    points: tuple[Point, ...]
    note: str = ""


Plot = Intervals | Scatter | Bars
