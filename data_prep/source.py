"""The contract of a reader: what the pipeline takes from a folder of raw files, in this order.

First the interactions of each domain, then a table of the items that occur in them, then the attributes of the items
that are kept, and their pictures.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_prep.interactions import Interaction, Spill
from data_prep.raw_files import BadRecords
from unimp_bench.records import BoolArray, IntArray


@dataclass(frozen=True)
class ItemAttributes:
    """Attributes of some items.

    Attributes:
        columns: one value per item.
        sound: (items,) false if an item's metadata are invalid.
        picture_urls: the address of each item's picture, None without one; empty if the source has none.
    """

    columns: dict[str, pa.Array]
    sound: BoolArray
    picture_urls: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class ItemTable:
    """The metadata of the items of all interactions; subclassed if they are too large for memory.

    Attributes:
        described: (items,) whether an item has metadata.
        columns: attributes, (items,) each.
    """

    described: BoolArray
    columns: dict[str, pa.Array]

    def attributes(self, items: IntArray) -> ItemAttributes:
        """Attributes of the items of these codes, in the given order."""
        taken = {name: column.take(pa.array(items)) for name, column in self.columns.items()}
        return ItemAttributes(taken, np.ones(len(items), dtype=np.bool_))


class Source(ABC):
    """One folder of raw files.

    Attributes:
        name: name of the format, for the manifest.
        licence: one line on the terms of the data.
        raw: the folder.
        domains: names, in the order of their codes.
        notes: notes of the reader for the manifest, complete once the item table is read.
    """

    name: str
    licence: str
    raw: Path
    domains: tuple[str, ...]
    notes: dict[str, object]

    @abstractmethod
    def inputs(self) -> list[Path]:
        """All raw files except pictures."""

    @abstractmethod
    def interactions_file(self, domain: int) -> Path:
        """The file in which the lines of a domain's interactions are numbered."""

    @abstractmethod
    def interactions(self, domain: int, bad: BadRecords) -> Iterator[Interaction]:
        """Read the interactions of a domain in file order."""

    @abstractmethod
    def items(self, names: list[str], records: Spill, bad: BadRecords) -> ItemTable:
        """Read the metadata of the items of these names; ``records`` is for what should not be held in memory."""

    def picture_files(self) -> Iterable[Path]:
        """The picture files, whose stems name items."""
        return self.raw.glob("images/*")
