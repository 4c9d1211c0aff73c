"""The audit of a table as lines of a terminal."""

from __future__ import annotations

from unimp_bench.audit.table.report import VERDICT, RowAudit, TableAudit


def lines_of(audit: TableAudit) -> list[str]:
    """A title with the verdict, notes on the reading, and what was found in each row."""
    title, wrong, total = audit.table.title, len(audit.inconsistent), len(audit.rows)
    said = f"all {total} rows are consistent" if not wrong else f"{wrong} of {total} rows {VERDICT}"
    if not total:
        said = "nothing to test"
    width = max((len(row.row.system) for row in audit.rows), default=0)
    lines = [f"{title}: {said}", *(f"  note: {note}" for note in audit.table.notes)]
    for row in audit.rows:
        first, *rest = _found(row)
        lines += [f"  {row.row.system.ljust(width)}  {first}", *(f"  {' ' * width}  {line}" for line in rest)]
    return lines


def missed(row: RowAudit) -> str:
    """By how much a row misses, as a number and in units of the last digit."""
    digits = max(cell.digits for cell in row.row.cells) + 2
    return f"{row.miss:.{digits}f} ({row.units:.2f} units of the last digit)"


def _found(row: RowAudit) -> list[str]:
    if row.consistent:
        return ["consistent"]
    lines = [f"{cell} is no multiple of one over the number of examples" for cell in row.uneven]
    if row.conflict:
        lines += [f"misses by {missed(row)}", str(row.conflict)]
        lines += [f"consistent if {definition.name}" for definition in row.saved_by]
    return lines
