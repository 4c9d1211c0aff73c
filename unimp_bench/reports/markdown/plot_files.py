"""The plot of a page as a file beside it, and its place in the Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unimp_bench.markdown import plain
from unimp_bench.reports.plots import Plot, draw

PLOTS = "plots"


@dataclass(frozen=True)
class PlotFile:
    """A plot on disk.

    Attributes:
        path: from the folder of the pages.
        content: SVG.
        alt: what it shows, in words.
    """

    path: str
    content: str
    alt: str


def plot_files(page: str, plots: Sequence[Plot | None]) -> list[list[PlotFile]]:
    """The files of each section of a page: none but for the first section that has a plot."""
    files: list[list[PlotFile]] = [[] for _ in plots]
    number, plot = next(((number, plot) for number, plot in enumerate(plots) if plot is not None), (0, None))
    if plot is not None:
        files[number].append(PlotFile(f"{PLOTS}/{page}.svg", draw(plot), plot.finding))
    return files


def contents(files: Sequence[Sequence[PlotFile]]) -> dict[str, str]:
    """What is to be written, by path."""
    return {file.path: file.content for part in files for file in part}


def shown(files: Sequence[PlotFile]) -> list[str]:
    """The plots as lines of Markdown; nothing for none."""
    return ["", " ".join(f"![{plain(file.alt)}]({file.path})" for file in files)] if files else []
