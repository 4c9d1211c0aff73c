"""Plots: positions of numbers, texts and embedded data."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import warnings
from dataclasses import asdict, replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.lines import Line2D

from unimp_bench.reports.tables.plots import Plot, Point, data_uri, draw, figure_of, plotted

SVG = "{http://www.w3.org/2000/svg}"
POINTS = (
    Point(0, "knows all", 0.7, 0.68, 0.72, role="ceiling"),
    Point(1, "first", 0.3123, 0.3, 0.33, printed=0.25),
    Point(2, "second", 0.2, 0.19, 0.21, printed=0.22, differs="seen items masked"),
    Point(3, "popularity", 0.02, role="floor"),
)
DIFFERENCES = (
    Point(0, "UniMP", 0.0, role="base"),
    Point(1, "without", -0.031, -0.04, -0.02),
    Point(2, "with", 0.012, -0.001, 0.024),
)
VALUES = Plot("Title", "Finding.", "HR@5", True, POINTS, note="Note.")
BARS = Plot("Title", "Finding.", "HR@5", True, DIFFERENCES, base="UniMP")
PLOTS = (VALUES, BARS)
HOSTILE = (
    "<script>alert(1)</script>",
    "a & b | c \"d\" 'e' ]]> <!-- &amp;",
    "very " * 80 + "long",
    "W" * 300,
    "🧶🧵 " * 60,
    "nul \x00 bell \x07 half \ud800 turned \u202e around",
    "$x_1$ \\frac $",
    "",
)


def marks(plot: Plot) -> dict[int, list[tuple[float, str, str, str]]]:
    """(value, shape, colour, fill) of each mark by height."""
    found: dict[int, list[tuple[float, str, str, str]]] = {}
    for line in figure_of(plot).axes[0].lines:
        if line.get_marker() not in ("None", ""):
            for value, height in zip(line.get_xdata(), line.get_ydata(), strict=True):
                look = (str(line.get_marker()), to_hex(line.get_color()), str(line.get_fillstyle()))
                found.setdefault(int(height), []).append((float(value), *look))
    return found


def spans(plot: Plot) -> dict[int, tuple[float, float, str]]:
    """Ends and colour of each interval by height."""
    found = {}
    for collection in figure_of(plot).axes[0].collections:
        colours: Any = collection.get_edgecolor()
        for path, colour in zip(collection.get_paths(), colours, strict=True):
            (low, height), (high, other) = path.vertices.tolist()
            assert height == other
            found[int(height)] = (low, high, to_hex(colour))
    return found


def words(plot: Plot) -> list[str]:
    """All texts of the SVG."""
    return ["".join(node.itertext()) for node in ET.fromstring(draw(plot)).iter(f"{SVG}text")]


def test_positions_of_values_and_intervals() -> None:
    found = marks(VALUES)
    for height, point in enumerate(POINTS):
        assert point.value in [mark[0] for mark in found[height]]
    assert {height: span[:2] for height, span in spans(VALUES).items()} == {
        height: point.interval for height, point in enumerate(POINTS) if point.interval
    }
    axes = figure_of(VALUES).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [point.label for point in POINTS]
    low, high = axes.get_ylim()
    assert low > high, "the first row is on top"
    assert {"0.3123", "first", "Title"} <= set(words(VALUES)) and any("Note." in text for text in words(VALUES))


def test_reported_numbers_are_hollow_if_not_comparable() -> None:
    reported = {height: [mark for mark in found if mark[1] == "D"] for height, found in marks(VALUES).items()}
    assert [(height, mark[0], mark[3]) for height, found in reported.items() for mark in found] == [
        (1, 0.25, "full"),
        (2, 0.22, "none"),
    ]


def test_roles_have_shapes_and_a_legend() -> None:
    shapes = {height: {mark[1] for mark in found} - {"D"} for height, found in marks(VALUES).items()}
    assert shapes == {0: {"^"}, 1: {"o"}, 2: {"o"}, 3: {"s"}}
    told = " ".join(words(VALUES))
    for part in ("uses the ground truth", "reads nothing of the user", "same data and protocol", "other or unknown"):
        assert part in told
    assert figure_of(replace(VALUES, points=(replace(POINTS[1], printed=None),))).axes[0].get_legend() is None


def test_worse_differences_have_another_colour_shape_and_sign() -> None:
    found = marks(BARS)
    worse, better = found[1][0], found[2][0]
    assert worse[1:3] != better[1:3] and worse[1] != better[1]
    assert {height: span[2] for height, span in spans(BARS).items()} == {1: worse[2], 2: better[2]}
    lower = marks(replace(BARS, higher_is_better=False))
    assert (lower[1][0][1:], lower[2][0][1:]) == (better[1:], worse[1:])
    assert {"base", "-0.0310", "+0.0120"} <= {text.replace("\N{MINUS SIGN}", "-") for text in words(BARS)}
    zero = [line for line in figure_of(BARS).axes[0].lines if line.get_marker() in ("None", "")]
    assert [list(map(float, line.get_xdata())) for line in zero] == [[0, 0]]


def test_the_data_is_embedded() -> None:
    for plot in PLOTS:
        root = ET.fromstring(draw(plot))
        described = [node.text for node in root.iter("{http://purl.org/dc/elements/1.1/}description")]
        assert json.loads(str(described[0])) == json.loads(json.dumps(asdict(plot)))
    moved = replace(BARS, points=(*DIFFERENCES[:2], replace(DIFFERENCES[2], high=0.025)))
    assert plotted(draw(BARS)) == plotted(draw(BARS)) != plotted(draw(moved))
    assert plotted("<svg/>") == ""


@pytest.mark.parametrize("label", HOSTILE)
@pytest.mark.parametrize("plot", PLOTS, ids=["values", "differences"])
def test_untrusted_labels_are_text(plot: Plot, label: str) -> None:
    points = tuple(replace(point, label=label) for point in plot.points)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = draw(replace(plot, points=points, title=label, finding=label, note=label, metric=label))
    svg.encode("utf-8")
    root = ET.fromstring(svg)
    assert not list(root.iter(f"{SVG}script")) and "\u202e" not in svg
    width, height = (float(root.attrib[name].removesuffix("pt")) for name in ("width", "height"))
    assert width < 1_500 and height < 1_000


@pytest.mark.parametrize(
    "values",
    [(0.0,), (0.3,), (0.2, 0.2, 0.2), (-0.5, -0.5), (0.0, 0.0), (1e-12, 2e-12), (1e7, 3e7), (0.1, 0.1 + 1e-17)],
)
def test_equal_single_and_extreme_values_are_drawn(values: tuple[float, ...]) -> None:
    points = tuple(Point(row, "a", value) for row, value in enumerate(values))
    for plot in (replace(VALUES, points=points), replace(BARS, points=points)):
        assert sorted(mark[0] for found in marks(plot).values() for mark in found) == sorted(values)
        assert "nan" not in draw(plot)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_non_finite_numbers_raise(number: float) -> None:
    for changes in ({"value": number}, {"low": number}, {"printed": number}):
        with pytest.raises(ValueError, match="finite numbers"):
            replace(POINTS[1], **changes)  # type: ignore[arg-type]


def test_marks_have_contrast_with_white() -> None:
    """A contrast of 3, by the formula of WCAG 2.2, 1.4.11."""

    def luminance(colour: str) -> float:
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for plot in PLOTS:
        for found in marks(plot).values():
            for mark in found:
                assert 1.05 / (luminance(mark[2]) + 0.05) >= 3, mark


def test_the_same_data_gives_the_same_bytes_in_another_process() -> None:
    program = "from tests.reports.tables.test_plots import PLOTS, draw; print(''.join(map(draw, PLOTS)), end='')"
    made = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "1", "LC_ALL": "C", "PYTHONIOENCODING": "utf-8", "PYTHONPATH": "."},
        capture_output=True,
        check=True,
        text=True,
    )
    assert made.stdout == "".join(map(draw, PLOTS))


def test_a_plot_within_a_page_is_an_image() -> None:
    assert data_uri(BARS).startswith("data:image/svg+xml;base64,")


def test_a_plot_is_small() -> None:
    many = tuple(Point(row, "a system (epochs=20)", row / 99, row / 110, row / 90) for row in range(25))
    assert len(draw(replace(VALUES, points=many)).encode()) < 50_000


def test_settings_of_matplotlib_are_unchanged() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw(BARS)
    assert dict(matplotlib.rcParams) == before
    assert Line2D([], []).get_markersize() == before["lines.markersize"]
