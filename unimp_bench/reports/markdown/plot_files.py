"""The plots of a page as files beside it, and their place in its markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unimp_bench.markdown import anchor, plain
from unimp_bench.reports.figures import Figure
from unimp_bench.reports.plots import draw

PLOTS = "plots"
_LONGEST = 120


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


def plot_files(page: str, titles: Sequence[str], figures: Sequence[Sequence[Figure]]) -> list[list[PlotFile]]:
    """The files of a page: of each of its sections, in their order, those of its figures.

    Two sections of the same title have files of their own, as a page gives them anchors of their own.
    """
    files = []
    for number, (title, found) in enumerate(zip(titles, figures, strict=True)):
        earlier = sum(_short(other) == _short(title) for other in titles[:number])
        stem = f"{PLOTS}/{page}_{_short(title)}" + (f"-{earlier}" if earlier else "")
        files.append(
            [PlotFile(f"{stem}_{figure.name}.svg", draw(figure.plot), figure.plot.finding) for figure in found]
        )
    return files


def contents(files: Sequence[Sequence[PlotFile]]) -> dict[str, str]:
    """What is to be written, by path."""
    return {file.path: file.content for part in files for file in part}


def shown(files: Sequence[PlotFile]) -> list[str]:
    """The plots in a line of markdown: side by side where there is room; nothing for none."""
    return ["", " ".join(f"![{plain(file.alt)}]({file.path})" for file in files)] if files else []


def folded(files: Sequence[PlotFile]) -> list[str]:
    """The plots behind a fold."""
    told = "Plots: intervals, and quality against cost"
    return ["", f"<details><summary>{told}</summary>", *shown(files), "", "</details>"] if files else []


def _short(title: str) -> str:
    return anchor(title)[:_LONGEST]
