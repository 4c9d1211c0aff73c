"""Cells of the page's tables from metrics, tests and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unimp_bench.kinds import Column, Kind
from unimp_bench.reports.cells import COSTS, SIGNIFICANT, Line, brief, cost_cells, p_cell
from unimp_bench.reports.html.record import Cell, Head, Whisker
from unimp_bench.runs.results import Cost, Estimate

Span = tuple[float, float]
"""The ends of a column's scale."""

COST_HEADS = tuple(Head(name, first="descending" if name == "Examples/s" else "ascending") for name in COSTS)


def metric_heads(names: Sequence[str], kind: Kind) -> tuple[Head, ...]:
    """The heads of the main table's metrics; the best first."""
    return tuple(
        Head(name, first="descending" if _column(kind, name).higher_is_better else "ascending")
        for name in brief(names, kind)
    )


def aligned(heads: Sequence[Head], cells: Mapping[str, Cell]) -> tuple[Cell, ...]:
    """Cells by the name of their column in the order of all heads but the first, which is the row's own."""
    return tuple(cells.get(head.name, Cell()) for head in heads[1:])


def metric_cells(line: Line, spans: Mapping[str, Span]) -> dict[str, Cell]:
    """The cells of a line's metrics, an interval drawn where ``spans`` has the metric."""
    return {name: _metric_cell(estimate, spans.get(name)) for name, estimate in line.metrics.items()}


def spans_of(lines: Sequence[Line], names: Sequence[str], kind: Kind) -> dict[str, Span]:
    """By metric whose interval is shown: the lowest and highest end of any contestant's.

    Ceilings are far from all others: on their scale no two intervals could be told apart.
    """
    spans = {}
    contestants = [line for line in lines if not line.results[0].model.is_ceiling]
    for name in brief(names, kind):
        found = [line.metrics[name] for line in contestants if name in line.metrics]
        if found and _column(kind, name).interval:
            spans[name] = (min(each.low for each in found), max(each.high for each in found))
    return spans


def number_cell(text: str, value: float) -> Cell:
    """A text that is sorted by a number."""
    return Cell(text, f"{value:.10g}")


def p_value_cell(p_value: float | None) -> Cell:
    """A p-value."""
    if p_value is None:
        return Cell()
    return Cell(p_cell(p_value).strip("*"), f"{p_value:.10g}", strong=p_value < SIGNIFICANT)


def costs(cost: Cost | None) -> dict[str, Cell]:
    """The cells of ``COST_HEADS``; none where nobody measured."""
    if cost is None:
        return {}
    values = (cost.fit_seconds, cost.examples_per_second, cost.peak_memory_mib, cost.parameters_total)
    return {name: number_cell(text, value) for name, text, value in zip(COSTS, cost_cells(cost), values, strict=True)}


def interval_words(estimate: Estimate) -> str:
    """An interval as it is read out."""
    return f"95% interval {estimate.low:.4f} to {estimate.high:.4f}"


def _metric_cell(estimate: Estimate, span: Span | None) -> Cell:
    key, text = f"{estimate.value:.10g}", f"{estimate.value:.4f}"
    if span is None:
        return Cell(text, key)
    return Cell(text, key, aside=interval_words(estimate), whisker=_whisker(estimate, *span))


def _whisker(estimate: Estimate, low: float, high: float) -> Whisker | None:
    """An interval on the scale of its column; None where it leaves that."""
    if estimate.low < low or estimate.high > high:
        return None
    width = high - low or 1.0
    return Whisker(*(round(100 * (end - low) / width, 1) for end in (estimate.low, estimate.value, estimate.high)))


def _column(kind: Kind, name: str) -> Column:
    column = kind.column(name)
    assert column is not None
    return column
