"""Differences to one row: a bar from zero each, with the interval of the difference."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from unimp_bench.reports.plots.data import Bars, Point
from unimp_bench.reports.plots.scales import Linear
from unimp_bench.reports.plots.svg import EDGE, MARKS, WIDTH, add, close, frame, grid, line, mark, number, row, words
from unimp_bench.reports.plots.theme import FONT
from unimp_bench.reports.plots.words import clean, cut, width

PITCH = 34
_SIDE = 28


def draw_bars(plot: Bars, inline: bool) -> Element:
    """Bars on the better side have another colour than those on the worse one, and another sign."""
    better = "right" if plot.higher_is_better else "left"
    root, top = frame(plot, f"{plot.metric} less that of {plot.base}; better to the {better}", inline)
    scale = Linear.over([0.0, *(number for point in plot.points for number in point.extent)], _SIDE, WIDTH - _SIDE)
    bottom = top + PITCH * len(plot.points)
    grid(root, scale.ticks(), top, bottom)
    zero = number(scale.at(0))  # in pieces, for a label may stand between them
    line(root, "".join(f"M{zero} {number(top + PITCH * at + 16)}v16" for at in range(len(plot.points))), "zero")
    for place, point in enumerate(plot.points):
        _draw(root, point, scale, top + PITCH * place, plot.higher_is_better)
    close(root, plot, bottom + 36, plot.note)
    return root


def _draw(root: Element, point: Point, scale: Linear, top: float, higher_is_better: bool) -> None:
    value = "base" if point.role == "base" else f"{point.value:+.4f}"
    known = point.low is not None and point.high is not None
    group = row(root, point, value + (f" [{point.low:+.4f}, {point.high:+.4f}]" if known else ""))
    words(group, EDGE, top + 14, cut(clean(point.label), WIDTH - 3 * EDGE - width(value, FONT), FONT))
    words(group, WIDTH - EDGE, top + 14, value, "end")
    zero, end, middle = scale.at(0), scale.at(point.value), top + 24
    if point.role == "base":
        mark(group, MARKS["base"], zero, middle)
        return
    colour = "dot" if (point.value >= 0) == higher_is_better else "worse"
    span = {"x": number(min(zero, end)), "width": number(abs(end - zero))}
    add(group, "rect", colour, y=number(middle - 3), height="6", **span)
    if point.low is not None and point.high is not None:
        low, high = number(scale.at(point.low)), number(scale.at(point.high))
        y, up = number(middle), number(middle - 5)
        line(group, f"M{low} {up}v10M{low} {y}H{high}M{high} {up}v10", "ends")
