"""A metric against a cost, with the front: the rows that no other one beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from unimp_bench.plots.data import Point, Scatter
from unimp_bench.plots.placing import Box, place
from unimp_bench.plots.scales import Linear, Log
from unimp_bench.plots.svg import EDGE, HEAD, MARKS, WIDTH, close, frame, grid, line, mark, number, row, words
from unimp_bench.plots.theme import SMALL
from unimp_bench.plots.words import clean, cut, width

_HEIGHT = 250
_LONGEST = 150.0


def draw_scatter(plot: Scatter, inline: bool) -> Element:
    """Labels stand where no other label or mark is; the best rows choose first, and the last ones may go without."""
    better = "higher" if plot.higher_is_better else "lower"
    root = frame(plot, f"{plot.metric} ({better} is better) against {plot.cost}", inline)
    points = [point for point in plot.points if point.cost is not None]
    top, bottom = HEAD + 4, HEAD + _HEIGHT
    upward = Linear.over([point.value for point in points], bottom - 8, top + 8)
    left = EDGE + 8 + max(width(tick.text, SMALL) for tick in upward.ticks())
    across = Log.over([_cost(point) for point in points], left + 12, WIDTH - EDGE - 12)
    grid(root, across.ticks(), top, bottom)
    for tick in upward.ticks():
        words(root, left - 6, tick.at + 4, tick.text, "quiet end")
    line(root, "".join(f"M{number(left)} {number(tick.at)}H{WIDTH - EDGE}" for tick in upward.ticks()), "grid")
    best = front(points, plot.higher_is_better)
    line(root, _steps(best, across, upward, WIDTH - EDGE), "front")
    _draw(root, plot, points, best, across, upward, Box(left, top, WIDTH - EDGE, bottom))
    words(root, (left + WIDTH - EDGE) / 2, bottom + 32, cut(clean(plot.cost), WIDTH - 2 * EDGE, SMALL), "quiet mid")
    close(root, plot, points, bottom + 54)
    return root


def front(points: Sequence[Point], higher_is_better: bool) -> list[Point]:
    """The points that no other one beats or equals in both, the cheapest first; those without a cost take no part."""
    sign = -1 if higher_is_better else 1
    found: list[Point] = []
    priced = [point for point in points if point.cost is not None]
    for point in sorted(priced, key=lambda point: (_cost(point), sign * point.value)):
        if not found or sign * point.value < sign * found[-1].value:
            found.append(point)
    return found


def _draw(
    root: Element, plot: Scatter, points: Sequence[Point], best: Sequence[Point], across: Log, upward: Linear, room: Box
) -> None:
    sign = -1 if plot.higher_is_better else 1
    chosen = {point.row for point in best}
    first = sorted(points, key=lambda point: (point.row not in chosen, sign * point.value))
    places = [(across.at(_cost(point)), upward.at(point.value)) for point in first]
    names = [
        [cut(clean(point.label), _LONGEST, SMALL), *([clean(point.short)] if point.short else [])] for point in first
    ]
    for point, (x, y), label in zip(first, places, place(places, names, room, SMALL), strict=True):
        group = row(root, point, f"{point.value:.4f} at {_cost(point):g}")
        mark(group, MARKS[point.role], x, y)
        if label is not None:
            words(group, label.left, label.baseline, label.text, "quiet")


def _steps(best: Sequence[Point], across: Log, upward: Linear, end: float) -> str:
    """What is the best value for up to a cost: a line of steps, not of what might be between two rows."""
    places = [(number(across.at(_cost(point))), number(upward.at(point.value))) for point in best]
    (x, y), *others = places
    return f"M{x} {y}" + "".join(f"H{x}V{y}" for x, y in others) + f"H{number(end)}"


def _cost(point: Point) -> float:
    assert point.cost is not None
    return point.cost
