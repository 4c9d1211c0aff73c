"""The text form of S3-Rec: ``<name>.txt`` and ``<name>_item2attributes.json``.

A line has a user and the user's items in order, all numbers, separated by spaces; the last item is the test item and
the one before the validation item. The attributes are lists of numbers by item, and have no names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from data_prep.formats.sequences import Sequences, json_object, one_file
from data_prep.raw_files import WRONG_COLUMNS, BadRecords, read_lines
from unimp_bench.errors import DataError

ATTRIBUTES = "_item2attributes.json"
NEGATIVES = "_sample.txt"


class S3Rec(Sequences):
    """One set.

    Raises:
        DataError: no file of sequences, or several.
    """

    name = "s3rec"

    def __init__(self, raw: Path) -> None:
        described = next(iter(sorted(raw.glob(f"*{ATTRIBUTES}"))), None)
        ending = ".txt" if described is None else f"{described.name.removesuffix(ATTRIBUTES)}.txt"
        self.raw, self.file = raw, one_file(raw, ending, NEGATIVES)
        self.domains = (self.file.stem,)
        self._described = described
        self.notes = {"order": "position"}
        negatives = self.file.with_name(self.file.stem + NEGATIVES)
        if negatives.is_file():
            self.notes["left_out"] = [negatives.name]

    def inputs(self) -> list[Path]:
        return [path for path in (self.file, self._described) if path]

    def sequences(self, bad: BadRecords) -> Iterator[tuple[int, str, Iterable[str]]]:
        for number, line in read_lines(self.file, bad):
            words = line.decode("utf-8", "replace").split()
            if len(words) > 1 and all(map(str.isdecimal, words)):
                yield number, words[0], words[1:]
            else:
                bad.add(WRONG_COLUMNS, self.file, number)

    def attributes(self, names: list[str], bad: BadRecords) -> dict[str, pa.Array]:
        if self._described is None:
            return {}
        known = json_object(self._described)
        if known.keys().isdisjoint(names):
            raise DataError(f"{self._described} has no item of {self.file.name}; use the files of one set")
        lists = [_numbers(self._described, name, known.get(name, [])) for name in names]
        return {"attributes": pa.array(lists, pa.list_(pa.string()))}


def _numbers(path: Path, item: str, found: object) -> list[str] | None:
    if not isinstance(found, list) or not all(type(each) is int for each in found):
        raise DataError(f"{path}, item {item!r}: not a list of numbers")
    return [str(each) for each in found] or None
