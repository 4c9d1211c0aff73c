"""The files of one atomic set: their columns and their lines."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from data_prep.bad_records import (
    BAD_PART,
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
PARTS_AND_LABELS = PARTS | {"0": TRAINING, "1": VALIDATION, "2": TEST}
MMREC = {
    "userID": "user_id:token",
    "itemID": "item_id:token",
    "rating": "rating:float",
    "timestamp": "timestamp:float",
    "x_label": "split:token",
}
"""The columns of MMRec's interactions, which have no types; its ``x_label`` is 0, 1 or 2."""

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
        DataError: no .inter file, or several that are not the parts of one split; or a header that lacks a column or is
            none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.domain, self._parts = _interaction_files(folder, self._find("inter"))
        self._item, user = (self._find_one(ending) for ending in ("item", "user"))
        self.left_out = [] if user is None else [user.name]
        self.timed = self.split = False

    @property
    def inter(self) -> Path:
        """The file of the interactions, of several the training part."""
        return next(iter(self._parts))

    def files(self) -> list[Path]:
        """Those that are read."""
        return [path for path in (*self._parts, self._item) if path]

    def interactions(self, bad: BadRecords) -> Iterator[Line]:
        """All sound lines, in the order of the file, and of several files one after the other.

        Raises:
            DataError: some of several files have times and others do not.
        """
        timed: dict[Path, bool] = {}
        lines_before = 0
        for path, part in self._parts.items():
            lines = read_lines(path, bad)
            names = [column.name for column in _header(path, lines, "user_id", "item_id")]
            layout = _Layout.of(path, lines_before, part, names)
            timed[path] = self.timed = layout.time is not None
            self.split = part is not None or layout.split is not None
            known = [name for name in INTERACTION_COLUMNS if part is None or name != "split"]
            self.left_out += [f"{path.name}: {name}" for name in names if name not in known]
            number = 0
            for number, line in lines:
                try:
                    interaction = layout.line(number, _cells(line, len(names)), bad)
                except BadRecord as problem:
                    bad.add_record(problem, path, number)
                else:
                    yield interaction
            lines_before += number
        if len(set(timed.values())) > 1:
            without = ", ".join(path.name for path, has_times in timed.items() if not has_times)
            raise DataError(f"{self.folder}: {without} has no column timestamp, and another part has one")

    def read_items(self, codes: dict[str, int], bad: BadRecords) -> None:
        """Keep the lines of the items that have a code, the first one of each.

        Raises:
            DataError: there are lines, and none of them is of such an item.
        """
        self._columns: list[Column] = []
        self._rows: dict[int, list[str]] = {}
        if self._item is None:
            return
        lines = read_lines(self._item, bad)
        self._columns = _header(self._item, lines, "item_id")
        names = [column.name for column in self._columns]
        place_of_item = names.index("item_id")
        floats = [place for place, column in enumerate(self._columns) if column.type == "float"]
        self.left_out += [f"{self._item.name}: {column.name}" for column in self._columns if column.type == "float_seq"]
        others: list[str] = []
        for number, line in lines:
            try:
                cells = _cells(line, len(names))
            except BadRecord as problem:
                bad.add_record(problem, self._item, number)
                continue
            for place in floats:
                if _number(cells[place]) is None:
                    if cells[place]:
                        bad.add_cell(self._item, number, names[place])
                    cells[place] = ""
            code = codes.get(cells[place_of_item])
            if code is not None:
                self._rows.setdefault(code, cells)
            elif len(others) < 3:
                others.append(cells[place_of_item])
        if others and codes and not self._rows:
            raise DataError(
                f"{self._item}: none of its lines describes an item of {self.inter.name}: ids such as "
                f"{_shown(others)} here and {_shown(codes)} there; write them in one way"
            )

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

    def _find(self, ending: str) -> list[Path]:
        return [path for pattern in (f"*.{ending}", f"*.{ending}.gz") for path in sorted(self.folder.glob(pattern))]

    def _find_one(self, ending: str) -> Path | None:
        found = self._find(ending)
        if len(found) > 1:
            names = f"{found[0].name}, {found[1].name}"
            raise DataError(f"{self.folder} has several .{ending} files ({names}); keep one set")
        return found[0] if found else None


