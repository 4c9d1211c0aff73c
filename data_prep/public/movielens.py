"""MovieLens latest-small from GroupLens' archive: ratings, titles, genres and tags.

The year is part of a title there: ``American President, The (1995)``. Tags are those that users gave, without
repetition. Posters and plots are not part of the archive.
"""

from __future__ import annotations

import csv
import io
import math
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_prep.interactions import Interaction, Spill
from data_prep.raw_files import BAD_RATING, BAD_TIME, MISSING_FIELD, BadRecord, BadRecords
from data_prep.source import ItemTable, Source
from unimp_bench.errors import DataError

ARCHIVE = "ml-latest-small.zip"
MAX_BYTES = 1 << 28
"""Maximum size of an unpacked table: an archive of a megabyte can unpack to gigabytes."""

_TITLE = re.compile(r"(?P<title>.*?)\s*(\((?P<year>\d{4})\))?")
_NO_GENRE = "(no genres listed)"


class MovieLens(Source):
    """One domain.

    Raises:
        DataError: the archive is missing or damaged.
    """

    name = "movielens"
    licence = "GroupLens, University of Minnesota: for research, with acknowledgement, not for commercial use"
    domains = ("movielens",)

    def __init__(self, raw: Path) -> None:
        self.raw, self._archive, self.notes = raw, raw / ARCHIVE, {"order": "timestamp"}
        if not self._archive.is_file():
            raise DataError(f"{raw} has no {ARCHIVE}")

    def inputs(self) -> list[Path]:
        return [self._archive]

    def interactions_file(self, domain: int) -> Path:
        return self._archive

    def interactions(self, domain: int, bad: BadRecords) -> Iterator[Interaction]:
        number = 0
        for number, row in self._rows("ratings.csv", "userId", "movieId", "rating", "timestamp"):
            try:
                yield _interaction(row, number)
            except BadRecord as problem:
                bad.add_record(problem, self._archive, number)
        bad.end_of_file(self._archive, number)

    def items(self, names: list[str], records: Spill, bad: BadRecords) -> ItemTable:
        movies = {row[0]: row for _, row in self._rows("movies.csv", "movieId", "title", "genres")}
        tags: dict[str, dict[str, None]] = {}
        for _, row in self._rows("tags.csv", "movieId", "tag"):
            tags.setdefault(row[0], {})[row[1].strip()] = None
        described = [movies.get(name) for name in names]
        titles = [None if row is None else title_and_year(row[1]) for row in described]
        genres = [None if row is None or row[2] == _NO_GENRE else row[2].split("|") for row in described]
        columns = {
            "title": pa.array([None if each is None else each[0] for each in titles], pa.string()),
            "year": pa.array([None if each is None else each[1] for each in titles], pa.string()),
            "category": pa.array(genres, pa.list_(pa.string())),
            "tags": pa.array([[*tags[name]] if name in tags else None for name in names], pa.list_(pa.string())),
        }
        return ItemTable(np.ones(len(names), dtype=np.bool_), columns)

    def _rows(self, table: str, *columns: str) -> Iterator[tuple[int, list[str]]]:
        """(line, cells of these columns) of each row of a table of the archive; shorter rows are left out.

        Raises:
            DataError: the archive is damaged, too large, or lacks the table or a column.
        """
        place = f"ml-latest-small/{table}"
        try:
            with zipfile.ZipFile(self._archive) as archive:
                if archive.getinfo(place).file_size > MAX_BYTES:
                    raise DataError(f"{self._archive}: {place} unpacks to more than {MAX_BYTES:,} bytes")
                content = archive.read(place).decode()
        except KeyError:
            raise DataError(f"{self._archive} has no {place}") from None
        except (zipfile.BadZipFile, OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self._archive} cannot be read ({error}); download it again") from None
        rows = csv.reader(io.StringIO(content))
        header = next(rows, [])
        try:
            wanted = [header.index(column) for column in columns]
        except ValueError:
            raise DataError(f"{self._archive}: {place} lacks a column of {', '.join(columns)}") from None
        for row in rows:
            if len(row) == len(header):
                yield rows.line_num, [row[index] for index in wanted]


def _interaction(row: list[str], number: int) -> Interaction:
    user, item, rating, time = row
    if not user or not item:
        raise BadRecord(MISSING_FIELD)
    try:
        rated = float(rating)
    except ValueError:
        rated = math.nan
    if not 0.5 <= rated <= 5:
        raise BadRecord(BAD_RATING, "rating")
    if not time.isdecimal():
        raise BadRecord(BAD_TIME, "timestamp")
    return Interaction(user, item, rated, float(time), number)


def title_and_year(text: str) -> tuple[str, str | None]:
    """The title, and the year, None without one."""
    match = _TITLE.fullmatch(text.strip())
    return (text, None) if match is None else (match["title"], match["year"])
