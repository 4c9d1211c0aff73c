"""Rows of a CSV file, streamed, with bad ones counted."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from data_prep.bad_records import NOT_UTF8, WRONG_COLUMNS, BadRecords
from data_prep.lines import read_lines


def read_rows(path: Path, bad: BadRecords) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the row's last line, its cells); quoted cells may run over lines, blank lines are left out.

    Raises:
        DataError: the file cannot be read or ends too early, or more than 5% of its lines are bad.
    """
    place = [0]
    rows = csv.reader(_texts(path, bad, place), strict=True)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:  # a quote without its partner, or a cell beyond the module's limit of 128 KiB
            if "unexpected end" in str(error):
                bad.cut(path, place[0])
            bad.add(WRONG_COLUMNS, path, place[0])
            continue
        yield place[0], row


def _texts(path: Path, bad: BadRecords, place: list[int]) -> Iterator[str]:
    for number, line in read_lines(path, bad):
        place[0] = number
        try:
            yield line.decode() + "\n"
        except UnicodeDecodeError:
            bad.add(NOT_UTF8, path, number)
