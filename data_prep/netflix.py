"""Reader of the Netflix set released by LLMRec's authors (WSDM 2024; Table 9 of the UniMP paper).

``train.json``, ``val.json`` and ``test.json`` hold the interactions, ``{"<user>": [<item>, ...], ...}``, and are the
set's public split; ``item_attribute.csv`` has lines ``id,year,title`` and no header; posters are ``<id>.jpg``. The
files may be in sub-folders, as in the release's archives. Its pickles (``train_mat``, ``augmented_*``) are not
read: the JSON files hold the same interactions.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa

from data_prep.interactions import Interaction, Spill
from data_prep.raw_files import MISSING_FIELD, WRONG_COLUMNS, BadRecords, read_rows
from data_prep.source import ItemTable, Source
from unimp_bench.corpus.writer import TEST, TRAINING, VALIDATION
from unimp_bench.errors import DataError

PARTS = {"train.json": TRAINING, "val.json": VALIDATION, "test.json": TEST}
ATTRIBUTES = "item_attribute.csv"


class Netflix(Source):
    """One domain; interactions have neither time nor rating, so they are in file order.

    Raises:
        DataError: a file is missing or present twice.
    """

    name = "netflix"
    licence = "Netflix Prize data as released with LLMRec; for research, see github.com/HKUDS/LLMRec"
    domains = ("Netflix",)

    def __init__(self, raw: Path) -> None:
        self.raw = raw
        self._parts = {self._find(name): part for name, part in PARTS.items()}
        self._attributes = self._find(ATTRIBUTES)
        self.notes = {"order": "file"}

    def inputs(self) -> list[Path]:
        return [*self._parts, self._attributes]

    def interactions_file(self, domain: int) -> Path:
        return next(iter(self._parts))

    def interactions(self, domain: int, bad: BadRecords) -> Iterator[Interaction]:
        number = 0
        for path, part in self._parts.items():
            for user, items in _read_lists(path).items():
                for item in items:
                    number += 1
                    yield Interaction(user, str(item), math.nan, number, number, part)
        bad.end_of_file(self.interactions_file(domain), number)

    def items(self, names: list[str], records: Spill, bad: BadRecords) -> ItemTable:
        found: dict[str, tuple[str, str]] = {}
        for number, row in read_rows(self._attributes, bad):
            if len(row) < 3:
                bad.add(WRONG_COLUMNS, self._attributes, number)
            elif not row[0].isdecimal():
                bad.add(MISSING_FIELD, self._attributes, number, "id")
            else:  # titles with commas are not quoted
                found.setdefault(row[0], (row[1], ",".join(row[2:])))
                if row[1].strip() and _year(row[1]) is None:
                    bad.add_cell(self._attributes, number, "year")
        cells = [found.get(name, ("", "")) for name in names]
        columns = {
            "title": pa.array([" ".join(title.split()) or None for _, title in cells], pa.string()),
            "year": pa.array([_year(year) for year, _ in cells], pa.string()),
        }
        return ItemTable(np.array([name in found for name in names], dtype=np.bool_), columns)

    def picture_files(self) -> Iterable[Path]:
        return self.raw.rglob("*")

    def _find(self, name: str) -> Path:
        found = sorted(self.raw.rglob(name))
        if not found:
            raise DataError(f"{self.raw} has no {name}; unpack the Netflix archives of LLMRec's release there")
        if len(found) > 1:
            raise DataError(f"{self.raw} has {name} twice ({found[0]}, {found[1]}); keep one")
        return found[0]


def _read_lists(path: Path) -> dict[str, list[int]]:
    """The items of each user.

    Raises:
        DataError: not JSON, or of another structure.
    """
    try:
        lists = orjson.loads(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise DataError(f"{path} is not JSON ({error}); download it again") from None
    if not isinstance(lists, dict) or not all(
        isinstance(items, list) and all(type(item) is int for item in items) for items in lists.values()
    ):
        raise DataError(f'{path} is not of the form {{"<user>": [<item>, ...], ...}}; download it again')
    return lists


def _year(cell: str) -> str | None:
    """A year as text, since it is not a quantity; pandas writes 2003.0 if others are missing."""
    digits = cell.strip().removesuffix(".0")
    return digits if digits.isdecimal() else None
