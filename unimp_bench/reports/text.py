"""Tables as text for a terminal, no line wider than it, and as CSV."""

from __future__ import annotations

import csv
import io
import shutil
import textwrap
from collections.abc import Collection, Iterable, Sequence

from unimp_bench.reports.table import DEGENERATE, Table

WIDEST = 120
"""Columns of a line at most, and where the output is no terminal."""

_GAP = 2
_NARROWEST = 6
"""Letters of a wrapping column at least."""


def terminal_width() -> int:
    """Columns of the terminal (or of ``COLUMNS``), at most ``WIDEST``."""
    return min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)


def columns(
    rows: Sequence[Sequence[str]], wrapping: Collection[int], right: Collection[int] = (), width: int | None = None
) -> list[str]:
    """The lines of a table; the cells of some columns go on below themselves where the lines would be too wide.

    Args:
        rows: the cells, the same number in each.
        wrapping: numbers of the columns that wrap. The others stay whole, so lines are wider than ``width`` where
            those alone are.
        right: numbers of the columns that are set to the right.
        width: of the lines; None for the terminal's.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    gaps = _GAP * (len(widths) - 1)
    _narrow(widths, rows, wrapping, (width or terminal_width()) - gaps)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))
    for number, wide in enumerate(widths):
        table.add_column(width=wide, overflow="fold", justify="right" if number in right else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(file=io.StringIO(), width=sum(widths) + gaps, color_system=None)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def _narrow(widths: list[int], rows: Sequence[Sequence[str]], wrapping: Collection[int], room: int) -> None:
    """Take letters from the columns that wrap until all fit, each time where that gives the fewest lines.

    Words are broken only where all fits in no other way.
    """
    cells = list(zip(*rows, strict=True))
    letters = {number: sum(map(len, cells[number])) for number in wrapping}
    longest = {
        number: max((len(word) for cell in cells[number] for word in cell.split()), default=1) for number in wrapping
    }
    for narrowest in (longest, dict.fromkeys(wrapping, _NARROWEST)):
        while sum(widths) > room:
            free = [number for number in wrapping if widths[number] > narrowest[number]]
            if not free:
                break
            widths[min(free, key=lambda number: letters[number] / (widths[number] - 1))] -= 1


def paragraphs(text: str, width: int | None = None) -> str:
    """Text whose paragraphs are filled anew; indented lines, such as equations, stay lines of their own."""
    width = width or terminal_width()
    found = []
    for part in text.split("\n\n"):
        lines = part.splitlines()
        if any(line[:1].isspace() for line in lines):
            wrapped = [_line(line, width) for line in lines]
        else:
            wrapped = [textwrap.fill(part, width, break_on_hyphens=False)]
        found.append("\n".join(wrapped))
    return "\n\n".join(found)


def _line(line: str, width: int) -> str:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(line, width, subsequent_indent=f"{indent}    ", break_on_hyphens=False)


def table_text(table: Table) -> str:
    """A table's metrics, one value per cell; a long label goes on below itself, warnings stand below the table."""
    names = [column.name for column in table.columns if column.is_metric]
    rows = table.filled if table.ranked else table.rows
    lines = [(f"{'#' if table.ranked else 'seed':>4}", "model", *names)]
    for row in rows:
        begin = str(row.seeds or "-") if not table.ranked else "~" if row.mark == "ceiling" else str(row.place)
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
    """Every metric of every row with a result, one per line, with its 95% interval."""
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
