"""Rows below one another: a dot and its interval each, under the row's label."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from unimp_bench.reports.plots.data import Intervals, Point
from unimp_bench.reports.plots.scales import Linear
from unimp_bench.reports.plots.svg import (
    EDGE,
    MARKS,
    PRINTED,
    PRINTED_ELSEWHERE,
    WIDTH,
    close,
    frame,
    grid,
    line,
    mark,
    number,
    row,
    words,
)
from unimp_bench.reports.plots.theme import FONT
from unimp_bench.reports.plots.words import clean, cut, width

PITCH = 34
_SIDE = 24


def draw_intervals(plot: Intervals, inline: bool) -> Element:
    """The label stands above its interval, not beside it, so that a phone has room for both."""
    better = "higher" if plot.higher_is_better else "lower"
    root, top = frame(plot, f"{plot.metric}, with 95% intervals; {better} is better", inline)
    scale = Linear.over([number for point in plot.points for number in point.extent], _SIDE, WIDTH - _SIDE)
    bottom = top + PITCH * len(plot.points)
    grid(root, scale.ticks(), top, bottom)
    for place, point in enumerate(plot.points):
        _draw(root, point, scale, top + PITCH * place)
    close(root, plot, bottom + 36, plot.note)
    return root


def _draw(root: Element, point: Point, scale: Linear, top: float) -> None:
    value = f"{point.value:.4f}"
    told = value + ("" if point.low is None or point.high is None else f" [{point.low:.4f}, {point.high:.4f}]")
    group = row(root, point, told + _printed(point))
    room = WIDTH - 3 * EDGE - width(value, FONT)
    words(group, EDGE, top + 14, cut(clean(point.label), room, FONT))
    words(group, WIDTH - EDGE, top + 14, value, "end")
    middle = top + 24
    if point.low is not None and point.high is not None:
        line(group, f"M{number(scale.at(point.low))} {number(middle)}H{number(scale.at(point.high))}", "span")
    if point.printed is not None:
        mark(group, PRINTED_ELSEWHERE if point.differs else PRINTED, scale.at(point.printed), middle)
    mark(group, MARKS[point.role], scale.at(point.value), middle)


def _printed(point: Point) -> str:
    """What is told of a printed number, if there is one."""
    if point.printed is None:
        return ""
    return f", printed {point.printed:.4f}" + (f" ({point.differs})" if point.differs else "")
