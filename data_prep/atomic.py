"""Reader of RecBole's atomic files: a set of *.inter and *.item, plain or gzip, or several sets, one folder each.

The first line names the columns, ``name:type``; types are token, float, and token_seq, whose separator may be given in
parentheses (``categories:token_seq(|)``) and is a space otherwise. A sequence with an explicit separator is a list, one
of words separated by spaces a text. Column ``category``, or else ``categories``, ``class``, ``genre`` or ``genres``,
becomes the list attribute ``category``. A set without ``timestamp`` is in file order. Ratings, and floats of items,
that are not numbers are missing values. A public split, which the corpus keeps, is a column ``split`` of the
interactions (``train``, ``val`` or ``test``), or one file per part (``x.train.inter``, ``x.valid.inter``,
``x.test.inter``), or the column ``x_label`` of MMRec, whose untyped header (``userID``, ``itemID``...) is supported.
Unsupported content (``*.user``, other columns of the interactions, sequences of floats) is listed in the manifest.

Several sets make one corpus, one domain per set: users belong to their set, and items of the same name are one item,
with the attributes of the first set that has them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_prep.interactions import Interaction, Spill
from data_prep.raw_files import (
    BAD_PART,
    BAD_TIME,
    MISSING_FIELD,
    NOT_UTF8,
    WRONG_COLUMNS,
    BadRecord,
    BadRecords,
    read_lines,
)
from data_prep.source import ItemTable, Source
from unimp_bench.corpus.writer import TEST, TRAINING, VALIDATION
from unimp_bench.errors import DataError

CATEGORY_NAMES = ("category", "categories", "class", "genre", "genres")
RESERVED = ("item", "domain", "picture")
INTERACTION_COLUMNS = ("user_id", "item_id", "rating", "timestamp", "split")
HISTORY = "item_id_list"
PARTS = {"train": TRAINING, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "test": TEST}
PARTS_AND_LABELS = PARTS | {"0": TRAINING, "1": VALIDATION, "2": TEST}
MMREC = {
    "userID": "user_id:token",
    "itemID": "item_id:token",
    "rating": "rating:float",
    "timestamp": "timestamp:float",
    "x_label": "split:token",
}
"""Columns of MMRec's interactions, which have no types; ``x_label`` is 0, 1 or 2."""

LAST_TIME = 2.0**53  # larger integers are not exact as floats

_COLUMN = re.compile(r"(?P<name>[^:]+):(?P<type>token|float|token_seq|float_seq)(\((?P<separator>.+)\))?")


@dataclass(frozen=True)
class Column:
    """A typed column; ``separator`` is None if the header gives none."""

    name: str
    type: str
    separator: str | None

    def values(self, cells: list[str]) -> pa.Array:
        """The cells as an attribute; empty ones are missing."""
        if self.type == "float":
            return pa.array([float(cell) if cell else None for cell in cells], pa.float64())
        if self.type == "token_seq" and self.separator is not None:
            return self.lists(cells)
        return pa.array([cell or None for cell in cells], pa.string())

    def lists(self, cells: list[str]) -> pa.Array:
        """The cells as lists of strings; a plain token is a list of length one."""
        separator = "\t" if self.type == "token" else self.separator or " "
        parts = [[part for part in cell.split(separator) if part] or None for cell in cells]
        return pa.array(parts, pa.list_(pa.string()))


