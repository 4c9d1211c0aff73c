"""Tables and paragraphs as text within the width of the terminal."""

from __future__ import annotations

import io
import shutil
import textwrap
from collections.abc import Collection, Sequence

WIDEST = 120
"""Maximum line width; also the width if the output is not a terminal."""

_GAP = 2
_NARROWEST = 6
"""Minimum width of a wrapping column."""


def terminal_width() -> int:
    """Width of the terminal (or ``COLUMNS``), at most ``WIDEST``."""
    return min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)


def columns(
    rows: Sequence[Sequence[str]], wrapping: Collection[int], right: Collection[int] = (), width: int | None = None
) -> list[str]:
    """The lines of a table; the cells of some columns wrap if lines would be too wide.

    Args:
        rows: the cells, equally many in each row.
        wrapping: indices of the columns that wrap. Lines exceed ``width`` if the other columns do.
        right: indices of right-aligned columns.
        width: maximum line width; None for that of the terminal.
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
    """Narrow the wrapping columns in place until the table fits, each time the one with the fewest lines.

    Words are broken only if necessary.
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
    """Text with refilled paragraphs; lines of paragraphs with indented lines, such as equations, are kept."""
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
