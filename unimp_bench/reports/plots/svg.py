"""The few things that every plot is drawn with: a frame, lines of text, axes and marks."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from unimp_bench.reports.plots.data import Intervals, Plot, Point, Role
from unimp_bench.reports.plots.scales import Tick
from unimp_bench.reports.plots.theme import FONT, SMALL, STYLE
from unimp_bench.reports.plots.words import clean, width, wrapped

WIDTH = 400
"""Units across: pixels on a desk, and few enough that a phone shows text at a size that can be read."""

EDGE = 8
"""What text and marks leave free at both sides."""

_PITCH = 16
_BOLD = 1.15  # bold letters are so much wider

MARKS: dict[Role, tuple[str, str]] = {
    "row": ("circle", "dot"),
    "ceiling": ("triangle", "limit"),
    "floor": ("square", "limit"),
    "base": ("square", "limit"),
}
"""Shape and class of every role."""

PRINTED, PRINTED_ELSEWHERE = ("diamond", "printed"), ("diamond", "printed other")
_LEGEND: dict[Role, str] = {"ceiling": "knows the truth of a generated corpus", "floor": "knows nothing of the user"}


def frame(plot: Plot, subtitle: str, inline: bool) -> tuple[Element, int]:
    """An SVG with its title, its text for who cannot see it, and its head, as yet without a height.

    Returns:
        It, and where the plot itself begins.
    """
    root = Element("svg", {"class": "plot", "role": "img"})
    if not inline:
        root.set("xmlns", "http://www.w3.org/2000/svg")
    add(root, "title").text = clean(f"{plot.title}: {subtitle}")
    add(root, "desc").text = clean(plot.finding)
    if not inline:
        add(root, "style").text = STYLE
    add(root, "rect", "ground", width="100%", height="100%")
    top = 18
    for text in wrapped(clean(plot.title), WIDTH - 2 * EDGE, FONT * _BOLD):
        words(root, EDGE, top, text, "head")
        top += _PITCH
    for text in wrapped(clean(subtitle), WIDTH - 2 * EDGE, SMALL):
        words(root, EDGE, top + 2, text, "quiet")
        top += _PITCH
    return root, top - 4


def close(root: Element, plot: Plot, top: float, note: str) -> None:
    """What the shapes mean and a note, from ``top`` on; then the height is known."""
    roles = {point.role for point in plot.points}
    legend = [(MARKS[role], told) for role, told in _LEGEND.items() if role in roles]
    printed = [point for point in plot.points if point.printed is not None] if isinstance(plot, Intervals) else []
    if any(not point.differs for point in printed):
        legend.append((PRINTED, "printed in a paper, same data and protocol"))
    if any(point.differs for point in printed):
        legend.append((PRINTED_ELSEWHERE, "printed, seen items treated otherwise or not said"))
    for shape, told in legend:
        mark(root, shape, EDGE + 5, top - 4)
        words(root, EDGE + 16, top, told, "quiet")
        top += _PITCH
    for line in wrapped(clean(note), WIDTH - 2 * EDGE, SMALL):
        words(root, EDGE, top, line, "quiet")
        top += _PITCH
    height = number(top - _PITCH + EDGE)
    for name, value in (("viewBox", f"0 0 {WIDTH} {height}"), ("width", str(WIDTH)), ("height", height)):
        root.set(name, value)
    for part in root:
        part.tail = "\n"


def add(parent: Element, tag: str, css: str = "", **attributes: str) -> Element:
    """A child, of a class where one is named."""
    return SubElement(parent, tag, {"class": css, **attributes} if css else attributes)


def words(parent: Element, x: float, y: float, text: str, css: str = "") -> None:
    """A line of text that begins at ``x``; with the classes ``mid`` or ``end`` it has its middle or end there."""
    add(parent, "text", css, x=number(x), y=number(y)).text = text


def line(parent: Element, path: str, css: str) -> None:
    """A line, or several."""
    add(parent, "path", css, d=path)


def mark(parent: Element, shape: tuple[str, str], x: float, y: float) -> None:
    """One of ``MARKS`` around a place."""
    name, css = shape
    if name == "circle":
        add(parent, "circle", css, cx=number(x), cy=number(y), r="4")
    elif name == "square":
        add(parent, "rect", css, x=number(x - 4), y=number(y - 4), width="8", height="8")
    elif name == "triangle":
        add(parent, "path", css, d=f"M{number(x)} {number(y - 5)}l5 9h-10z")
    else:
        add(parent, "path", css, d=f"M{number(x)} {number(y - 5)}l4 5l-4 5l-4-5z")


def row(parent: Element, point: Point, told: str) -> Element:
    """The group of a row's elements, with what a pointer on it is told."""
    group = add(parent, "g", **{"data-row": str(point.row)})
    add(group, "title").text = clean(f"{point.label}: {told}")
    return group


def grid(root: Element, ticks: Sequence[Tick], top: float, bottom: float) -> None:
    """Vertical lines at the ticks of an axis, and below them what is written there."""
    line(root, "".join(f"M{number(tick.at)} {number(top)}V{number(bottom)}" for tick in ticks), "grid")
    for tick in ticks:
        half = width(tick.text, SMALL) / 2
        words(root, min(max(tick.at, half + 2), WIDTH - half - 2), bottom + 15, tick.text, "quiet mid")


def number(value: float) -> str:
    """A coordinate to a tenth: the same text wherever the last bits of a computation differ."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"