class Atomic(Source):
    """The sets of one or several folders, in the order of the folders.

    Raises:
        DataError: a folder holds no set or several, or two sets have files of the same name.
    """

    name = "atomic"
    licence = "the user's own files: see their source for the terms"

    def __init__(self, raw: Path, further: tuple[Path, ...] = ()) -> None:
        self.raw = raw
        self._sets = [_AtomicSet(folder) for folder in (raw, *further)]
        self.domains = tuple(each.domain for each in self._sets)
        _check_names(self.inputs())
        self.notes = {"left_out": []}

    def inputs(self) -> list[Path]:
        return [path for each in self._sets for path in each.files()]

    def interactions_file(self, domain: int) -> Path:
        return self._sets[domain].inter

    def interactions(self, domain: int, bad: BadRecords) -> Iterator[Interaction]:
        yield from self._sets[domain].interactions(bad)
        read = self._sets[: domain + 1]
        without = [each.domain for each in read if not each.split]
        if 0 < len(without) < len(read):
            raise DataError(
                f"{', '.join(without)} has no column split, unlike another set; give all of them a split or none"
            )

    def items(self, names: list[str], records: Spill, bad: BadRecords) -> ItemTable:
        """All items count as described: sets and items may lack attributes."""
        orders = ["timestamp" if each.timed else "file" for each in self._sets]
        self.notes["order"] = orders[0] if len(set(orders)) == 1 else dict(zip(self.domains, orders, strict=True))
        codes = {name: code for code, name in enumerate(names)}
        merged: dict[str, pa.Array] = {}
        for each in self._sets:
            for name, column in each.attributes(codes, bad).items():
                earlier = merged.get(name)
                if earlier is not None and earlier.type != column.type:
                    raise DataError(
                        f"{each.folder}: attribute {name!r} has type {column.type}, but {earlier.type} in an earlier "
                        "set; use one type or two names"
                    )
                merged[name] = column if earlier is None else pc.coalesce(earlier, column)
        self.notes["left_out"] = [name for each in self._sets for name in each.left_out]
        return ItemTable(np.ones(len(names), dtype=np.bool_), merged)

    def picture_files(self) -> Iterable[Path]:
        return chain.from_iterable(each.folder.glob("images/*") for each in self._sets)


def _check_names(files: Iterable[Path]) -> None:
    """Reject files of the same name: the manifest and the places of bad lines name files without folders."""
    known: dict[str, Path] = {}
    for path in files:
        other = known.setdefault(path.name.removesuffix(".gz"), path)
        if other != path:
            raise DataError(f"{other} and {path} have the same name; rename one of the sets")


