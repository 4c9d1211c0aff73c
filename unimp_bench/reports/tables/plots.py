"""Plots of tables by matplotlib: one dot per row with its 95% interval, as values or as differences to one row.

Text in the SVG is stored as text, and the plotted numbers as JSON in its description, which tests compare: the other
bytes depend on the version of matplotlib.
"""

from __future__ import annotations

import base64
import json
import math
import re
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Role = Literal["row", "ceiling", "floor", "base"]
"""An ordinary row; an upper bound, which uses the ground truth; a floor, which reads nothing of the user; or the base
of differences."""


@dataclass(frozen=True)
class _Mark:
    shape: str
    colour: str
    label: str = ""
    fill: Literal["full", "none"] = "full"


_MARKS: dict[Role, _Mark] = {
    "row": _Mark("o", "#0969da"),
    "ceiling": _Mark("^", "#59636e", "uses the ground truth of a generated corpus"),
    "floor": _Mark("s", "#59636e", "reads nothing of the user"),
    "base": _Mark("s", "#59636e"),
}
_WORSE = _Mark("v", "#bc4c00")
_PRINTED = _Mark("D", "#9a6700", "reported by a paper, same data and protocol")
_PRINTED_ELSEWHERE = _Mark("D", "#9a6700", "reported by a paper, other or unknown treatment of seen items", "none")

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "lines.markersize": 6.0,
    "figure.subplot.bottom": 0.1,
    "figure.subplot.top": 0.9,
    "svg.hashsalt": "unimp-bench",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "legend.fontsize": 8.0,
    "legend.frameon": False,
}
_WIDTH, _PITCH, _HEAD, _LEGEND = 6.0, 0.34, 0.5, 0.7  # inches
_LABEL, _LINE = 44, 80  # characters
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]")
"""Characters that XML 1.0 does not allow, and those that change the direction of text."""


@dataclass(frozen=True)
class Point:
    """One row of a table on one metric.

    Attributes:
        row: its index in the table, from 0.
        label: any text, shortened if it is too long.
        value: of the metric, or of the difference to the base.
        low, high: 95% interval; None if unknown.
        role: kind of row.
        printed: the value reported in a paper on the same data; None without one.
        differs: why it is not comparable; empty if it is.
    """

    row: int
    label: str
    value: float
    low: float | None = None
    high: float | None = None
    role: Role = "row"
    printed: float | None = None
    differs: str = ""

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval; None if unknown."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def __post_init__(self) -> None:
        numbers = (self.value, self.low, self.high, self.printed)
        if not all(math.isfinite(number) for number in numbers if number is not None):
            raise ValueError(f"a plot needs finite numbers: {self}")


@dataclass(frozen=True)
class Plot:
    """Rows of a table from top to bottom.

    Attributes:
        title: heading.
        finding: alternative text.
        metric: name of the metric.
        higher_is_better: whether higher values are better.
        points: at least one, in the order of the table.
        base: label of the row that differences are to; empty if values are not differences.
        note: small print, such as omitted rows.
    """

    title: str
    finding: str
    metric: str
    higher_is_better: bool
    points: tuple[Point, ...]
    base: str = ""
    note: str = ""


def draw(plot: Plot) -> str:
    """The SVG of a plot; deterministic for a version of matplotlib."""
    data = json.dumps(asdict(plot))
    data = json.dumps(json.loads(data, parse_float=lambda number: round(float(number), 6)))  # the same on any machine
    metadata = {"Title": _clean(plot.title), "Description": data, "Date": None, "Creator": None}
    written = StringIO()
    with _style():
        figure_of(plot).savefig(written, format="svg", metadata=metadata, bbox_inches="tight")
    svg = written.getvalue()
    return "\n".join(line.rstrip() for line in svg[svg.index("<svg") :].splitlines()) + "\n"


def data_uri(plot: Plot) -> str:
    """The SVG of a plot as a data URI."""
    return "data:image/svg+xml;base64," + base64.b64encode(draw(plot).encode()).decode()


def plotted(svg: str) -> str:
    """The data of an SVG by ``draw``, as JSON; empty for other SVGs."""
    found = re.search(r"<dc:description>(.*?)</dc:description>", svg, re.DOTALL)
    return found[1] if found else ""


def figure_of(plot: Plot) -> Figure:
    """The plot as a figure of matplotlib, with rows at heights 0, 1, ... from the top."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEAD + _PITCH * len(plot.points)))
    axes = figure.add_subplot()
    for height, point in enumerate(plot.points):
        text = "base" if point.role == "base" else f"{point.value:{'+' if plot.base else ''}.4f}"
        axes.text(1.02, height, text, transform=axes.get_yaxis_transform(), verticalalignment="center")
    marks = list(_marks(plot))
    spans = [(height, *point.interval) for height, point in enumerate(plot.points) if point.interval]
    colours = {height: mark.colour for height, _, mark in marks}  # of values, which come last
    if spans:
        heights, low, high = zip(*spans, strict=True)
        axes.hlines(heights, low, high, colors=[colours[height] for height in heights], linewidth=2)
    for each in dict.fromkeys(mark for _, _, mark in marks):
        heights, values = zip(*((height, value) for height, value, mark in marks if mark == each), strict=True)
        axes.plot(values, heights, each.shape, color=each.colour, fillstyle=each.fill, label=each.label)
    if plot.base:
        axes.axvline(0, color="black", linewidth=0.8, zorder=0)
        about = f"{plot.metric} minus that of {plot.base}; {'right' if plot.higher_is_better else 'left'} is better"
    else:
        about = f"{plot.metric} with 95% intervals; {'higher' if plot.higher_is_better else 'lower'} is better"
    axes.set_title(textwrap.fill(_clean(plot.title), _LINE), loc="left")
    axes.set_xlabel(textwrap.fill(_clean(f"{about}. {plot.note}"), _LINE))
    axes.set_yticks(range(len(plot.points)), [_shortened(point.label) for point in plot.points])
    axes.set_ylim(len(plot.points) - 0.4, -0.6)
    axes.grid(axis="x", color="#d1d9e0", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["left", "right", "top"]].set_visible(False)
    if axes.get_legend_handles_labels()[1]:
        below = -_LEGEND / (axes.bbox.height / figure.dpi)
        axes.legend(loc="upper left", bbox_to_anchor=(0, below), borderaxespad=0)
    return figure


def _marks(plot: Plot) -> Iterator[tuple[int, float, _Mark]]:
    """(height, value, mark) of all reported and own values."""
    for height, point in enumerate(plot.points):
        if point.printed is not None:
            yield height, point.printed, _PRINTED_ELSEWHERE if point.differs else _PRINTED
        is_worse = plot.base and (point.value >= 0) != plot.higher_is_better
        yield height, point.value, _WORSE if is_worse and point.role == "row" else _MARKS[point.role]


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # rendered elsewhere
        yield


def _clean(text: str) -> str:
    """Text as one line of valid XML without changes of direction."""
    return " ".join(_UNFIT.sub("\ufffd", text).split())


def _shortened(text: str) -> str:
    """A text, if too long its beginning and end, since distinguishing settings come last."""
    text = _clean(text)
    return text if len(text) <= _LABEL else f"{text[: 2 * _LABEL // 3].rstrip()}…{text[-_LABEL // 3 :].lstrip()}"
