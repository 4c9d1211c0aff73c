"""Tables from files: the JSON of ``leaderboards/reported/`` and CSV with a header.

Digits are read from the text of a number, so ``0.0110`` has four. A transcription into JSON may have lost such zeros:
there a cell has the digits of the longest cell of its measure in the table. A CSV is taken as it stands.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path

from unimp_bench.audit.table.cells import Cell, PrintedRow, PrintedTable
from unimp_bench.errors import DataError
from unimp_bench.metrics.ranking import Measure, RankMetric
from unimp_bench.reported import read_reported

MAX_DIGITS = 7
"""Digits after the point that are tested; the solver's errors stay far below a unit of the last one."""

MAX_CUTOFF = 1000

MEASURE_NAMES: dict[str, Measure] = {
    **dict.fromkeys(("hr", "h", "hit", "hits", "hitrate", "recall", "r"), "HR"),
    **dict.fromkeys(("ndcg", "n"), "NDCG"),
    **dict.fromkeys(("mrr", "m"), "MRR"),
}
"""What papers call the measures, in lower case; with one relevant item the recall is the hit rate."""

_NAME = re.compile(r"\s*([A-Za-z]+)\s*@\s*(\d{1,9})\s*", re.ASCII)
_NUMBER = re.compile(r"(\d+(\.\d*)?|\.\d+)(e[-+]?\d{1,2})?", re.ASCII | re.IGNORECASE)
ABSENT = {"", "-", "\N{EN DASH}", "\N{EM DASH}"}
"""What stands in a cell without a number."""


def metric_named(name: str) -> RankMetric | None:
    """The metric that a column's name means; None where it is no rank metric up to ``MAX_CUTOFF``."""
    match = _NAME.fullmatch(name)
    measure = MEASURE_NAMES.get(match[1].lower()) if match else None
    if match is None or measure is None or not 1 <= int(match[2]) <= MAX_CUTOFF:
        return None
    return RankMetric(measure, int(match[2]))


def read_table(path: Path, percent: bool = False) -> PrintedTable:
    """The rows of a file that have rank metrics.

    Args:
        path: ends in .json or .csv.
        percent: its numbers are in percent.

    Raises:
        DataError: it cannot be read, or a cell is no fraction.
    """
    readers: dict[str, Callable[[Path, bool], PrintedTable]] = {".json": _read_json, ".csv": _read_csv}
    if path.suffix not in readers:
        raise DataError(f"{path} is neither .json (as in leaderboards/reported) nor .csv with a header")
    try:
        return readers[path.suffix](path, percent)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text") from None


def _read_json(path: Path, percent: bool) -> PrintedTable:
    table = read_reported(path)
    source, data = table.source.split("; ")[0], re.split(r"; | \(", table.data)[0]
    rows = json.loads(path.read_bytes(), parse_float=Decimal, parse_int=Decimal)["rows"]
    printed = [(row["system"], {name: str(value) for name, value in row["metrics"].items()}) for row in rows]
    found = _rows(path, printed, percent)
    longest: dict[Measure, int] = {}
    for cell in (cell for row in found for cell in row.cells):
        longest[cell.metric.measure] = max(cell.digits, longest.get(cell.metric.measure, 0))
    filled = tuple(
        PrintedRow(row.system, tuple(Cell.of(c.metric, c.value, longest[c.metric.measure]) for c in row.cells))
        for row in found
    )
    notes = _left_out(name for row in rows for name in row["metrics"])
    if filled != found:
        notes += ("a cell with fewer digits than others of its measure is taken to have lost zeros at its end",)
    return PrintedTable(f"{source}: {table.task}, {data}", filled, notes)


def _read_csv(path: Path, percent: bool) -> PrintedTable:
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), strict=True))
    except csv.Error as error:
        raise DataError(f"{path} is no CSV ({error})") from None
    if len(lines) < 2:
        raise DataError(f"{path} needs a header such as 'system,HR@5,NDCG@5' and a row below it")
    header = [name.strip() for name in lines[0]]
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path} has two columns {twice!r}; give each table a file of its own")
    named = metric_named(header[0]) is None
    printed = []
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        if len(line) != len(header):
            raise DataError(f"{path}: line {number} has {len(line)} cells, the header {len(header)}")
        system = line[0].strip() if named else f"line {number}"
        printed.append((system, dict(zip(header, line, strict=True))))
    return PrintedTable(path.name, _rows(path, printed, percent), _left_out(header[1:] if named else header))


def _rows(path: Path, printed: list[tuple[str, dict[str, str]]], percent: bool) -> tuple[PrintedRow, ...]:
    rows = []
    for system, texts in printed:
        cells = [
            _cell(metric, text.strip(), f"{path}: {name} of {system[:40]}", percent)
            for name, text in texts.items()
            if (metric := metric_named(name)) and text.strip() not in ABSENT
        ]
        rows += [PrintedRow(system, tuple(cells))] if cells else []
    return tuple(rows)


def _cell(metric: RankMetric, text: str, place: str, percent: bool) -> Cell:
    """The fraction that is printed, with its digits; more than ``MAX_DIGITS`` are rounded."""
    if not _NUMBER.fullmatch(text):
        raise DataError(f"{place} is {text[:40]!r}, which is no number such as 0.0337")
    value = Decimal(text).scaleb(-2 if percent else 0)
    if value > 1:
        most = "100 percent" if percent else "1; if that is percent, say --percent"
        raise DataError(f"{place} is {text[:40]}, more than {most}")
    cell = Cell.of(metric, value)
    return cell if cell.digits <= MAX_DIGITS else Cell.of(metric, value, MAX_DIGITS)


def _left_out(names: Iterable[str]) -> tuple[str, ...]:
    others = [name for name in dict.fromkeys(names) if metric_named(name) is None]
    return (f"left out, no HR, NDCG or MRR at a K up to {MAX_CUTOFF}: {', '.join(others)}",) if others else ()