def _interaction_files(folder: Path, found: list[Path]) -> tuple[str, dict[Path, int | None]]:
    """(name of the set, its files in the order of the parts that they are): None is the part of a file for all.

    Several files are the parts of a public split where they are called so: ``x.train.inter``, ``x.test.inter``.

    Raises:
        DataError: there is no file, or several that are not parts of one split.
    """
    if not found:
        raise DataError(f"{folder} has no .inter or .inter.gz file; put the atomic files of one set there")
    stems = [path.name.removesuffix(".gz").removesuffix(".inter") for path in found]
    if len(found) == 1:
        return stems[0], {found[0]: None}
    sets, _, parts = zip(*(stem.rpartition(".") for stem in stems), strict=True)
    codes = [PARTS.get(part) for part in parts]
    if len(set(sets)) > 1 or not sets[0] or None in codes or len(set(codes)) < len(codes):
        raise DataError(
            f"{folder} has several .inter files ({', '.join(path.name for path in found)}); keep one set, or the parts "
            "of one public split as <name>.train.inter, <name>.valid.inter and <name>.test.inter"
        )
    return sets[0], dict(sorted(zip(found, codes, strict=True), key=lambda each: each[1] or TRAINING))


@dataclass(frozen=True)
class _Layout:
    """Where the columns of a file of interactions stand, None where it has none.

    Attributes:
        lines_before: of the files before this one, so that lines order what has no times.
        part: of a public split that the whole file is.
    """

    path: Path
    lines_before: int
    part: int | None
    user: int
    item: int
    rating: int | None
    time: int | None
    split: int | None

    @classmethod
    def of(cls, path: Path, lines_before: int, part: int | None, names: list[str]) -> _Layout:
        rating, time, split = (
            names.index(name) if name in names else None for name in ("rating", "timestamp", "split")
        )
        return cls(path, lines_before, part, names.index("user_id"), names.index("item_id"), rating, time, split)

    def line(self, number: int, cells: list[str], bad: BadRecords) -> Line:
        """The interaction of a line; a rating that cannot be read is missing.

        Raises:
            BadRecord: user, item, time or part cannot be read.
        """
        user, item = cells[self.user], cells[self.item]
        if not user or not item:
            raise BadRecord(MISSING_FIELD, "item_id" if user else "user_id")
        rating = math.nan
        if self.rating is not None and cells[self.rating]:
            read = _number(cells[self.rating])
            if read is None:
                bad.add_cell(self.path, number, "rating")
            else:
                rating = read
        time = self.lines_before + number if self.time is None else _number(cells[self.time])
        if time is None or not 0 <= time <= LAST_TIME:
            raise BadRecord(BAD_TIME, "timestamp")
        part = self.part
        if part is None:
            part = TRAINING if self.split is None else PARTS_AND_LABELS.get(cells[self.split])
        if part is None:
            raise BadRecord(BAD_PART, "split")
        return Line(user, item, rating, time, part, number)


def _shown(names: Iterable[str]) -> str:
    return ", ".join(repr(name[:40]) for name in islice(names, 3))


def _header(path: Path, lines: Iterator[tuple[int, bytes]], *needed: str) -> list[Column]:
    """Take the first line off ``lines`` and parse it."""
    _, line = next(lines, (0, b""))
    columns = []
    heads = line.decode("utf-8", "replace").rstrip("\r").split("\t")
    if set(heads) >= {"userID", "itemID"}:
        heads = [MMREC.get(head, head) for head in heads]
    for head in heads:
        match = _COLUMN.fullmatch(head)
        if match is None:
            raise DataError(
                f"{path}: column {head[:40]!r} of its first line is not name:type, as in 'item_id:token', with tabs "
                "between the columns"
            )
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


def _number(cell: str) -> float | None:
    """A finite number, or None."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
