"""The files of one atomic set: their columns and their lines."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from data_prep.bad_records import (
    BAD_PART,
    BAD_RATING,
    BAD_TIME,
    MISSING_FIELD,
    NOT_UTF8,
    WRONG_COLUMNS,
    BadRecord,
    BadRecords,
)
from data_prep.lines import read_lines
from unimp_bench.corpus.writer import TEST, TRAINING, VALIDATION
from unimp_bench.errors import DataError

CATEGORY_NAMES = ("category", "categories", "class", "genre", "genres")
RESERVED = ("item", "domain", "picture")
INTERACTION_COLUMNS = ("user_id", "item_id", "rating", "timestamp", "split")
PARTS = {"train": TRAINING, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "test": TEST}
LAST_TIME = 2.0**53  # every whole number up to here is exact as a float

_COLUMN = re.compile(r"(?P<name>[^:]+):(?P<type>token|float|token_seq|float_seq)(\((?P<separator>.+)\))?")


@dataclass(frozen=True)
class Column:
    """One typed column; ``separator`` is None where the header gives none."""

    name: str
    type: str
    separator: str | None

    def values(self, cells: list[str]) -> pa.Array:
        """The cells as an attribute, empty ones as missing."""
        if self.type == "float":
            return pa.array([float(cell) if cell else None for cell in cells], pa.float64())
        if self.type == "token_seq" and self.separator is not None:
            return self.lists(cells)
        return pa.array([cell or None for cell in cells], pa.string())

    def lists(self, cells: list[str]) -> pa.Array:
        """The cells as lists of strings; a plain token is a list of one."""
        separator = "\t" if self.type == "token" else self.separator or " "
        parts = [[part for part in cell.split(separator) if part] or None for cell in cells]
        return pa.array(parts, pa.list_(pa.string()))


class Line(NamedTuple):
    """One interaction: names, rating (NaN where there is none), time, part of a public split, number of its line."""

    user: str
    item: str
    rating: float
    time: float
    part: int
    number: int


class AtomicSet:
    """The one set in a folder.

    Attributes:
        folder: where it is.
        domain: its name, that of its interactions' file.
        timed, split: whether the interactions have times and parts of their own; known once they are read.
        left_out: what has no place in a corpus.

    Raises:
        DataError: no .inter file, or several; or a header that lacks a column or is none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        inter = self._find("inter")
        if inter is None:
            raise DataError(f"{folder} has no .inter or .inter.gz file; put the atomic files of one set there")
        self.inter, self._item = inter, self._find("item")
        self.domain = inter.name.removesuffix(".gz").removesuffix(".inter")
        user = self._find("user")
        self.left_out = [] if user is None else [user.name]
        self.timed = self.split = False

    def files(self) -> list[Path]:
        """Those that are read."""
        return [path for path in (self.inter, self._item) if path]

    def interactions(self, bad: BadRecords) -> Iterator[Line]:
        """All sound lines, in the order of the file."""
        lines = read_lines(self.inter, bad)
        names = [column.name for column in _header(self.inter, lines, "user_id", "item_id")]
        user, item = names.index("user_id"), names.index("item_id")
        rating, time, split = (
            names.index(name) if name in names else None for name in ("rating", "timestamp", "split")
        )
        self.timed, self.split = time is not None, split is not None
        self.left_out += [f"{self.inter.name}: {name}" for name in names if name not in INTERACTION_COLUMNS]
        for number, line in lines:
            try:
                cells = _cells(line, len(names))
                if not cells[user] or not cells[item]:
                    raise BadRecord(MISSING_FIELD)
                rated = math.nan if rating is None or not cells[rating] else _number(cells[rating], BAD_RATING)
                timed = number if time is None else _number(cells[time], BAD_TIME)
                if not 0 <= timed <= LAST_TIME:
                    raise BadRecord(BAD_TIME)
                part = TRAINING if split is None else PARTS.get(cells[split])
                if part is None:
                    raise BadRecord(BAD_PART)
            except BadRecord as problem:
                bad.add(str(problem), self.inter, number)
                continue
            yield Line(cells[user], cells[item], rated, timed, part, number)

    def read_items(self, codes: dict[str, int], bad: BadRecords) -> None:
        """Keep the lines of the items that have a code, the first one of each."""
        self._columns: list[Column] = []
        self._rows: dict[int, list[str]] = {}
        if self._item is None:
            return
        lines = read_lines(self._item, bad)
        self._columns = _header(self._item, lines, "item_id")
        names = [column.name for column in self._columns]
        floats = [place for place, column in enumerate(self._columns) if column.type == "float"]
        self.left_out += [f"{self._item.name}: {column.name}" for column in self._columns if column.type == "float_seq"]
        for number, line in lines:
            try:
                cells = _cells(line, len(names))
                for place in floats:
                    if cells[place]:
                        _number(cells[place], MISSING_FIELD)
            except BadRecord as problem:
                bad.add(str(problem), self._item, number)
                continue
            code = codes.get(cells[names.index("item_id")])
            if code is not None:
                self._rows.setdefault(code, cells)

    def attributes(self, items: list[int]) -> dict[str, pa.Array]:
        """Attributes of the items with these codes, missing where the set does not know an item."""
        names = [column.name for column in self._columns]
        category = next((name for name in CATEGORY_NAMES if name in names), None)
        rows = [self._rows.get(code) for code in items]
        attributes: dict[str, pa.Array] = {}
        for place, column in enumerate(self._columns):
            cells = ["" if row is None else row[place] for row in rows]
            if column.name == category:
                attributes["category"] = column.lists(cells)
            elif column.name != "item_id" and column.type != "float_seq":
                attributes[column.name] = column.values(cells)
        return attributes

    def _find(self, ending: str) -> Path | None:
        found = [path for pattern in (f"*.{ending}", f"*.{ending}.gz") for path in sorted(self.folder.glob(pattern))]
        if len(found) > 1:
            names = f"{found[0].name}, {found[1].name}"
            raise DataError(f"{self.folder} has several .{ending} files ({names}); keep one set")
        return found[0] if found else None


def _header(path: Path, lines: Iterator[tuple[int, bytes]], *needed: str) -> list[Column]:
    """Take the first line off ``lines`` and parse it."""
    _, line = next(lines, (0, b""))
    columns = []
    for head in line.decode("utf-8-sig", "replace").rstrip("\r").split("\t"):
        match = _COLUMN.fullmatch(head)
        if match is None:
            raise DataError(f"{path}: column {head[:40]!r} of its first line is not name:type, as in 'item_id:token'")
        columns.append(Column(match["name"], match["type"], match["separator"]))
    names = [column.name for column in columns]
    for name in needed:
        if name not in names:
            raise DataError(f"{path} has no column {name}:token")
    for name in names:
        if names.count(name) > 1 or name in RESERVED:
            raise DataError(f"{path}: rename its column {name!r}: it is there twice, or a corpus has one of its own")
    return columns


def _cells(line: bytes, columns: int) -> list[str]:
    try:
        cells = line.decode().rstrip("\r").split("\t")
    except UnicodeDecodeError:
        raise BadRecord(NOT_UTF8) from None
    if len(cells) != columns:
        raise BadRecord(WRONG_COLUMNS)
    return cells


def _number(cell: str, kind: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        raise BadRecord(kind) from None
    if not math.isfinite(number):
        raise BadRecord(kind)
    return number
