"""What the readers of sequences share: each user's items in order, without times or ratings."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from data_prep.interactions import Interaction, Spill
from data_prep.raw_files import BadRecords
from data_prep.source import ItemTable, Source
from unimp_bench.errors import DataError


class Sequences(Source):
    """One domain; the time of an interaction is its place in the user's sequence, and all items stay.

    Attributes:
        file: the file of the sequences.
    """

    licence = "the user's own files: see their source for the terms"
    file: Path

    @abstractmethod
    def sequences(self, bad: BadRecords) -> Iterator[tuple[int, str, Iterable[str]]]:
        """(line number, user, items in order) of each sequence; no user has two."""

    @abstractmethod
    def attributes(self, names: list[str], bad: BadRecords) -> dict[str, pa.Array]:
        """Attributes of the items of these names."""

    def interactions_file(self, domain: int) -> Path:
        return self.file

    def interactions(self, domain: int, bad: BadRecords) -> Iterator[Interaction]:
        seen: set[str] = set()
        for line, user, items in self.sequences(bad):
            if user in seen:
                raise DataError(f"{self.file}, line {line}: user {user[:40]!r} has an earlier sequence")
            seen.add(user)
            for place, item in enumerate(items):
                yield Interaction(user, item, math.nan, place, line)

    def items(self, names: list[str], records: Spill, bad: BadRecords) -> ItemTable:
        return ItemTable(np.ones(len(names), dtype=np.bool_), self.attributes(names, bad))


def one_file(folder: Path, ending: str, *others: str) -> Path:
    """The only file of a folder with this ending and none of the others.

    Raises:
        DataError: there is none, or several.
    """
    found = [path for path in sorted(folder.glob(f"*{ending}")) if not path.name.endswith(others)]
    if not found:
        raise DataError(f"{folder} has no <name>{ending}")
    if len(found) > 1:
        raise DataError(f"{folder} has {found[0].name} and {found[1].name}; keep one set")
    return found[0]


def json_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file.

    Raises:
        DataError: the file holds something else.
    """
    try:
        found = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise DataError(f"{path} is not JSON ({error})") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from None
    if not isinstance(found, dict):
        raise DataError(f"{path} is not a JSON object")
    return found