class _AtomicSet:
    """The set of a folder.

    Attributes:
        folder: its folder.
        domain: name of the interactions' file.
        timed, split: whether the interactions have times and parts; known after reading them.
        left_out: unsupported content.

    Raises:
        DataError: no .inter file, or several that are not the parts of one split; or a missing or invalid column of a
            header.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.domain, self._parts = _interaction_files(folder, self._find("inter"))
        self._item, user = (self._find_one(ending) for ending in ("item", "user"))
        self.left_out = [] if user is None else [user.name]
        self.timed = self.split = False

    @property
    def inter(self) -> Path:
        """The file of the interactions, or of their training part."""
        return next(iter(self._parts))

    def files(self) -> list[Path]:
        """The files to read."""
        return [path for path in (*self._parts, self._item) if path]

    def interactions(self, bad: BadRecords) -> Iterator[Interaction]:
        """All valid lines in file order, one file after the other.

        Raises:
            DataError: only some of the files have times, or lines have histories.
        """
        timed: dict[Path, bool] = {}
        lines_before = 0
        for path, part in self._parts.items():
            lines = read_lines(path, bad)
            names = [column.name for column in _header(path, lines, "user_id", "item_id")]
            if HISTORY in names:
                raise DataError(f"{path} has histories in column {HISTORY}, as sets of UniSRec: build it as unisrec")
            timed[path] = self.timed = "timestamp" in names
            self.split = part is not None or "split" in names
            known = [name for name in INTERACTION_COLUMNS if part is None or name != "split"]
            self.left_out += [f"{path.name}: {name}" for name in names if name not in known]
            number = 0
            for number, line in lines:
                try:
                    cells = dict(zip(names, _cells(line, len(names)), strict=True))
                    user, item = _named(cells, "user_id"), _named(cells, "item_id")
                    rating = _number(cells["rating"]) if cells.get("rating") else math.nan
                    if rating is None:
                        bad.add_cell(path, number, "rating")
                    time = _time(cells["timestamp"]) if self.timed else lines_before + number
                    own = _part(cells["split"]) if self.split and part is None else part
                except BadRecord as problem:
                    bad.add_record(problem, path, number)
                    continue
                yield Interaction(user, item, math.nan if rating is None else rating, time, number, own)
            lines_before += number
        if len(set(timed.values())) > 1:
            without = ", ".join(path.name for path, has_times in timed.items() if not has_times)
            raise DataError(f"{self.folder}: {without} has no column timestamp, unlike another part")

    def attributes(self, codes: dict[str, int], bad: BadRecords) -> dict[str, pa.Array]:
        """Attributes of the items by code; missing for items that the set does not describe.

        Raises:
            DataError: the set describes items, but none of the given ones.
        """
        if self._item is None:
            return {}
        lines = read_lines(self._item, bad)
        columns = _header(self._item, lines, "item_id")
        names = [column.name for column in columns]
        own = names.index("item_id")
        floats = [index for index, column in enumerate(columns) if column.type == "float"]
        self.left_out += [f"{self._item.name}: {column.name}" for column in columns if column.type == "float_seq"]
        rows: list[list[str] | None] = [None] * len(codes)  # the first line of each item
        others: list[str] = []
        for number, line in lines:
            try:
                cells = _cells(line, len(names))
            except BadRecord as problem:
                bad.add_record(problem, self._item, number)
                continue
            for index in floats:
                if _number(cells[index]) is None:
                    if cells[index]:
                        bad.add_cell(self._item, number, names[index])
                    cells[index] = ""
            code = codes.get(cells[own])
            if code is not None:
                rows[code] = rows[code] or cells
            elif len(others) < 3:
                others.append(cells[own])
        if others and codes and not any(rows):
            raise DataError(
                f"{self._item}: no line describes an item of {self.inter.name}; its ids are like {_shown(others)}, "
                f"those of the interactions like {_shown(codes)}; use the same ids in both"
            )
        category = next((name for name in CATEGORY_NAMES if name in names), None)
        attributes: dict[str, pa.Array] = {}
        for index, column in enumerate(columns):
            cells = ["" if row is None else row[index] for row in rows]
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
    """(name of the set, its files in the order of their parts); the part of a single file is None.

    Several files are the parts of a public split if they are named so: ``x.train.inter``, ``x.test.inter``.

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


def _shown(names: Iterable[str]) -> str:
    return ", ".join(repr(name[:40]) for name in islice(names, 3))


def _header(path: Path, lines: Iterator[tuple[int, bytes]], *needed: str) -> list[Column]:
    """Consume and parse the first line."""
    _, line = next(lines, (0, b""))
    columns = []
    heads = line.decode("utf-8", "replace").rstrip("\r").split("\t")
    if set(heads) >= {"userID", "itemID"}:
        heads = [MMREC.get(head, head) for head in heads]
    for head in heads:
        match = _COLUMN.fullmatch(head)
        if match is None:
            raise DataError(
                f"{path}: column {head[:40]!r} of the first line is not name:type, such as 'item_id:token', with tabs "
                "between columns"
            )
        columns.append(Column(match["name"], match["type"], match["separator"]))
    names = [column.name for column in columns]
    for name in needed:
        if name not in names:
            raise DataError(f"{path} has no column {name}:token")
    for name in names:
        if names.count(name) > 1 or name in RESERVED:
            raise DataError(f"{path}: rename column {name!r}: it is repeated or a reserved name")
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


def _named(cells: dict[str, str], column: str) -> str:
    if not cells[column]:
        raise BadRecord(MISSING_FIELD, column)
    return cells[column]


def _time(cell: str) -> float:
    time = _number(cell)
    if time is None or not 0 <= time <= LAST_TIME:
        raise BadRecord(BAD_TIME, "timestamp")
    return time


def _part(cell: str) -> int:
    if cell not in PARTS_AND_LABELS:
        raise BadRecord(BAD_PART, "split")
    return PARTS_AND_LABELS[cell]
