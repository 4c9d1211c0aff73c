"""MicroLens: the videos of each user, ``<name>_pairs.tsv`` or ``<name>_pairs.csv``, and titles, ``<name>_title*.csv``.

A line of the first form has a user and, after a tab, the user's videos in chronological order, separated by spaces; the
time of an interaction is its place in the user's sequence. The second form is a table with ``user``, ``item`` and
``timestamp``. Titles are lines of video and title, with or without the header ``item,title``; without, a title may have
commas. Covers are ``<video>.jpg`` in ``images`` or ``<name>_covers``. Titles and covers are optional.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa

from data_prep.atomic import LAST_TIME
from data_prep.formats.sequences import Sequences, one_file
from data_prep.interactions import Interaction
from data_prep.raw_files import BAD_TIME, NOT_UTF8, WRONG_COLUMNS, BadRecords, read_lines, read_table
from unimp_bench.errors import DataError

SEQUENCES, TABLE = "_pairs.tsv", "_pairs.csv"
HEADER = b"item,title"


class MicroLens(Sequences):
    """One set.

    Raises:
        DataError: no file of pairs, or several, or several of titles.
    """

    name = "microlens"
    licence = "MicroLens (Westlake University): for research"

    def __init__(self, raw: Path) -> None:
        self.raw = raw
        self._timed = not any(raw.glob(f"*{SEQUENCES}"))
        if not self._timed and any(raw.glob(f"*{TABLE}")):
            raise DataError(f"{raw} has pairs as .tsv, in order, and as .csv, with times; keep one of them")
        if self._timed and not any(raw.glob(f"*{TABLE}")):
            raise DataError(f"{raw} has no <name>{SEQUENCES} and no <name>{TABLE}")
        ending = TABLE if self._timed else SEQUENCES
        self.file = one_file(raw, ending)
        self._stem = self.file.name.removesuffix(ending)
        self.domains = (self._stem.lower().replace("-", "_"),)
        self.notes = {"order": "timestamp" if self._timed else "position"}
        titles = sorted(raw.glob(f"{self._stem}_title*.csv"))
        if len(titles) > 1:
            raise DataError(f"{raw} has {titles[0].name} and {titles[1].name}; keep one of them")
        self._titles = titles[0] if titles else None

    def inputs(self) -> list[Path]:
        return [path for path in (self.file, self._titles) if path]

    def interactions(self, domain: int, bad: BadRecords) -> Iterator[Interaction]:
        if not self._timed:
            yield from super().interactions(domain, bad)
            return
        for number, cells in read_table(self.file, ("user", "item", "timestamp"), bad):
            if not (cells["user"] and cells["item"]):
                bad.add(WRONG_COLUMNS, self.file, number)
            elif not cells["timestamp"].isdecimal() or float(cells["timestamp"]) > LAST_TIME:
                bad.add(BAD_TIME, self.file, number, "timestamp")
            else:
                yield Interaction(cells["user"], cells["item"], math.nan, float(cells["timestamp"]), number)

    def sequences(self, bad: BadRecords) -> Iterator[tuple[int, str, Iterable[str]]]:
        for number, line in read_lines(self.file, bad):
            try:
                user, videos = line.decode().rstrip("\r").split("\t")
            except UnicodeDecodeError:
                bad.add(NOT_UTF8, self.file, number)
            except ValueError:
                bad.add(WRONG_COLUMNS, self.file, number)
            else:
                yield number, user, videos.split()

    def attributes(self, names: list[str], bad: BadRecords) -> dict[str, pa.Array]:
        if self._titles is None:
            return {}
        titles = {video: " ".join(title.split()) or None for video, title in _titles(self._titles, bad)}
        if titles.keys().isdisjoint(names):
            raise DataError(f"{self._titles} has no video of {self.file.name}; use the files of one set")
        return {"title": pa.array([titles.get(name) for name in names], pa.string())}

    def picture_files(self) -> Iterable[Path]:
        return chain(super().picture_files(), self.raw.glob(f"{self._stem}_covers/*"))


def _titles(path: Path, bad: BadRecords) -> Iterator[tuple[str, str]]:
    _, first = next(read_lines(path, BadRecords()), (0, b""))
    if first.rstrip(b"\r") == HEADER:
        for _, cells in read_table(path, ("item", "title"), bad):
            yield cells["item"], cells["title"]
        return
    for number, line in read_lines(path, bad):
        video, comma, title = line.decode("utf-8", "replace").rstrip("\r").partition(",")
        if not (video and comma):
            bad.add(WRONG_COLUMNS, path, number)
            continue
        quoted = len(title) > 1 and title[0] == title[-1] == '"'
        yield video, title[1:-1].replace('""', '"') if quoted else title
