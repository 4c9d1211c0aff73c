"""Which plots stand beside the tables of a section: rows, metric and costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from unimp_bench.metrics.scores import bootstrap_interval
from unimp_bench.records import FloatArray
from unimp_bench.reports.plots import Bars, Intervals, Plot, Point, Role, Scatter, amount, front
from unimp_bench.reports.printed import Printed, nearest, of_model, printed_rows
from unimp_bench.reports.reported import Reported
from unimp_bench.reports.scored import Scored
from unimp_bench.reports.tables import Row, Section
from unimp_bench.reports.topics import TopicRow, TopicSection
from unimp_bench.runs.results import Result

MOST_ROWS = 25
"""Rows of a plot of intervals; floors come on top of them."""

_GENERATED = "A generated corpus: its numbers say nothing about Amazon."
_BESIDE = "Fit seconds were taken beside other work on the machine that the result names."


@dataclass(frozen=True)
class Figure:
    """A plot and its name within a section.

    Attributes:
        name: tells the figures of a section apart, and is part of the file's name.
        plot: what it shows; ``plot.finding`` is its text for who cannot see it.
    """

    name: Literal["intervals", "cost", "difference"]
    plot: Plot


def section_figures(section: Section, reported: Sequence[Reported] = ()) -> list[Figure]:
    """The figures of a section of a task; none of a section with fewer than two rows.

    ``Point.row`` counts ``section.rows``.

    Args:
        section: whose rows.
        reported: the printed tables of its task.
    """
    if len(section.rows) < 2:
        return []
    points = [_point(number, row, section, reported) for number, row in enumerate(section.rows)]
    figures = [Figure("intervals", _intervals(section, points))]
    # What reads the truth is no way to quality, whatever it costs.
    priced = [point for point in points if point.cost is not None and point.role != "ceiling"]
    return [*figures, Figure("cost", _scatter(section, priced))] if len(priced) > 1 else figures


def topic_figures(section: TopicSection) -> list[Figure]:
    """The figures of a section of a topic; none where no row can be compared with the first one.

    ``Point.row`` counts ``section.rows``. Intervals are those of the difference on the same examples.
    """
    base = next(row for row in section.rows if row.results)
    values = _values(base, section)
    points = [
        _difference(number, row, base, values, section)
        for number, row in enumerate(section.rows)
        if row is base or row.test is not None
    ]
    others = sorted((point for point in points if point.role != "base"), key=lambda point: point.value)
    if not others:
        return []
    higher = _higher_is_better(section)
    said = [f"{point.label} {point.value:+.4f}" for point in (others if higher else others[::-1])]
    lead = f"Difference in {section.kind.compared} to {base.label}: "
    plot = Bars(
        title=f"{section.suite.title}: {section.title}",
        finding=lead + (f"worst {said[0]}, best {said[-1]}." if len(said) > 1 else f"{said[0]}."),
        metric=section.kind.compared,
        base=base.label,
        higher_is_better=higher,
        points=tuple(points),
        note=_GENERATED if section.corpus.synthetic else "",
    )
    return [Figure("difference", plot)]


def _intervals(section: Section, points: Sequence[Point]) -> Intervals:
    metric = section.kind.main
    shown = [point for point in points if point.row < MOST_ROWS or point.role == "floor"]
    ranked = [point for point in points if point.role != "ceiling"]
    finding = "; then ".join(f"{point.label}, {_estimate(point)}" for point in ranked[:2])
    ceilings = [f"{point.label} reaches {point.value:.4f}" for point in points if point.role == "ceiling"]
    lead = f"Best of {len(ranked)} by {metric}: {finding}" if ranked else f"{metric}"
    notes = [f"{len(shown)} of {len(points)} rows: the best, and floors."] if len(shown) < len(points) else []
    notes += [_GENERATED] if section.corpus.synthetic else []
    return Intervals(
        title=_title(section),
        finding="; ceiling ".join([lead, *ceilings]) + ".",
        metric=metric,
        higher_is_better=_higher_is_better(section),
        points=tuple(shown),
        note=" ".join(notes),
    )


def _scatter(section: Section, points: Sequence[Point]) -> Scatter:
    metric, higher = section.kind.main, _higher_is_better(section)
    steps = [f"{point.label}, {point.value:.4f} in {amount(point.cost or 0)} s" for point in front(points, higher)]
    return Scatter(
        title=_title(section),
        finding=f"No row is both better by {metric} and quicker to fit than: {'; '.join(steps)}.",
        metric=metric,
        cost="seconds to fit",
        higher_is_better=higher,
        points=tuple(points),
        note=_BESIDE + (f" {_GENERATED}" if section.corpus.synthetic else ""),
        shorts="Numbers are places in the table.",
    )


def _point(number: int, row: Row, section: Section, reported: Sequence[Reported]) -> Point:
    estimate, first = row.metrics[section.kind.main], row.results[0]
    printed = _printed(first.model.name, section, reported)
    return Point(
        row=number,
        label=row.label,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        role=_role(first),
        printed=None if printed is None else printed.row.metrics[section.kind.main],
        differs="" if printed is None else printed.differs,
        cost=None if first.cost is None else first.cost.fit_seconds,
        short="" if row.place is None else str(row.place),
    )


def _difference(number: int, row: TopicRow, base: TopicRow, values: FloatArray, section: TopicSection) -> Point:
    if row is base or row.test is None:
        return Point(number, row.label, 0.0, role="base")
    interval = bootstrap_interval(_values(row, section) - values, seed=0)
    return Point(number, row.label, row.test.difference, interval.low, interval.high)


def _values(row: TopicRow, section: TopicSection) -> FloatArray:
    """Per example, the main metric of a row."""
    return Scored(row.label, row.results, section.kind).main_values()


def _role(result: Result) -> Role:
    """A floor reads nothing of the user; of a system from elsewhere nobody here knows what it reads."""
    if result.model.is_ceiling:
        return "ceiling"
    return "floor" if set(result.model.reads) <= {"popularity"} and result.cost is not None else "row"


def _printed(model: str, section: Section, reported: Sequence[Reported]) -> Printed | None:
    """What a paper prints for a model on this corpus; a number on other data has no place on the same axis."""
    same = [table for table in reported if (table.corpus, table.split) == (section.corpus.name, section.split)]
    found = printed_rows(same, of_model(model), section.kind, section.corpus.name, section.protocol)
    return nearest(found, section.kind.main)


def _title(section: Section) -> str:
    task = section.rows[0].results[0].spec.task
    return f"{task.capitalize().replace('_', ' ')}: {section.title}"


def _estimate(point: Point) -> str:
    return f"{point.value:.4f} [{point.low:.4f}, {point.high:.4f}]"


def _higher_is_better(section: Section | TopicSection) -> bool:
    column = section.kind.column(section.kind.main)
    assert column is not None
    return column.higher_is_better
