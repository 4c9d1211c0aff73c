"""Labels beside the marks of a scatter, none over another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unimp_bench.reports.plots.words import width

_MARK = 5.0
_GAP = 8.0
_SPACE = 4.0


@dataclass(frozen=True)
class Box:
    """A part of the plane; ``top`` is the smaller one of its heights."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether both share more than an edge."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def within(self, other: Box) -> bool:
        """Whether nothing of this one lies beyond the other."""
        return (
            other.left <= self.left
            and other.top <= self.top
            and self.right <= other.right
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True)
class Label:
    """A text and where it begins."""

    text: str
    left: float
    baseline: float


def place(
    marks: Sequence[tuple[float, float]], names: Sequence[Sequence[str]], lines: Sequence[Box], room: Box, size: float
) -> list[Label | None]:
    """A label for each mark in turn: the first of its names that fits somewhere beside it; None where none does.

    Args:
        marks: their places, in the order in which they choose.
        names: what may stand beside each, the best first.
        lines: upright or level ones that no label may cross.
        room: where labels may be.
        size: of the text.
    """
    taken = [Box(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in marks]
    taken += lines
    labels: list[Label | None] = []
    for (x, y), texts in zip(marks, names, strict=True):
        free = (
            (text, box)
            for text in texts
            for box in _beside(x, y, width(text, size), size)
            if box.within(room) and not any(box.meets(other) for other in taken)
        )
        text, box = next(free, ("", None))
        if box is None:
            labels.append(None)
            continue
        taken.append(Box(box.left - _SPACE, box.top, box.right + _SPACE, box.bottom))
        labels.append(Label(text, box.left, box.bottom - size / 4))
    return labels


def _beside(x: float, y: float, wide: float, size: float) -> Iterator[Box]:
    """The places beside a mark, the one that reads best first: right, left, above, below, and the corners."""
    near, far = _GAP, _GAP + wide
    level, above, below = y - size / 2, y - _GAP - size, y + _GAP
    for left, top in (
        (x + near, level),
        (x - far, level),
        (x - wide / 2, above),
        (x - wide / 2, below),
        (x + near / 2, above),
        (x + near / 2, below),
        (x - far + near / 2, above),
        (x - far + near / 2, below),
    ):
        yield Box(left, top, left + wide, top + size)
