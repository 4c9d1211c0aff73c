"""Ratings with a public split as three tables without header: ``train.tsv``, ``val.tsv`` and ``test.tsv``.

A line has user, item and rating. There are no times; the order is that of the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data_prep.interactions import Interaction, Spill
from data_prep.raw_files import BAD_RATING, NOT_UTF8, WRONG_COLUMNS, BadRecords, read_lines
from data_prep.source import ItemTable, Source
from unimp_bench.corpus.writer import TEST, TRAINING, VALIDATION
from unimp_bench.errors import DataError

PARTS = {"train.tsv": TRAINING, "val.tsv": VALIDATION, "test.tsv": TEST}


class SplitRatings(Source):
    """One domain.

    Args:
        domain: its name.

    Raises:
        DataError: a file is missing.
    """

    name = "split-ratings"
    licence = "from the Amazon review data of the McAuley lab, UC San Diego; for research, see the terms of its page"

    def __init__(self, raw: Path, domain: str) -> None:
        self.raw, self.domains, self.notes = raw, (domain,), {"order": "file"}
        for name in PARTS:
            if not (raw / name).is_file():
                raise DataError(f"{raw} has no {name}")

    def inputs(self) -> list[Path]:
        return [self.raw / name for name in PARTS]

    def interactions_file(self, domain: int) -> Path:
        return self.raw / "train.tsv"

    def interactions(self, domain: int, bad: BadRecords) -> Iterator[Interaction]:
        place = 1  # the place is the line in one table with a header, as the corpus was first built
        for name, part in PARTS.items():
            path = self.raw / name
            for number, line in read_lines(path, bad):
                place += 1
                try:
                    user, item, rating = line.decode().rstrip("\r").split("\t")
                    rated = float(rating)
                except UnicodeDecodeError:
                    bad.add(NOT_UTF8, path, number)
                except ValueError:
                    bad.add(WRONG_COLUMNS, path, number)
                else:
                    if 1 <= rated <= 5 and user and item:
                        yield Interaction(user, item, rated, place, number, part)
                    else:
                        bad.add(BAD_RATING, path, number)

    def items(self, names: list[str], records: Spill, bad: BadRecords) -> ItemTable:
        return ItemTable(np.ones(len(names), dtype=np.bool_), {})


def baby(raw: Path) -> SplitRatings:
    """The subset of Baby."""
    return SplitRatings(raw, "baby")


def office(raw: Path) -> SplitRatings:
    """The subset of Office Products."""
    return SplitRatings(raw, "office")
