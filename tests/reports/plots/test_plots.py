"""Plots as a reader finds them in the SVG: every number at its place, every text within the picture and escaped."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tests.reports.plots.reading import SVG, axis, circle, classes, parsed, rows, size_of, texts, upright_axis
from unimp_bench.reports.plots import Bars, Intervals, Plot, Point, Scatter, draw, front

POINTS = (
    Point(0, "knows all", 0.7, 0.68, 0.72, role="ceiling"),
    Point(1, "first", 0.3123, 0.3, 0.33, cost=1800.0, printed=0.25, short="1"),
    Point(2, "second", 0.2, 0.19, 0.21, cost=12.5, short="2"),
    Point(3, "popularity", 0.02, 0.015, 0.025, role="floor", cost=0.3, short="3"),
)
HOSTILE = (
    "<script>alert(1)</script>",
    "a & b | c \"d\" 'e' ]]> <!-- &amp;",
    "very " * 80 + "long",
    "W" * 300,
    "🧶🧵 " * 60,
    "語" * 90,
    "nul \x00 bell \x07 half \ud800 turned \u202e around",
    "",
)


def intervals(points: tuple[Point, ...] = POINTS, **changes: Any) -> Intervals:
    return replace(Intervals("Title", "Finding.", "HR@5", True, points, "Note."), **changes)


def scatter(points: tuple[Point, ...] = POINTS[1:], **changes: Any) -> Scatter:
    return replace(Scatter("Title", "Finding.", "HR@5", "seconds to fit", True, points, "Note."), **changes)


def bars(points: tuple[Point, ...] | None = None, **changes: Any) -> Bars:
    found = points or (
        Point(0, "UniMP", 0.0, role="base"),
        Point(1, "without", -0.031, -0.04, -0.02),
        Point(2, "with", 0.012, -0.001, 0.024),
    )
    return replace(Bars("Title", "Finding.", "HR@5", "UniMP", True, found, "Note."), **changes)


PLOTS: tuple[Plot, ...] = (intervals(), scatter(), bars())


def between(ticks: list[tuple[float, float]], value: float) -> float:
    """Where a value stands by the outermost ticks of a linear axis."""
    (low, start), (high, end) = ticks[0], ticks[-1]
    return start + (value - low) / (high - low) * (end - start)


def test_a_value_stands_where_the_axis_says() -> None:
    root = parsed(draw(intervals()))
    ticks, groups = axis(root), rows(root)
    assert len(ticks) >= 3
    for number, place in ticks:
        assert place == pytest.approx(between(ticks, number), abs=0.11)
    for point in POINTS[1:3]:
        assert circle(groups[point.row])[0] == pytest.approx(between(ticks, point.value), abs=0.11)
        (span,) = (node for node in groups[point.row].iter(f"{SVG}path") if node.get("class") == "span")
        start, end = span.attrib["d"].removeprefix("M").split("H")
        assert float(start.split()[0]) == pytest.approx(between(ticks, point.low or 0), abs=0.11)
        assert float(end) == pytest.approx(between(ticks, point.high or 0), abs=0.11)


def test_a_printed_number_stands_where_the_axis_says_and_only_beside_its_row() -> None:
    root = parsed(draw(intervals()))
    marks = {
        row: node.attrib["d"]
        for row, group in rows(root).items()
        for node in group.iter(f"{SVG}path")
        if node.get("class") == "printed"
    }
    assert list(marks) == [1]
    assert float(marks[1].removeprefix("M").split()[0]) == pytest.approx(between(axis(root), 0.25), abs=0.11)


def test_a_printed_number_that_does_not_compare_is_marked_and_says_why() -> None:
    other = replace(POINTS[1], differs="seen items masked")
    root = parsed(draw(intervals((other, POINTS[2]))))
    group = rows(root)[other.row]
    assert [node.get("class") for node in group if "printed" in node.get("class", "")] == ["printed other"]
    assert (group.findtext(f"{SVG}title") or "").endswith("printed 0.2500 (seen items masked)")
    told = " ".join(text.words for text in texts(root))
    assert "seen items treated otherwise or not said" in told and "same data and protocol" not in told
    assert "stroke-dasharray" in (root.findtext(f"{SVG}style") or "").split(".other")[1][:20]


def test_a_cost_stands_where_its_logarithm_does_and_a_value_where_the_axis_says() -> None:
    root = parsed(draw(scatter()))
    ticks, upright, groups = axis(root), upright_axis(root), rows(root)
    logs = [(math.log10(number), place) for number, place in ticks]
    for point in POINTS[1:3]:
        assert point.cost is not None
        x, y = circle(groups[point.row])
        assert x == pytest.approx(between(logs, math.log10(point.cost)), abs=0.11)
        assert y == pytest.approx(between(upright, point.value), abs=0.11)
    assert upright[0][0] < upright[-1][0] and upright[0][1] > upright[-1][1], "more is further up"


def test_a_cost_of_nothing_has_a_place_before_all_others() -> None:
    free = replace(POINTS[2], cost=0.0)
    root = parsed(draw(scatter((POINTS[1], free))))
    ticks = axis(root)
    assert ticks[0][0] == 0
    assert circle(rows(root)[2])[0] == ticks[0][1] < ticks[1][1] <= circle(rows(root)[1])[0]
    only_free = parsed(draw(scatter((free, replace(free, row=5)))))
    assert circle(rows(only_free)[2])[0] == axis(only_free)[0][1]


def test_a_bar_reaches_from_zero_to_its_value() -> None:
    root = parsed(draw(bars()))
    ticks, groups = axis(root), rows(root)
    for row, value, colour in ((1, -0.031, "worse"), (2, 0.012, "dot")):
        (bar,) = (node for node in groups[row].iter(f"{SVG}rect"))
        left, wide = float(bar.attrib["x"]), float(bar.attrib["width"])
        ends = sorted((between(ticks, 0), between(ticks, value)))
        assert (left, left + wide) == pytest.approx(ends, abs=0.21)
        assert bar.get("class") == colour
        assert f"{value:+.4f}" in [text.words for text in texts(groups[row])], "a sign says it as well"
    lower = rows(parsed(draw(bars(higher_is_better=False))))
    assert next(lower[1].iter(f"{SVG}rect")).get("class") == "dot"


def test_the_front_is_what_none_beats_in_both() -> None:
    points = tuple(
        Point(row, str(row), value, cost=cost)
        for row, (value, cost) in enumerate([(0.5, 9.0), (0.5, 3.0), (0.2, 1.0), (0.1, 2.0), (0.9, 50.0), (0.9, 60.0)])
    )
    free = Point(9, "no cost", 1.0)
    assert [point.row for point in front((*points, free), higher_is_better=True)] == [2, 1, 4]
    assert [point.row for point in front((*points, free), higher_is_better=False)] == [2, 3]


def test_the_line_of_the_front_goes_in_steps_through_its_points() -> None:
    root = parsed(draw(scatter()))
    (path,) = (node for node in root.iter(f"{SVG}path") if node.get("class") == "front")
    corners = [tuple(map(float, corner.split())) for corner in path.attrib["d"].removeprefix("M").split("L")]
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(corners))
    assert {circle(rows(root)[row]) for row in (1, 2)} <= set(corners)
    for text in (text for group in rows(root).values() for text in texts(group)):
        for (x1, y1), (x2, y2) in pairwise(corners):
            across = min(x1, x2) < text.right and text.left < max(x1, x2)
            assert not (across and min(y1, y2) < text.y + 2 and text.y - 8 < max(y1, y2)), f"{text} lies over the line"


@pytest.mark.parametrize("label", HOSTILE)
@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: type(plot).__name__)
def test_hostile_labels_are_text_within_the_picture(plot: Plot, label: str) -> None:
    points = tuple(replace(point, label=label) for point in plot.points)
    hostile = replace(plot, points=points, title=label, finding=label, note=label, metric=label)
    svg = draw(hostile)
    root = parsed(svg)
    svg.encode("utf-8")
    assert not list(root.iter(f"{SVG}script")) and "\u202e" not in svg
    tags = {node.tag.removeprefix(SVG) for node in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "text", "path", "g", "circle"}
    wide, high = size_of(root)
    for text in texts(root):
        assert text.left >= 0 and text.right <= wide, text
        assert 12 <= text.y <= high - 3, text


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: type(plot).__name__)
def test_a_plot_says_what_it_shows_to_who_cannot_see_it(plot: Plot) -> None:
    root = parsed(draw(plot))
    assert root.get("role") == "img"
    assert [node.tag for node in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert (root[0].text or "").startswith(f"Title: {plot.metric}") and root[1].text == "Finding."
    assert size_of(root)[0] <= 720
    assert not any("id" in node.attrib for node in root.iter()), "several plots stand in one page"
    drawn = rows(root)
    assert set(drawn) == {point.row for point in plot.points}
    for point in plot.points:
        assert point.label in (drawn[point.row].findtext(f"{SVG}title") or "")


def test_roles_have_shapes_of_their_own_and_a_legend() -> None:
    root = parsed(draw(intervals()))
    groups = rows(root)
    shapes = {
        row: [node.tag for node in group if node.get("class") in {"dot", "limit"}] for row, group in groups.items()
    }
    assert shapes == {0: [f"{SVG}path"], 1: [f"{SVG}circle"], 2: [f"{SVG}circle"], 3: [f"{SVG}rect"]}
    told = " ".join(text.words for text in texts(root))
    assert "knows the truth" in told and "knows nothing of the user" in told and "printed in a paper" in told
    plain = " ".join(text.words for text in texts(parsed(draw(intervals((POINTS[2],))))))
    assert "knows" not in plain and "printed" not in plain


@pytest.mark.parametrize(
    "values",
    [(0.0,), (0.3,), (0.2, 0.2, 0.2), (-0.5, -0.5), (0.0, 0.0), (1e-12, 2e-12), (1e7, 3e7), (0.1, 0.1 + 1e-17)],
)
def test_equal_single_and_extreme_values_have_their_place(values: tuple[float, ...]) -> None:
    points = tuple(Point(row, "a", value, cost=5.0) for row, value in enumerate(values))
    differences = tuple(Point(row, "a", value) for row, value in enumerate(values))
    for plot in (intervals(points), scatter(points), bars(differences)):
        root = parsed(draw(plot))
        wide, high = size_of(root)
        for node in root.iter(f"{SVG}circle"):
            assert 0 < float(node.attrib["cx"]) < wide and 0 < float(node.attrib["cy"]) < high
        assert "nan" not in draw(plot).replace("sans", "")


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_has_no_place_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="no plot has a place"):
        Point(0, "a", number)
    with pytest.raises(ValueError, match="no plot has a place"):
        Point(0, "a", 1.0, cost=number)
    with pytest.raises(ValueError, match="no plot has a place"):
        Point(0, "a", 1.0, cost=-1.0)


def test_labels_of_a_scatter_lie_over_nothing() -> None:
    points = tuple(
        Point(row, f"system number {row}", 0.1 + 0.013 * (row * 7 % 11), cost=10.0 + row * row, short=str(row))
        for row in range(25)
    )
    root = parsed(draw(scatter(points)))
    groups = rows(root)
    labels = [text for group in groups.values() for text in texts(group)]
    assert len(labels) > 12, "most have room"
    marks = [circle(group) for group in groups.values()]
    for number, text in enumerate(labels):
        assert not any(text.left < x + 4 and x - 4 < text.right and text.y - 9 < y < text.y + 3 for x, y in marks)
        for other in labels[number + 1 :]:
            apart = text.right <= other.left or other.right <= text.left or abs(text.y - other.y) >= 12
            assert apart, (text, other)


def test_the_better_one_of_two_that_share_a_place_keeps_its_label() -> None:
    twins = (Point(0, "worse", 0.2, cost=5.0), Point(1, "better", 0.2001, cost=5.0), Point(2, "far", 0.9, cost=900.0))
    root = parsed(draw(scatter(twins)))
    assert [text.words for text in texts(rows(root)[1])] == ["better"]


def test_what_short_names_are_is_said_where_one_stands() -> None:
    crowd = tuple(Point(row, "a long name " * 3, 0.5 + row / 1000, cost=5.0 + row, short=f"#{row}") for row in range(9))
    for points, told in ((crowd, True), (crowd[:1], False)):
        found = [text.words for text in texts(parsed(draw(scatter(points, shorts="Places"))))]
        assert any(words.startswith("#") for words in found) == any("Places" in words for words in found) == told


def test_a_plot_within_a_page_has_no_style_of_its_own() -> None:
    for plot in PLOTS:
        alone, inline = draw(plot), draw(plot, inline=True)
        assert "<style>" in alone and 'xmlns="http://www.w3.org/2000/svg"' in alone
        assert "<style>" not in inline and "xmlns" not in inline and inline.startswith("<svg ")


def test_every_class_has_a_rule() -> None:
    for plot in PLOTS:
        root = parsed(draw(plot))
        style = root.findtext(f"{SVG}style") or ""
        for name in classes(root) - {"plot"}:
            assert f"svg.plot .{name}" in style, name


def test_the_same_data_gives_the_same_bytes_in_another_process() -> None:
    program = "from tests.reports.plots.test_plots import PLOTS, draw; print(''.join(map(draw, PLOTS)), end='')"
    for seed in ("1", "2"):
        made = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": "C", "PYTHONIOENCODING": "utf-8", "PYTHONPATH": "."},
            capture_output=True,
            check=True,
            text=True,
        )
        assert made.stdout == "".join(map(draw, PLOTS))


def test_a_plot_is_a_few_kilobytes() -> None:
    many = tuple(Point(row, "a system (epochs=20)", row / 99, row / 110, row / 90, cost=1.0 + row) for row in range(25))
    for plot in (intervals(many), scatter(many), bars(many)):
        assert len(draw(plot).encode()) < 12_000
