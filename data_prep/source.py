"""What a reader must be for the pipeline to build a corpus from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from data_prep.bad_records import BadRecords
from data_prep.interactions import Interactions
from data_prep.spill import Spill
from unimp_bench.records import BoolArray, IntArray


class Source(ABC):
    """One folder of raw files, read once: ``interactions``, then ``described``, then ``attributes``.

    Attributes:
        name: of the format, for the manifest.
        licence: one line on the terms of the data.
        raw: the folder.
        domains: names, in the order of their codes.
        notes: facts about the reading for the manifest.
    """

    name: str
    licence: str
    raw: Path
    domains: tuple[str, ...]
    notes: dict[str, object]

    @abstractmethod
    def inputs(self) -> list[Path]:
        """All raw files but pictures."""

    @abstractmethod
    def interactions(self, reviews: Spill, bad: BadRecords) -> Interactions:
        """Read all interactions; a source with reviews adds one record to ``reviews`` for each of them."""

    @abstractmethod
    def described(self, items: list[str], records: Spill, bad: BadRecords) -> BoolArray:
        """Which of the items have metadata, (items,) bool; ``records`` takes what ``attributes`` will parse."""

    @abstractmethod
    def attributes(self, items: IntArray, bad: BadRecords) -> tuple[BoolArray, dict[str, pa.Array]]:
        """Attributes of some of the items, in the given order; false where an item's metadata turns out bad."""

    @abstractmethod
    def review_file(self, domain: int) -> Path:
        """The file that the lines of a domain's interactions number."""

    def picture_files(self, items: list[str]) -> Iterable[Path]:
        """The files whose stems name items; called once, after ``attributes``, with the items that stay."""
        return self.raw.glob("images/*")
