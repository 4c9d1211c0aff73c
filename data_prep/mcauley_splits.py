"""Reader of the 5-core ratings of 2023 with the McAuley lab's own splits.

Three tables per domain, ``<Domain>.train.csv``, ``<Domain>.valid.csv`` and ``<Domain>.test.csv``, with ``user_id``,
``parent_asin``, ``rating`` and ``timestamp`` in milliseconds, and the metadata file. The split ``last_out`` has each
user's last interaction in the test part and the one before in the validation part; ``timestamp`` divides by two points
in time. Repetitions of a user and an item are removed, and all users and items stay, also items without metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import ClassVar

import numpy as np

from data_prep.interactions import Interaction, Spill
from data_prep.mcauley import McAuley
from data_prep.raw_files import BadRecords
from data_prep.source import ItemTable
from unimp_bench.corpus.writer import TEST, TRAINING, VALIDATION
from unimp_bench.errors import DataError, find

PARTS = {"train": TRAINING, "valid": VALIDATION, "test": TEST}
_TRAINING = re.compile(r"(?!meta_)(?P<domain>.+?)\.train\.csv(\.gz)?")


class OfficialSplit(McAuley):
    """The domains of one folder.

    Raises:
        DataError: a part or the metadata of a domain are missing.
        UsageError: the folder lacks a named domain.
    """

    split: ClassVar[str]
    """Name of the split in the release."""

    def __init__(self, raw: Path, domains: tuple[str, ...] = ()) -> None:
        super().__init__(raw, "2023", domains)
        self.name = f"mcauley-2023-{self.split}"

    def inputs(self) -> list[Path]:
        parts = chain.from_iterable(self._parts(path).values() for path in self._reviews.values())
        return [*parts, *self._metadata]

    def interactions(self, domain: int, bad: BadRecords) -> Iterator[Interaction]:
        for part, path in self._parts(self.interactions_file(domain)).items():
            for row in self._interactions(path, bad, PARTS[part]):
                yield row._replace(review=None)

    def items(self, names: list[str], records: Spill, bad: BadRecords) -> ItemTable:
        table = super().items(names, records, bad)
        return replace(table, described=np.ones(len(names), dtype=np.bool_))

    def _find_reviews(self, domains: tuple[str, ...]) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for path in sorted(self.raw.iterdir()):
            if match := _TRAINING.fullmatch(path.name):
                found.setdefault(match["domain"], path)
        if not found:
            raise DataError(f"{self.raw} has no <Domain>.train.csv.gz of the split {self.split}")
        for domain in domains:
            find(found, domain, f"domain of {self.raw}")
        return {domain: found[domain] for domain in sorted(set(domains) or found)}

    @staticmethod
    def _parts(training: Path) -> dict[str, Path]:
        """The file of each part of a domain."""
        domain = training.name.rpartition(".train.")[0]
        parts = {}
        for part in PARTS:
            paths = (training.with_name(f"{domain}.{part}.csv{packed}") for packed in (".gz", ""))
            path = next((path for path in paths if path.is_file()), None)
            if path is None:
                raise DataError(f"{training.parent} has no {domain}.{part}.csv.gz")
            parts[part] = path
        return parts


class LastOut(OfficialSplit):
    """The split ``last_out``."""

    split = "last_out"


class ByTimestamp(OfficialSplit):
    """The split ``timestamp``."""

    split = "timestamp"
