"""Tables that give the original names of numbered users or items."""

from __future__ import annotations

from pathlib import Path

from data_prep.raw_files import BadRecords, read_lines
from unimp_bench.errors import DataError


class Names:
    """Names by number as in the interactions; without a file, every number is its own name.

    Args:
        path: lines of name and number, separated by a tab.
        column: the column of the numbers, if the first line names the columns (which may then be in any order and
            separated by commas); None for a file without header.

    Raises:
        DataError: a line is not a name and a number, or a number or a name occurs twice.
    """

    def __init__(self, path: Path, column: str | None = None) -> None:
        self.path = path if path.is_file() else None
        self._by_number = {} if self.path is None else _read(path, column)

    def __getitem__(self, number: str) -> str:
        if self.path is None:
            return number
        try:
            return self._by_number[number]
        except KeyError:
            raise DataError(f"{self.path} has no name of {number[:40]!r}; use the file of the same set") from None


def _read(path: Path, column: str | None) -> dict[str, str]:
    names: dict[str, str] = {}
    separator, place = "\t", 1
    for number, line in read_lines(path, BadRecords()):
        text = line.decode("utf-8", "replace").rstrip("\r")
        if column is not None and not names and number == 1:
            separator = "\t" if "\t" in text else ","
            head = text.split(separator)
            if len(head) != 2 or column not in head:
                raise DataError(f"{path} has no two columns of names and {column} in its first line")
            place = head.index(column)
            continue
        cells = text.split(separator)
        if len(cells) != 2 or not all(cells) or "\ufffd" in text:
            raise DataError(f"{path}, line {number}: not a name and a number")
        if names.setdefault(cells[place], cells[1 - place]) != cells[1 - place]:
            raise DataError(f"{path}, line {number}: {cells[place][:40]!r} has another name in an earlier line")
    if len(set(names.values())) < len(names):
        raise DataError(f"{path}: one name stands for several numbers")
    return names
