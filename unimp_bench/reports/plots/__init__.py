"""Plots as SVG text: the same data gives the same bytes on every machine.

``draw(plot)`` is a file of its own; ``draw(plot, inline=True)`` stands within an HTML page that has ``STYLE`` once. No
element has an id, so any number of them stand in one page; every rule is scoped to ``svg.plot``.
"""

from unimp_bench.reports.plots.data import Bars, Intervals, Plot, Point, Role, Scatter
from unimp_bench.reports.plots.draw import draw
from unimp_bench.reports.plots.scatter import front
from unimp_bench.reports.plots.theme import DARK, LIGHT, STYLE, Theme, rules
from unimp_bench.reports.plots.words import amount

__all__ = [
    "DARK",
    "LIGHT",
    "STYLE",
    "Bars",
    "Intervals",
    "Plot",
    "Point",
    "Role",
    "Scatter",
    "Theme",
    "amount",
    "draw",
    "front",
    "rules",
]
