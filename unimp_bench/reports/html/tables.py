"""What the tables of tasks and of topics have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from unimp_bench import registry
from unimp_bench.kinds import Kind
from unimp_bench.reports.audit.corpus.record import CorpusAudit
from unimp_bench.reports.html.cells import aligned, metric_heads, number_cell
from unimp_bench.reports.html.record import Cell, Head, Line
from unimp_bench.reports.printed import Printed, nearest
from unimp_bench.reports.reported import Reported
from unimp_bench.runs.suite import SuiteRow


@dataclass(frozen=True)
class Sources:
    """What stands beside our results: the printed tables of a task or topic, and all audits."""

    reported: Sequence[Reported]
    audits: Sequence[CorpusAudit]


def printed_name(kind: Kind) -> str:
    """Name of the column of what papers print."""
    return f"Reported {kind.reported}"


def printed_heads(kind: Kind) -> tuple[Head, ...]:
    """The head of what papers print; none for a kind that has no such metric."""
    if not kind.reported:
        return ()
    return (replace(metric_heads([kind.reported], kind)[0], name=printed_name(kind)),)


def empty_line(row: SuiteRow, reason: str, heads: Sequence[Head], cells: dict[str, Cell]) -> Line:
    """A row of a suite without a result."""
    reads = registry.model_card(row.model).reads if row.model else ()
    return Line(row.label, "", row.label, "empty", reads, None, aligned(heads, cells), reason)


def words_beside(label: str, name: str) -> list[str]:
    """What a label says beside the name it begins with: ``name (words)``."""
    rest = label.removeprefix(name).strip()
    return [rest[1:-1] if rest.startswith("(") and rest.endswith(")") else rest] if rest else []


def text_of(facts: Sequence[str]) -> tuple[str, str]:
    """What numbers were taken on, and the warning that it is generated, from the lines of a markdown page."""
    warning = facts[0].strip("*") if len(facts) > 1 else ""
    return facts[-1].replace("`", ""), warning


def printed_cells(kind: Kind, found: Sequence[Printed]) -> dict[str, Cell]:
    """The cell of what papers print; none where they print nothing that is nearest."""
    best = nearest(found, kind.reported)
    return (
        {}
        if best is None
        else {printed_name(kind): number_cell(best.cell(kind.reported), best.row.metrics[kind.reported])}
    )
