"""Any plot to the text of its SVG."""

from __future__ import annotations

from unimp_bench.plots.data import Plot


def draw(plot: Plot, *, inline: bool = False) -> str:
    """The SVG of a plot.

    Args:
        plot: what it shows; at least one point.
        inline: without a style and a namespace of its own, to stand within an HTML page that has ``STYLE`` once.
    """
    raise NotImplementedError
