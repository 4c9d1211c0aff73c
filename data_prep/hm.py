"""Reader of H&M's purchases: Kaggle's articles, transactions and pictures (Table 9 of the UniMP paper).

The files of the competition ``h-and-m-personalized-fashion-recommendations``: ``articles.csv``,
``transactions_train.csv`` and ``images/<first three digits>/<article>.jpg``. A purchase has a day and no rating.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_prep.interactions import Interaction, Spill
from data_prep.raw_files import BAD_TIME, MISSING_FIELD, BadRecord, BadRecords, read_table
from data_prep.source import ItemTable, Source
from unimp_bench.errors import DataError

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
"""Length of an article id; programs that read ids as numbers drop the leading zero."""

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
        self.notes = {"order": "day", "left_out": left_out}

    def inputs(self) -> list[Path]:
        return [self._transactions, self._articles]

    def interactions_file(self, domain: int) -> Path:
        return self._transactions

    def interactions(self, domain: int, bad: BadRecords) -> Iterator[Interaction]:
        for number, cells in read_table(self._transactions, PURCHASE, bad):
            day, customer, article = (cells[name] for name in PURCHASE)
            try:
                if not customer:
                    raise BadRecord(MISSING_FIELD, "customer_id")
                if not article.isdecimal():
                    raise BadRecord(MISSING_FIELD, "article_id")
                time = _seconds(day)
            except BadRecord as problem:
                bad.add_record(problem, self._transactions, number)
            else:
                yield Interaction(customer, article.zfill(DIGITS), math.nan, time, number)

    def items(self, names: list[str], records: Spill, bad: BadRecords) -> ItemTable:
        wanted = set(names)
        articles: dict[str, dict[str, str]] = {}
        described = (*ARTICLE.values(), *CATEGORY)
        for _, cells in read_table(self._articles, ("article_id", *described), bad):
            name = cells["article_id"].zfill(DIGITS)
            if name in wanted:
                articles.setdefault(name, {column: cells[column] for column in described})
        rows = [articles.get(name, {}) for name in names]
        columns = {
            attribute: pa.array([_text(row.get(column, "")) for row in rows], pa.string())
            for attribute, column in ARTICLE.items()
        }
        paths = [[part for column in CATEGORY if (part := _text(row.get(column, "")))] or None for row in rows]
        columns["category"] = pa.array(paths, pa.list_(pa.string()))
        return ItemTable(np.array([name in articles for name in names], dtype=np.bool_), columns)

    def picture_files(self) -> Iterable[Path]:
        return self.raw.glob("images/*/*")

    def _find(self, name: str) -> Path:
        for path in (self.raw / name, self.raw / f"{name}.gz"):
            if path.is_file():
                return path
        raise DataError(f"{self.raw} has no {name}; unpack Kaggle's h-and-m-personalized-fashion-recommendations there")


@cache
def _seconds(day: str) -> float:
    """Unix time of the start of a day; the release has 734 days."""
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise BadRecord(BAD_TIME, "t_dat") from None


def _text(cell: str) -> str | None:
    words = " ".join(cell.split())
    return None if words in _MISSING else words
