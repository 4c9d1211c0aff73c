"""MicroLens-50k: the videos of each user in order, and English titles.

``MicroLens-50k_pairs.tsv`` has a user and, after a tab, the user's videos in chronological order, separated by spaces;
``MicroLens-50k_titles.csv`` has video and title. The time of an interaction is its place in the user's sequence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_prep.interactions import Interaction, Spill
from data_prep.raw_files import NOT_UTF8, WRONG_COLUMNS, BadRecords, read_lines, read_table
from data_prep.source import ItemTable, Source
from unimp_bench.errors import DataError

PAIRS, TITLES = "MicroLens-50k_pairs.tsv", "MicroLens-50k_titles.csv"


class MicroLens(Source):
    """One domain.

    Raises:
        DataError: a file is missing.
    """

    name = "microlens"
    licence = "MicroLens (Westlake University): for research"
    domains = ("microlens_50k",)

    def __init__(self, raw: Path) -> None:
        self.raw, self.notes = raw, {"order": "position"}
        for name in (PAIRS, TITLES):
            if not (raw / name).is_file():
                raise DataError(f"{raw} has no {name}")

    def inputs(self) -> list[Path]:
        return [self.raw / PAIRS, self.raw / TITLES]

    def interactions_file(self, domain: int) -> Path:
        return self.raw / PAIRS

    def interactions(self, domain: int, bad: BadRecords) -> Iterator[Interaction]:
        path = self.raw / PAIRS
        for number, line in read_lines(path, bad):
            try:
                user, videos = line.decode().rstrip("\r").split("\t")
            except UnicodeDecodeError:
                bad.add(NOT_UTF8, path, number)
            except ValueError:
                bad.add(WRONG_COLUMNS, path, number)
            else:
                for place, video in enumerate(videos.split()):
                    yield Interaction(user, video, math.nan, place, number)

    def items(self, names: list[str], records: Spill, bad: BadRecords) -> ItemTable:
        rows = read_table(self.raw / TITLES, ("item", "title"), bad)
        titles = {cells["item"]: " ".join(cells["title"].split()) or None for _, cells in rows}
        columns = {"title": pa.array([titles.get(name) for name in names], pa.string())}
        return ItemTable(np.ones(len(names), dtype=np.bool_), columns)
