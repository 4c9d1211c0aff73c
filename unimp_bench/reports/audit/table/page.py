"""The page of the audit of all printed tables, as markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from unimp_bench.markdown import anchor, generated, table_head, table_row
from unimp_bench.reports.audit.table.program import ALTERNATIVES, STANDARD, Definition
from unimp_bench.reports.audit.table.reading import read_table
from unimp_bench.reports.audit.table.report import VERDICT, RowAudit, TableAudit, missed
from unimp_bench.reports.printed import REPORTED

PAGE = "table_audit.md"

INTRODUCTION = (
    "For each printed row: can its rounded HR, NDCG and MRR come from one ranking per example? With one relevant item "
    "all of them are sums over one histogram of target ranks, so a linear program decides "
    "([method](../docs/table_audit.md)). Sampled candidates, ties and masked items change the ranks, not the "
    "equations, and a mean over seeds has a histogram too. An inconsistent row has cells that do not belong together "
    "under the usual definitions; the test gives no reason. Alternative definitions are tried below.",
    "The cells are those of `reported/`, with the digits of the longest cell of their measure in the table. A miss is "
    "the smallest widening of the half unit of rounding, in all cells, that admits a histogram; a miss above one unit "
    "remains even if every last digit may be off by one. `unimp-bench audit table` applies the test to other tables.",
)


def audit_reported(folder: Path) -> list[TableAudit]:
    """The audits of all tables below a leaderboards folder that print rank metrics, Table 2 before Table 10.

    Raises:
        DataError: a file is not of the form of reported numbers.
    """
    paths = sorted((folder / REPORTED).glob("*.json"), key=lambda path: _natural(path.name))
    return [audit for audit in (TableAudit.of(read_table(path)) for path in paths) if audit.rows]


def table_audit_page(audits: Sequence[TableAudit]) -> str:
    """The page of some audits."""
    wrong, total = sum(len(audit.inconsistent) for audit in audits), sum(len(audit.rows) for audit in audits)
    lines = [generated("unimp-bench leaderboard", f"{REPORTED}/"), "# Audit of printed tables", ""]
    lines += [line for text in INTRODUCTION for line in (text, "")]
    lines += [f"**{wrong} of {total} printed rows {VERDICT}**; one that several tables print counts in each.", ""]
    lines += [*_summary(audits), "", *_readings(audits)]
    for audit in audits:
        lines += ["", *_section(audit)]
    return "\n".join(lines) + "\n"


def _summary(audits: Sequence[TableAudit]) -> list[str]:
    return [
        *table_head(("Table", "Rows", "Consistent", "Miss over one unit", "Largest miss", "Row")),
        *(table_row(_summary_cells(audit)) for audit in audits),
    ]


def _summary_cells(audit: TableAudit) -> list[str]:
    worst = max(audit.rows, key=lambda row: row.units)
    largest = [f"{worst.units:.2f} units", worst.row.system] if audit.inconsistent else ["", ""]
    counts = [len(audit.rows), len(audit.rows) - len(audit.inconsistent), sum(row.units > 1 for row in audit.rows)]
    title = audit.table.title
    return [f"[{title}](#{anchor(title)})", *map(str, counts), *largest]


def _readings(audits: Sequence[TableAudit]) -> list[str]:
    """How many rows of each table every definition makes consistent."""
    definitions = (STANDARD, *ALTERNATIVES)
    letters = [chr(ord("A") + place) for place in range(len(definitions))]
    return [
        "## Alternative definitions",
        "",
        "Number of consistent rows per table under other definitions of its cells. The last two are weak "
        "tests, since each of several runs has a separate histogram. A definition under which some rows become "
        "consistent and others inconsistent explains the table only if its rows were computed in different ways.",
        "",
        *(f"* **{letter}**: {definition.name}" for letter, definition in zip(letters, definitions, strict=True)),
        "",
        *table_head(("Table", "Rows", *letters)),
        *(
            table_row([audit.table.title, str(len(audit.rows)), *(_held(audit, each) for each in definitions)])
            for audit in audits
        ),
    ]


def _held(audit: TableAudit, definition: Definition) -> str:
    return str(sum(row.holds(definition) for row in audit.rows))


def _section(audit: TableAudit) -> list[str]:
    names = list(dict.fromkeys(cell.metric.name for row in audit.rows for cell in row.row.cells))
    return [
        f"## {audit.table.title}",
        "",
        *table_head(("Row", *names, "Consistent", "Misses by")),
        *(table_row(_cells(row, names)) for row in audit.rows),
        *([""] if audit.inconsistent else []),
        *(f"* {row.row.system}: {row.conflict}. {_saved(row)}" for row in audit.inconsistent),
    ]


def _cells(row: RowAudit, names: Sequence[str]) -> list[str]:
    printed = {cell.metric.name: f"{cell.value:f}" for cell in row.row.cells}
    verdict = ["yes", ""] if row.consistent else ["**no**", missed(row)]
    return [row.row.system, *(printed.get(name, "") for name in names), *verdict]


def _saved(row: RowAudit) -> str:
    return f"Consistent if {'; or if '.join(definition.name for definition in row.saved_by)}." if row.saved_by else ""


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts numbers within names by their value."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
