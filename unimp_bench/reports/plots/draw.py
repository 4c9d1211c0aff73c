"""Any plot to the text of its SVG."""

from __future__ import annotations

from xml.etree.ElementTree import tostring

from unimp_bench.reports.plots.bars import draw_bars
from unimp_bench.reports.plots.data import Bars, Intervals, Plot
from unimp_bench.reports.plots.intervals import draw_intervals
from unimp_bench.reports.plots.scatter import draw_scatter


def draw(plot: Plot, *, inline: bool = False) -> str:
    """The SVG of a plot.

    Args:
        plot: what it shows; at least one point.
        inline: without a style and a namespace of its own, to stand within an HTML page that has ``STYLE`` once.
    """
    match plot:
        case Intervals():
            root = draw_intervals(plot, inline)
        case Bars():
            root = draw_bars(plot, inline)
        case _:
            root = draw_scatter(plot, inline)
    return tostring(root, encoding="unicode") + "\n"
