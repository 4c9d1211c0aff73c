"""Folders of UniSRec and MISSRec: ``<name>.train.inter``, ``.valid.inter`` and ``.test.inter`` with histories.

A line has a user, the last items before the target (``item_id_list``, oldest first, at most 50) and the target
(``item_id``). The training part has one line for every prefix of a user's sequence, so each line adds one item only;
the targets of the other parts are the public split. ``<name>.user2index`` and ``<name>.item2index`` give the names of
the numbers, and ``<name>.text`` has one text per named item, which becomes the attribute ``description``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_prep.formats.names import Names
from data_prep.formats.sequences import one_file
from data_prep.interactions import Interaction, Spill
from data_prep.raw_files import BadRecords, read_lines
from data_prep.source import ItemTable, Source
from unimp_bench.corpus.writer import TEST, TRAINING, VALIDATION
from unimp_bench.errors import DataError

PARTS = {"train": TRAINING, "valid": VALIDATION, "test": TEST}
HEADER = "user_id:token\titem_id_list:token_seq\titem_id:token"
TEXT_HEADER = "item_id:token\ttext:token_seq"


class UniSRec(Source):
    """One domain.

    Raises:
        DataError: a file of a part is missing, or a table of names is invalid.
    """

    name = "unisrec"
    licence = "the user's own files: see their source for the terms"

    def __init__(self, raw: Path) -> None:
        self.raw, self.notes = raw, {"order": "position"}
        stem = one_file(raw, ".train.inter").name.removesuffix(".train.inter")
        self.domains = (stem,)
        self._parts = {raw / f"{stem}.{part}.inter": code for part, code in PARTS.items()}
        for path in self._parts:
            if not path.is_file():
                raise DataError(f"{raw} has no {path.name}")
        self._users, self._items = (Names(raw / f"{stem}.{table}") for table in ("user2index", "item2index"))
        self._text = raw / f"{stem}.text"

    def inputs(self) -> list[Path]:
        texts = [self._text] if self._text.is_file() else []
        return [*self._parts, *texts, *(names.path for names in (self._users, self._items) if names.path)]

    def interactions_file(self, domain: int) -> Path:
        return next(iter(self._parts))

    def interactions(self, domain: int, bad: BadRecords) -> Iterator[Interaction]:
        sequences: dict[str, list[str]] = {}
        for path, part in self._parts.items():
            for line, (user, listed, target) in _rows(path, HEADER):
                history = listed.split(" ")
                if not all((*history, target)):
                    raise DataError(f"{path}, line {line}: an item is empty")
                sequence = sequences.get(user)
                if sequence is None:  # items before the first target belong to no line of their own
                    sequence = sequences[user] = []
                    for item in history:
                        yield self._row(user, item, len(sequence), line, TRAINING)
                        sequence.append(item)
                elif sequence[-len(history) :] != history:
                    raise DataError(
                        f"{path}, line {line}: the history of user {user[:40]!r} differs from that of earlier lines"
                    )
                yield self._row(user, target, len(sequence), line, part)
                sequence.append(target)

    def _row(self, user: str, item: str, place: int, line: int, part: int) -> Interaction:
        return Interaction(self._users[user], self._items[item], math.nan, place, line, part)

    def items(self, names: list[str], records: Spill, bad: BadRecords) -> ItemTable:
        described = np.ones(len(names), dtype=np.bool_)
        if not self._text.is_file():
            return ItemTable(described, {})
        known = {item: " ".join(text.split()) or None for _, (item, text) in _rows(self._text, TEXT_HEADER)}
        if known.keys().isdisjoint(names):
            raise DataError(f"{self._text} has no item of the interactions; it has names, so add the .item2index file")
        return ItemTable(described, {"description": pa.array([known.get(name) for name in names], pa.string())})


def _rows(path: Path, header: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) after a header; all lines count, since each depends on the earlier ones.

    Raises:
        DataError: another header, or a line with another number of cells or an empty first one.
    """
    lines, width = read_lines(path, BadRecords()), header.count("\t") + 1
    _, first = next(lines, (0, b""))
    if first.decode("utf-8", "replace").rstrip("\r") != header:
        raise DataError(f"{path}: the first line is not {header!r}")
    for number, line in lines:
        try:
            cells = line.decode().rstrip("\r").split("\t")
        except UnicodeDecodeError:
            raise DataError(f"{path}, line {number}: not UTF-8") from None
        if len(cells) != width or not cells[0]:
            raise DataError(f"{path}, line {number}: not {width} cells separated by tabs")
        yield number, cells
