"""The plot of a section: its rows on the main metric, or their differences to the first row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unimp_bench.metrics.scores import bootstrap_interval
from unimp_bench.records import FloatArray
from unimp_bench.reports.rows.scored import Scored
from unimp_bench.reports.rows.sections import Row, Section
from unimp_bench.reports.tables.plots import Plot, Point, Role
from unimp_bench.reports.tables.printed import Printed, Reported, nearest, of_model, printed_rows
from unimp_bench.runs.results import ModelFacts, Result

MOST_ROWS = 25
"""Maximum number of rows of a plot, without floors."""

_GENERATED = "Generated sample data; not Amazon."


def section_plot(section: Section, reported: Sequence[Reported] = ()) -> Plot | None:
    """The main metric of the rows of a task's section that have a place, and of upper bounds; None for fewer than two.

    ``Point.row`` counts ``section.rows``.

    Args:
        section: of a task.
        reported: the printed tables of the task.
    """
    points = [
        _point(number, row, section, reported)
        for number, row in enumerate(section.filled)
        if row.place is not None or (row.is_ceiling and section.kind.main in row.metrics)
    ]
    if len(points) < 2:
        return None
    metric = section.kind.main
    shown = [point for point in points if point.row < MOST_ROWS or point.role == "floor"]
    ranked = [point for point in points if point.role != "ceiling"]
    best = "; then ".join(
        f"{point.label}, {point.value:.4f} [{point.low:.4f}, {point.high:.4f}]" for point in ranked[:2]
    )
    ceilings = [f"{point.label} reaches {point.value:.4f}" for point in points if point.role == "ceiling"]
    lead = f"First of {len(ranked)} by {metric}: {best}" if ranked else metric
    notes = [f"{len(shown)} of {len(points)} rows: the best, and floors."] if len(shown) < len(points) else []
    notes += [_GENERATED] if section.corpus.synthetic else []
    return Plot(
        title=f"{section.task.capitalize().replace('_', ' ')}: {section.title}",
        finding="; upper bound ".join([lead, *ceilings]) + ".",
        metric=metric,
        higher_is_better=_higher_is_better(section),
        points=tuple(shown),
        note=" ".join(notes),
    )


def topic_plot(section: Section) -> Plot | None:
    """The differences to the first row of a topic's section; None without another row to compare.

    ``Point.row`` counts ``section.rows``. Intervals are those of the difference on the same examples.
    """
    assert section.suite is not None
    base = section.filled[0]
    if all(row.test is None for row in section.rows):
        return None
    bases = {row.base for row in section.rows if row.test is not None}
    values = {row.label: _values(row, section) for row in section.filled if row.test is not None or row.label in bases}
    points = [
        _difference(number, row, values)
        for number, row in enumerate(section.rows)
        if row is base or row.test is not None
    ]
    others = sorted((point for point in points if point.role != "base"), key=lambda point: point.value)
    if not others:
        return None
    higher = _higher_is_better(section)
    ordered = [f"{point.label} {point.value:+.4f}" for point in (others if higher else others[::-1])]
    lead = f"Difference in {section.kind.compared} to {base.label}: "
    return Plot(
        title=f"{section.suite.title}: {section.title}",
        finding=lead + (f"worst {ordered[0]}, best {ordered[-1]}." if len(ordered) > 1 else f"{ordered[0]}."),
        metric=section.kind.compared,
        base=base.label,
        higher_is_better=higher,
        points=tuple(points),
        note=_GENERATED if section.corpus.synthetic else "",
    )


def _point(number: int, row: Row, section: Section, reported: Sequence[Reported]) -> Point:
    estimate, first = row.metrics[section.kind.main], row.results[0]
    printed = _printed(first.model, section, reported)
    return Point(
        row=number,
        label=row.label,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        role=_role(first),
        printed=None if printed is None else printed.row.metrics[section.kind.main],
        differs="" if printed is None else printed.differs,
    )


def _difference(number: int, row: Row, values: Mapping[str, FloatArray]) -> Point:
    if row.test is None:
        return Point(number, row.label, 0.0, role="base")
    interval = bootstrap_interval(values[row.label] - values[row.base], seed=0)
    return Point(number, row.label, row.test.difference, interval.low, interval.high)


def _values(row: Row, section: Section) -> FloatArray:
    """The compared metric of a row per example."""
    return Scored(row.label, row.results, section.kind).main_values()


def _role(result: Result) -> Role:
    """A floor reads nothing of the user; unknown for imported predictions, which have no cost."""
    if result.model.is_ceiling:
        return "ceiling"
    return "floor" if set(result.model.reads) <= {"popularity"} and result.cost is not None else "row"


def _printed(model: ModelFacts, section: Section, reported: Sequence[Reported]) -> Printed | None:
    """The reported row of a model on this corpus; other data would need another axis."""
    same = [table for table in reported if (table.corpus, table.split) == (section.corpus.name, section.split)]
    found = printed_rows(same, of_model(model.name, model.preset), section.kind, section.corpus.name, section.protocol)
    return nearest(found, section.kind.main)


def _higher_is_better(section: Section) -> bool:
    column = section.kind.column(section.kind.main)
    assert column is not None
    return column.higher_is_better
