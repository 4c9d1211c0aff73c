"""Reads printed tables, with the digits of their cells, from JSON, CSV or Markdown."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from unimp_bench.errors import DataError
from unimp_bench.metrics.ranking import Measure, RankMetric
from unimp_bench.reports.tables.printed import read_reported


@dataclass(frozen=True)
class Cell:
    """A printed number between 0 and 1: ``count`` units of its last digit, the ``digits``-th after the point.

    Cells with different digits differ: 0.011 is not 0.0110.
    """

    metric: RankMetric
    count: int
    digits: int

    @classmethod
    def of(cls, metric: RankMetric, printed: Decimal, digits: int | None = None) -> Cell:
        """A number as printed, or with the given number of digits after the point."""
        exponent = printed.as_tuple().exponent
        assert isinstance(exponent, int), "a cell is a finite number"
        places = max(0, -exponent) if digits is None else digits
        return cls(metric, int(round(printed, places).scaleb(places)), places)

    @property
    def unit(self) -> Fraction:
        """One unit of the last digit."""
        return Fraction(1, 10**self.digits)

    @property
    def value(self) -> Decimal:
        """The number with its digits."""
        return Decimal(self.count).scaleb(-self.digits)

    def __str__(self) -> str:
        return f"{self.metric.name} {self.value:f}"


@dataclass(frozen=True)
class PrintedRow:
    """The cells of one system in printed order; some may be missing."""

    system: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class PrintedTable:
    """The rows with rank metrics, and notes on omitted columns and assumptions, one line each.

    ``source`` is that of a table of reported numbers; empty for one from elsewhere.
    """

    title: str
    rows: tuple[PrintedRow, ...]
    notes: tuple[str, ...] = ()
    source: str = ""


MAX_DIGITS = 7
"""Maximum number of tested digits, so that the solver's errors are far below one unit of the last digit."""

MAX_CUTOFF = 1000

MEASURE_NAMES: dict[str, Measure] = {
    **dict.fromkeys(("hr", "h", "hit", "hits", "hitrate", "recall", "r"), "HR"),
    **dict.fromkeys(("ndcg", "n"), "NDCG"),
    **dict.fromkeys(("mrr", "m"), "MRR"),
}
"""Names of the measures in papers, in lower case; with one relevant item recall is the hit rate."""

# A single letter needs the @: R2 and N10 mean other things.
_NAME = re.compile(r"\s*([A-Za-z]+\s*@|[A-Za-z]{2,})\s*(\d{1,9})\s*", re.ASCII)
_EMPHASIS = re.compile(r"[*_`]*([^*_`]*)[*_`]*")
_ROW_OF_MARKDOWN = re.compile(r"\s*\|.*\|\s*")
_RULE_OF_MARKDOWN = re.compile(r"\s*\|(\s*:?-+:?\s*\|)+\s*")
_BETWEEN_CELLS = re.compile(r"(?<!\\)\|")
_NUMBER = re.compile(r"(\d+(\.\d*)?|\.\d+)(e[-+]?\d{1,2})?", re.ASCII | re.IGNORECASE)
ABSENT = {"", "-", "\N{EN DASH}", "\N{EM DASH}"}
"""Texts of cells without a number."""


def metric_named(name: str) -> RankMetric | None:
    """The metric of a column's name; None if it is not a rank metric up to ``MAX_CUTOFF``."""
    match = _NAME.fullmatch(name)
    measure = MEASURE_NAMES.get(match[1].rstrip("@ ").lower()) if match else None
    if match is None or measure is None or not 1 <= int(match[2]) <= MAX_CUTOFF:
        return None
    return RankMetric(measure, int(match[2]))


