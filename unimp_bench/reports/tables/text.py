"""Tables as text within the width of the terminal, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from unimp_bench.reports.tables.columns import columns, paragraphs
from unimp_bench.reports.tables.table import DEGENERATE, Table

_DIGITS = 6
"""Of numbers in CSV: the last bits of a mean depend on the machine."""


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
    """All metrics of all rows with results, one per line, with 95% intervals, seeds, budget, flags and run keys."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    about = ("table", "corpus", "split", "protocol", "options", "place", "mark", "row", "seeds", "steps", "flags", "p")
    writer.writerow((*about, "metric", "value", "low", "high", "keys"))
    for table in tables:
        for row in table.filled:
            assert row.details is not None
            p = table.cell(row, "p").text
            place = "" if row.place is None else row.place
            steps = "" if row.steps is None else row.steps
            texts = (table.title, table.corpus, table.split, table.protocol, table.options)
            head = (*map(_harmless, texts), place, row.mark, _harmless(row.label))
            head = (*head, row.seeds, steps, "; ".join(row.flags), p)
            keys = " ".join(run.key for run in row.details.runs)
            for name, found in row.details.metrics.items():
                numbers = (round(each, _DIGITS) for each in (found.value, found.low, found.high))
                writer.writerow((*head, name, *numbers, keys))
            for judge in table.judging.columns:
                if (mean := judge.scores.get(row.label)) is not None:
                    numbers = (round(each, _DIGITS) for each in (mean.value, mean.low, mean.high))
                    writer.writerow((*head, _harmless(judge.head), *numbers, keys))
    return file.getvalue()


def _harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
