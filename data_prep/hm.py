"""Reader of H&M's purchases: articles, transactions and pictures as Kaggle gives them (Table 9 of the UniMP paper).

The files of the competition ``h-and-m-personalized-fashion-recommendations``: ``articles.csv``,
``transactions_train.csv`` and ``images/<first three digits>/<article>.jpg``. A purchase has a day and no rating; those
of one day stay in the order of the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_prep.bad_records import BAD_TIME, MISSING_FIELD, WRONG_COLUMNS, BadRecord, BadRecords
from data_prep.csv_rows import read_rows
from data_prep.interactions import Collector, Interactions
from data_prep.source import Source
from data_prep.spill import Spill
from unimp_bench.errors import DataError
from unimp_bench.records import BoolArray, IntArray

PURCHASE = ("t_dat", "customer_id", "article_id")
ARTICLE = {
    "title": "prod_name",
    "appearance": "graphical_appearance_name",
    "colour": "colour_group_name",
    "section": "section_name",
    "description": "detail_desc",
}
CATEGORY = ("product_group_name", "product_type_name")
DIGITS = 10
"""Of an article's number; programs that take it for a number drop its leading zero."""

_MISSING = ("", "Unknown", "Undefined")


class HM(Source):
    """One domain.

    Raises:
        DataError: a file is missing.
    """

    name = "hm"
    licence = "H&M Group on Kaggle; for the purposes that the rules of the competition allow, not to be passed on"
    domains = ("HM",)

    def __init__(self, raw: Path) -> None:
        self.raw = raw
        self._articles, self._transactions = self._find("articles.csv"), self._find("transactions_train.csv")
        left_out = ["customers.csv", "transactions_train.csv: price", "transactions_train.csv: sales_channel_id"]
        self.notes = {"order": "day, then file", "left_out": left_out}

    def inputs(self) -> list[Path]:
        return [self._transactions, self._articles]

    def review_file(self, domain: int) -> Path:
        return self._transactions

    def interactions(self, reviews: Spill, bad: BadRecords) -> Interactions:
        collector = Collector()
        collector.begin_domain()
        for number, (day, customer, article) in _table(self._transactions, PURCHASE, bad):
            try:
                if not customer:
                    raise BadRecord(MISSING_FIELD, "customer_id")
                if not article.isdecimal():
                    raise BadRecord(MISSING_FIELD, "article_id")
                collector.add(customer, article.zfill(DIGITS), math.nan, _seconds(day), number)
            except BadRecord as problem:
                bad.add_record(problem, self._transactions, number)
        return collector.finish(self.domains)

    def described(self, items: list[str], records: Spill, bad: BadRecords) -> BoolArray:
        codes = {name: code for code, name in enumerate(items)}
        self._cells: list[tuple[str, ...] | None] = [None] * len(items)
        for _, (article, *cells) in _table(self._articles, ("article_id", *ARTICLE.values(), *CATEGORY), bad):
            code = codes.get(article.zfill(DIGITS))
            if code is not None and self._cells[code] is None:
                self._cells[code] = tuple(cells)
        return np.array([cells is not None for cells in self._cells], dtype=np.bool_)

    def attributes(self, items: IntArray, bad: BadRecords) -> tuple[BoolArray, dict[str, pa.Array]]:
        rows = [[_text(cell) for cell in self._cells[code] or ()] for code in items]
        columns = {name: pa.array([row[place] for row in rows], pa.string()) for place, name in enumerate(ARTICLE)}
        paths = [[part for part in row[len(ARTICLE) :] if part] or None for row in rows]
        columns["category"] = pa.array(paths, pa.list_(pa.string()))
        return np.ones(len(items), dtype=np.bool_), columns

    def picture_files(self, items: list[str]) -> Iterable[Path]:
        return self.raw.glob("images/*/*")

    def _find(self, name: str) -> Path:
        for path in (self.raw / name, self.raw / f"{name}.gz"):
            if path.is_file():
                return path
        raise DataError(f"{self.raw} has no {name}; unpack Kaggle's h-and-m-personalized-fashion-recommendations there")


def _table(path: Path, columns: tuple[str, ...], bad: BadRecords) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The named columns of a CSV file with a header; rows of another width are bad.

    Raises:
        DataError: a column is missing.
    """
    rows = read_rows(path, bad)
    _, header = next(rows, (0, []))
    for name in columns:
        if name not in header:
            raise DataError(f"{path} has no column {name!r} in its first line")
    pick = itemgetter(*(header.index(name) for name in columns))
    for number, row in rows:
        if len(row) == len(header):
            yield number, pick(row)
        else:
            bad.add(WRONG_COLUMNS, path, number)


@cache
def _seconds(day: str) -> float:
    """Unix time of a day's beginning; the release has 734 days."""
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise BadRecord(BAD_TIME, "t_dat") from None


def _text(cell: str) -> str | None:
    words = " ".join(cell.split())
    return None if words in _MISSING else words