def read_table(path: Path, percent: bool = False) -> PrintedTable:
    """The rows of a file with rank metrics.

    Args:
        path: ends in .json, .csv or .md; all tables of a Markdown file are read, and a CSV file may contain Markdown.
        percent: whether numbers are in percent.

    Raises:
        DataError: the file cannot be read, or a cell is not a fraction.
    """
    readers: dict[str, Callable[[Path, bool], PrintedTable]] = {
        ".json": _read_json,
        ".csv": _read_text,
        ".md": _read_text,
    }
    if path.suffix not in readers:
        raise DataError(f"{path} must be .json (as in leaderboards/reported), .csv with a header, or .md")
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
    notes = _ignored(name for row in rows for name in row["metrics"])
    if filled != found:
        notes += ("cells with fewer digits than others of their measure are assumed to lack zeros at the end",)
    return PrintedTable(f"{source}: {table.task}, {data}", filled, notes, table.source)


def _read_text(path: Path, percent: bool) -> PrintedTable:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    tables = _tables_of_markdown(lines)
    if not tables:
        if path.suffix == ".md":
            raise DataError(f"{path} has no table with a header and a line of dashes below it")
        try:
            tables = [list(enumerate(csv.reader(lines, strict=True), 1))]
        except csv.Error as error:
            raise DataError(f"{path} is not CSV ({error})") from None
    rows: list[PrintedRow] = []
    names: list[str] = []
    for table in tables:
        header, printed = _by_column(path, table)
        rows += _rows(path, printed, percent)
        names += header
    return PrintedTable(path.name, tuple(rows), _ignored(names))


def _tables_of_markdown(lines: list[str]) -> list[list[tuple[int, list[str]]]]:
    """The header and rows of each table, as cells with the number of their line."""
    tables: list[list[tuple[int, list[str]]]] = []
    below = -1  # the line that continues the table, if it is a row
    for number, line in enumerate(lines):
        if _RULE_OF_MARKDOWN.fullmatch(line) and number and _ROW_OF_MARKDOWN.fullmatch(lines[number - 1]):
            tables.append([(number, _cells_of_markdown(lines[number - 1]))])
        elif number == below and _ROW_OF_MARKDOWN.fullmatch(line):
            tables[-1].append((number + 1, _cells_of_markdown(line)))
        else:
            continue
        below = number + 1
    return tables


def _cells_of_markdown(line: str) -> list[str]:
    cells = [cell.strip().replace("\\|", "|") for cell in _BETWEEN_CELLS.split(line.strip().strip("|"))]
    return [match[1] if (match := _EMPHASIS.fullmatch(cell)) else cell for cell in cells]


def _by_column(path: Path, lines: list[tuple[int, list[str]]]) -> tuple[list[str], list[tuple[str, dict[str, str]]]]:
    """The columns except that of names, and each row's name with its cells by column."""
    if len(lines) < 2:
        raise DataError(f"{path} needs a header such as 'system,HR@5,NDCG@5' and a row below it")
    header = [name.strip() for name in lines[0][1]]
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path} has two columns {twice!r}; use a separate file for each table")
    named = metric_named(header[0]) is None
    printed = []
    for number, line in lines[1:]:
        if not line:
            continue
        if len(line) != len(header):
            raise DataError(f"{path}: line {number} has {len(line)} cells, the header {len(header)}")
        system = line[0].strip() if named else f"line {number}"
        printed.append((system, dict(zip(header, line, strict=True))))
    return header[1:] if named else header, printed


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
    """The printed fraction with its digits, rounded to at most ``MAX_DIGITS``."""
    if not _NUMBER.fullmatch(text):
        raise DataError(f"{place} is {text[:40]!r}, which is not a number such as 0.0337")
    value = Decimal(text).scaleb(-2 if percent else 0)
    if value > 1:
        most = "100 percent" if percent else "1; for numbers in percent, use --percent"
        raise DataError(f"{place} is {text[:40]}, more than {most}")
    cell = Cell.of(metric, value)
    return cell if cell.digits <= MAX_DIGITS else Cell.of(metric, value, MAX_DIGITS)


def _ignored(names: Iterable[str]) -> tuple[str, ...]:
    others = [name for name in dict.fromkeys(names) if metric_named(name) is None]
    return (f"ignored, not HR, NDCG or MRR at a K up to {MAX_CUTOFF}: {', '.join(others)}",) if others else ()
