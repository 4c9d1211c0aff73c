"""Reader of RecBole's atomic files: one set of *.inter and *.item, plain or gzip.

The first line names the columns, ``name:type``; types are token, float, and token_seq, whose separator may stand in
parentheses (``categories:token_seq(|)``) and is a space otherwise. A sequence with a separator of its own is a list;
one of words at spaces is a text. Column ``category``, or else ``categories``, ``class``, ``genre`` or ``genres``,
becomes the list attribute ``category``. A set without ``timestamp`` is taken in file order. Column ``split`` of the
interactions (``train``, ``val`` or ``test``) is a public split, which the corpus keeps. What has no place in a
corpus (``*.user``, other columns of the interactions, sequences of floats) is named in the manifest as left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
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
from data_prep.interactions import Collector, Interactions
from data_prep.lines import read_lines
from data_prep.source import Source
from data_prep.spill import Spill
from unimp_bench.corpus.writer import TEST, TRAINING, VALIDATION
from unimp_bench.errors import DataError
from unimp_bench.records import BoolArray, IntArray

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


class Atomic(Source):
    """The one set in a folder.

    Raises:
        DataError: no .inter file, or several; or a header that lacks a column or is none.
    """

    name = "atomic"
    licence = "the user's own files: see their source for the terms"

    def __init__(self, raw: Path) -> None:
        self.raw = raw
        inter = self._find("inter")
        if inter is None:
            raise DataError(f"{raw} has no .inter or .inter.gz file; put the atomic files of one set there")
        self._inter, self._item = inter, self._find("item")
        self.domains = (inter.name.removesuffix(".gz").removesuffix(".inter"),)
        user = self._find("user")
        self._left_out = [] if user is None else [user.name]
        self.notes = {"left_out": self._left_out}

    def inputs(self) -> list[Path]:
        return [path for path in (self._inter, self._item) if path]

    def review_file(self, domain: int) -> Path:
        return self._inter

    def interactions(self, reviews: Spill, bad: BadRecords) -> Interactions:
        lines = read_lines(self._inter, bad)
        names = [column.name for column in _header(self._inter, lines, "user_id", "item_id")]
        user, item = names.index("user_id"), names.index("item_id")
        rating = names.index("rating") if "rating" in names else None
        time = names.index("timestamp") if "timestamp" in names else None
        split = names.index("split") if "split" in names else None
        parts = bytearray()
        self.notes["order"] = "file" if time is None else "timestamp"
        self._left_out += [f"{self._inter.name}: {name}" for name in names if name not in INTERACTION_COLUMNS]
        collector = Collector()
        collector.begin_domain()
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
                bad.add(str(problem), self._inter, number)
                continue
            collector.add(cells[user], cells[item], rated, timed, number)
            parts.append(part)
        collected = collector.finish(self.domains)
        return collected if split is None else replace(collected, parts=np.frombuffer(parts, np.uint8))

    def described(self, items: list[str], records: Spill, bad: BadRecords) -> BoolArray:
        """All are: a set may have no attributes at all, and an item none of its own."""
        self._columns: list[Column] = []
        self._rows: list[list[str] | None] = [None] * len(items)
        if self._item is not None:
            self._read_items(self._item, {name: code for code, name in enumerate(items)}, bad)
        return np.ones(len(items), dtype=np.bool_)

    def _read_items(self, path: Path, codes: dict[str, int], bad: BadRecords) -> None:
        lines = read_lines(path, bad)
        self._columns = _header(path, lines, "item_id")
        names = [column.name for column in self._columns]
        floats = [place for place, column in enumerate(self._columns) if column.type == "float"]
        self._left_out += [f"{path.name}: {column.name}" for column in self._columns if column.type == "float_seq"]
        for number, line in lines:
            try:
                cells = _cells(line, len(names))
                for place in floats:
                    if cells[place]:
                        _number(cells[place], MISSING_FIELD)
            except BadRecord as problem:
                bad.add(str(problem), path, number)
                continue
            code = codes.get(cells[names.index("item_id")])
            if code is not None and self._rows[code] is None:
                self._rows[code] = cells

    def attributes(self, items: IntArray, bad: BadRecords) -> tuple[BoolArray, dict[str, pa.Array]]:
        names = [column.name for column in self._columns]
        category = next((name for name in CATEGORY_NAMES if name in names), None)
        rows = [self._rows[code] for code in items]
        attributes: dict[str, pa.Array] = {}
        for place, column in enumerate(self._columns):
            cells = ["" if row is None else row[place] for row in rows]
            if column.name == category:
                attributes["category"] = column.lists(cells)
            elif column.name != "item_id" and column.type != "float_seq":
                attributes[column.name] = column.values(cells)
        return np.ones(len(items), dtype=np.bool_), attributes

    def _find(self, ending: str) -> Path | None:
        found = [path for pattern in (f"*.{ending}", f"*.{ending}.gz") for path in sorted(self.raw.glob(pattern))]
        if len(found) > 1:
            raise DataError(f"{self.raw} has several .{ending} files ({found[0].name}, {found[1].name}); keep one set")
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
