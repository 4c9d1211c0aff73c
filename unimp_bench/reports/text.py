"""Tables as text within the width of the terminal, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from unimp_bench.reports.columns import columns, paragraphs
from unimp_bench.reports.table import DEGENERATE, Table


def table_text(table: Table) -> str:
    """The metrics of a table; long labels are wrapped, warnings are below the table."""
    names = [column.name for column in table.columns if column.is_metric]
    rows = table.filled if table.ranked else table.rows
    lines = [(f"{'#' if table.ranked else 'seed':>4}", "model", *names)]
    for row in rows:
        begin = (
            str(row.seeds or "-")
            if not table.ranked
            else "~"
            if row.mark == "ceiling"
            else "-"
            if row.place is None
            else str(row.place)
        )
        lines.append((begin, row.marked, *(table.cell(row, name).text or "-" for name in names)))
    notes = " (generated corpus)" if table.generated else ""
    notes += " (file-order artefact: sequential models rank too high)" if table.order else ""
    found = [paragraphs(table.title + notes)]
    found += columns(lines, wrapping=(1,), right=(0, *range(2, 2 + len(names))))
    found += [paragraphs(f"   {DEGENERATE} {row.label}: {warning}") for row in rows for warning in row.warnings]
    if table.ranked and any(row.mark == "ceiling" for row in rows):
        found.append("   ~ upper bound: uses the ground truth of the generated corpus")
    return "\n".join(found)


def tables_csv(tables: Iterable[Table]) -> str:
    """All metrics of all rows with results, one per line, with 95% intervals."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("table", "place", "row", "seeds", "metric", "value", "low", "high"))
    for table in tables:
        for row in table.rows:
            for name, found in row.details.metrics.items() if row.details else ():
                place = "" if row.place is None else row.place
                numbers = (found.value, found.low, found.high)
                writer.writerow((table.title, place, row.label, row.seeds, name, *numbers))
    return file.getvalue()
