"""What pages are put together from: cells, lines of tables, and the details below a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol as Interface

from unimp_bench.kinds import Column, Kind
from unimp_bench.markdown import generated, table_head, table_row
from unimp_bench.reports.degenerate import MARK, spread_cells
from unimp_bench.reports.labels import older_remark
from unimp_bench.reports.printed import printed_table
from unimp_bench.reports.reported import Reported
from unimp_bench.runs.results import CorpusFacts, Cost, Estimate, Result

GENERATED = generated("unimp-bench leaderboard", "results/ and reported/")
SIGNIFICANT = 0.05
COSTS = ("Fit", "Examples/s", "Memory", "Parameters")
SPREAD = ("Distinct answers", "Most frequent answer")


class Line(Interface):
    """What every line of a table has, of whatever page."""

    @property
    def label(self) -> str: ...
    @property
    def results(self) -> tuple[Result, ...]: ...
    @property
    def metrics(self) -> dict[str, Estimate]: ...
    @property
    def missing(self) -> dict[str, str]: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...


def brief(names: Iterable[str], kind: Kind) -> list[str]:
    """Of the full names of metrics those of the main table."""
    return [name for name in names if _column(kind, name).brief]


def main_cells(line: Line, names: Iterable[str], kind: Kind) -> list[str]:
    """The cells of the main table's metrics."""
    return [_value(line.metrics, name, interval=_column(kind, name).interval) for name in brief(names, kind)]


def cost_cells(cost: Cost | None) -> list[str]:
    """The cells of ``COSTS``; empty where predictions came from elsewhere and nobody measured."""
    if cost is None:
        return [""] * len(COSTS)
    return [
        _seconds(cost.fit_seconds),
        f"{cost.examples_per_second:,.0f}",
        f"{cost.peak_memory_mib:,.0f} MiB",
        _count(cost.parameters_trained, cost.parameters_total),
    ]


def marked(label: str, line: Line) -> str:
    """A label, with a mark where there is a warning."""
    return f"{label} {MARK}" if line.warnings else label


def estimate_cell(estimate: Estimate) -> str:
    """A value with its interval."""
    return f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"


def p_cell(p_value: float | None) -> str:
    """A p-value, bold where it is significant."""
    if p_value is None:
        return ""
    text = "<0.001" if p_value < 0.001 else f"{p_value:.3f}"
    return f"**{text}**" if p_value < SIGNIFICANT else text


def reasons(empty: Iterable[tuple[str, str]]) -> list[str]:
    """Why rows are empty, (label, reason) each: those of one reason together."""
    labels: dict[str, list[str]] = {}
    for label, reason in empty:
        labels.setdefault(reason, []).append(label)
    return ["", *(f"* {', '.join(names)}: {reason}" for reason, names in labels.items())] if labels else []


def reported_table(table: Reported) -> list[str]:
    """A printed table as the paper has it."""
    about, heads, rows = printed_table(table)
    return [f"**{table.source}**: {about}", "", *table_head(heads), *map(table_row, rows)]


def corpus_facts(corpus: CorpusFacts, kind: Kind, examples: int, protocol: str, fingerprint: str) -> list[str]:
    """What numbers were taken on, and whether that is generated."""
    lines = ["*Generated corpus, for tests and demonstrations: its numbers say nothing about real data.*", ""]
    return [
        *(lines if corpus.synthetic else []),
        f"{corpus.users:,} users, {corpus.items:,} items, {corpus.interactions:,} interactions, {corpus.pictures:,} "
        f"pictures; {kind.account(examples, corpus.catalogue, protocol)}. Corpus `{fingerprint[:12]}`.",
    ]


def remarks(lines: Sequence[Line]) -> list[str]:
    """What readers must know of rows and of single results, and why cells are empty."""
    notes = [(marked(line.label, line), warning) for line in lines for warning in line.warnings]
    notes += [(line.label, remark) for line in lines for result in line.results for remark in remarks_of(result)]
    notes += [(name, f"empty: {reason}") for line in lines for name, reason in line.missing.items()]
    return ["", *(f"* {about}: {note}" for about, note in dict.fromkeys(notes))] if notes else []


def remarks_of(result: Result) -> tuple[str, ...]:
    """What a result says of itself, and that it is of an earlier version."""
    older = older_remark(result)
    return (*result.remarks, older) if older else result.remarks


def details(lines: Sequence[Line], names: Sequence[str], first: str, further: Iterable[Result] = ()) -> list[str]:
    """Every metric of every line, how far its answers differ, and the command of each result, behind a fold.

    The commands of ``further`` come last; how far answers differ has columns only where it is known of any line.
    """
    spreads = {line.label: spread_cells(line.results) for line in lines}
    heads = SPREAD if any(map(any, spreads.values())) else ()
    return [
        "",
        "<details><summary>All metrics, and the command of each row</summary>",
        "",
        *table_head((first, *names, *heads)),
        *(
            table_row((line.label, *(_value(line.metrics, name) for name in names), *spreads[line.label][: len(heads)]))
            for line in lines
        ),
        "",
        "```sh",
        *(_command(result) for line in lines for result in line.results),
        *map(_command, further),
        "```",
        "",
        "</details>",
    ]


def _command(result: Result) -> str:
    origin = result.provenance
    mark = "" if origin.clean else ", with changes"
    again = "" if result.cost is None else f", reproduce {result.spec.key[:12]}"
    return f"{origin.command}  # commit {origin.commit[:12] or 'unknown'}{mark}{again}"


def _column(kind: Kind, name: str) -> Column:
    column = kind.column(name)
    assert column is not None
    return column


def _value(metrics: Mapping[str, Estimate], name: str, interval: bool = False) -> str:
    """A cell; empty where there is no such metric."""
    if name not in metrics:
        return ""
    return estimate_cell(metrics[name]) if interval else f"{metrics[name].value:.4f}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _count(trained: int, total: int) -> str:
    if not total:
        return "0"
    return f"{total:,}" if trained == total else f"{trained:,} of {total:,}"
