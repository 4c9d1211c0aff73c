"""A metric against a cost, with the front: the rows that no other one beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element

from unimp_bench.reports.plots.data import Point, Scatter
from unimp_bench.reports.plots.placing import Box, Label, place
from unimp_bench.reports.plots.scales import Linear, Log
from unimp_bench.reports.plots.svg import EDGE, MARKS, WIDTH, close, frame, grid, line, mark, number, row, words
from unimp_bench.reports.plots.theme import SMALL
from unimp_bench.reports.plots.words import amount, clean, cut, width

_HEIGHT = 250
_LONGEST = 150.0


def draw_scatter(plot: Scatter, inline: bool) -> Element:
    """Labels stand where no other label or mark is; the best rows choose first, and the last ones may go without."""
    better = "higher" if plot.higher_is_better else "lower"
    root, head = frame(plot, f"{plot.metric} ({better} is better) against {plot.cost}", inline)
    points = [point for point in plot.points if point.cost is not None]
    top, bottom = head + 4, head + _HEIGHT
    upward = Linear.over([point.value for point in points], bottom - 8, top + 8)
    left = EDGE + 8 + max(width(tick.text, SMALL) for tick in upward.ticks())
    across = Log.over([_cost(point) for point in points], left + 12, WIDTH - EDGE - 12)
    grid(root, across.ticks(), top, bottom)
    for tick in upward.ticks():
        words(root, left - 6, tick.at + 4, tick.text, "quiet end")
    line(root, "".join(f"M{number(left)} {number(tick.at)}H{WIDTH - EDGE}" for tick in upward.ticks()), "grid")
    best = front(points, plot.higher_is_better)
    steps = _steps(best, across, upward, WIDTH - EDGE)
    line(root, "M" + "L".join(f"{number(x)} {number(y)}" for x, y in steps), "front")
    labels = _labels(plot, best, across, upward, steps, Box(left, top, WIDTH - EDGE, bottom))
    for point, label in labels:
        group = row(root, point, f"{point.value:.4f} at {amount(_cost(point))} {plot.cost}")
        mark(group, MARKS[point.role], across.at(_cost(point)), upward.at(point.value))
        if label is not None:
            words(group, label.left, label.baseline, label.text, "quiet")
    words(root, (left + WIDTH - EDGE) / 2, bottom + 32, cut(clean(plot.cost), WIDTH - 2 * EDGE, SMALL), "quiet mid")
    shortened = any(label is not None and label.text == clean(point.short) for point, label in labels)
    close(root, plot, bottom + 54, f"{plot.shorts if shortened else ''} {plot.note}")
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


def _labels(
    plot: Scatter, best: Sequence[Point], across: Log, upward: Linear, steps: Sequence[tuple[float, float]], room: Box
) -> list[tuple[Point, Label | None]]:
    """The points and their labels: those of the front choose first, then the better ones."""
    sign, chosen = -1 if plot.higher_is_better else 1, {point.row for point in best}
    priced = [point for point in plot.points if point.cost is not None]
    order = sorted(priced, key=lambda point: (point.row not in chosen, sign * point.value))
    places = [(across.at(_cost(point)), upward.at(point.value)) for point in order]
    names = [(cut(clean(point.label), _LONGEST, SMALL), *filter(None, [clean(point.short)])) for point in order]
    lines = [Box(*map(min, a, b), *map(max, a, b)) for a, b in pairwise(steps)]
    return list(zip(order, place(places, names, lines, room, SMALL), strict=True))


def _steps(best: Sequence[Point], across: Log, upward: Linear, end: float) -> list[tuple[float, float]]:
    """Corners of the best value for up to a cost: a line of steps, not of what might be between two rows."""
    corners: list[tuple[float, float]] = []
    for point in best:
        x, y = across.at(_cost(point)), upward.at(point.value)
        corners += [(x, corners[-1][1]), (x, y)] if corners else [(x, y)]
    return [*corners, (end, corners[-1][1])]


def _cost(point: Point) -> float:
    assert point.cost is not None
    return point.cost
