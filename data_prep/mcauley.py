"""Reader of McAuley's Amazon reviews with metadata, in the three styles of 2014, 2018 and 2023.

One review file and one metadata file per domain. Interactions with items without a metadata line are skipped, as in the
UniMP authors' preprocessing (they also drop items without a picture URL, which are kept here without a picture). If
several files describe an item, the first one counts. A folder of review files alone gives a corpus whose items have no
attributes.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data_prep.interactions import CHUNK, Interaction, Spill
from data_prep.metadata import Product, attribute_columns, parse_json, parse_literal, without_markup
from data_prep.raw_files import (
    BAD_RATING,
    BAD_TIME,
    MISSING_FIELD,
    BadRecord,
    BadRecords,
    read_lines,
    read_rows,
    read_table,
)
from data_prep.source import ItemAttributes, ItemTable, Source
from unimp_bench.errors import DataError, find
from unimp_bench.records import BoolArray, IntArray

MAX_NAME = 128
LAST_TIME = 4_102_444_800  # the year 2100; times in milliseconds are later

_LEADING_ASIN = re.compile(rb"""\s*\{\s*(['"])asin\1\s*:\s*(['"])([^'"\\]{1,128})\2\s*[,}]""")
_ANY_ASIN = re.compile(rb"""(['"])asin\1\s*:\s*(['"])([^'"\\]{1,128})\2""")


@dataclass(frozen=True)
class Style:
    """File names and fields of a release; ``fields`` are user, item, rating and time."""

    reviews: re.Pattern[str]
    expected: str
    parse_metadata: Callable[[bytes], dict[str, Any]]
    fields: tuple[str, str, str, str] = ("reviewerID", "asin", "overall", "unixReviewTime")
    texts: tuple[str, str] = ("summary", "reviewText")
    ticks_per_second: int = 1

    @property
    def item(self) -> str:
        """The field of an item's id, in reviews and metadata."""
        return self.fields[1]


STYLES: Mapping[str, Style] = {
    "2014": Style(
        reviews=re.compile(r"reviews_(?P<domain>.+?)(_5)?\.json(\.gz)?"),
        expected="reviews_<Domain>_5.json.gz",
        parse_metadata=parse_literal,
    ),
    "2018": Style(
        reviews=re.compile(r"(?!meta_|reviews_)(?P<domain>.+?)(_5)?\.json(\.gz)?"),
        expected="<Domain>_5.json.gz",
        parse_metadata=parse_json,
    ),
    "2023": Style(
        reviews=re.compile(r"(?!meta_)(?P<domain>.+?)\.(jsonl|csv)(\.gz)?"),
        expected="<Domain>.jsonl.gz, or <Domain>.csv with meta_<Domain>.jsonl.gz",
        parse_metadata=parse_json,
        fields=("user_id", "parent_asin", "rating", "timestamp"),
        texts=("title", "text"),
        ticks_per_second=1000,
    ),
}


class McAuley(Source):
    """The domains of one folder.

    Args:
        domains: those to read; all by default.

    Raises:
        DataError: no review file of the release, two of one domain, or one without metadata while others have them.
        UsageError: the folder lacks a named domain.
    """

    licence = "Amazon review data of the McAuley lab, UC San Diego; for research, see the terms of its page"

    def __init__(self, raw: Path, year: str, domains: tuple[str, ...] = ()) -> None:
        self.name = f"mcauley-{year}"
        self.raw = raw
        self.notes = {"order": "timestamp"}
        self._style = STYLES[year]
        self._reviews = self._find_reviews(domains)
        self.domains = tuple(self._reviews)
        self._metadata = self._find_all_metadata()
        if not self._metadata:
            self.notes["missing metadata"] = [self._metadata_name(*each) for each in self._reviews.items()]

    def inputs(self) -> list[Path]:
        return [*self._reviews.values(), *self._metadata]

    def interactions_file(self, domain: int) -> Path:
        return self._reviews[self.domains[domain]]

    def interactions(self, domain: int, bad: BadRecords) -> Iterator[Interaction]:
        return self._interactions(self.interactions_file(domain), bad)

    def _interactions(self, path: Path, bad: BadRecords, part: int | None = None) -> Iterator[Interaction]:
        """The reviews of a file, of this part of a public split if the release has one."""
        style = self._style
        user_key, item_key, rating_key, time_key = style.fields
        for number, record in _records(path, style, bad):
            fields: list[Any] = [record.get(key) for key in style.fields]
            user, item, rating, time = fields
            try:
                _check(user, user_key)
                _check(item, item_key)
                if type(rating) not in (int, float):
                    bad.add_cell(path, number, rating_key)
                    rating = math.nan
                elif not 1 <= rating <= 5:
                    raise BadRecord(BAD_RATING, rating_key)
                if type(time) not in (int, float):
                    raise BadRecord(MISSING_FIELD, time_key)
                if not 0 <= time <= LAST_TIME * style.ticks_per_second:
                    raise BadRecord(BAD_TIME, time_key)
            except BadRecord as problem:
                bad.add_record(problem, path, number)
                continue
            summary, text = (_review_text(record.get(key)) for key in style.texts)
            yield Interaction(user, item, rating, time / style.ticks_per_second, number, part, (summary, text))

    def items(self, names: list[str], records: Spill, bad: BadRecords) -> ItemTable:
        if not self._metadata:
            return ItemTable(np.ones(len(names), dtype=np.bool_), {})
        return Metadata.read(self._style, self._metadata, names, records, bad)

    def _find_reviews(self, domains: tuple[str, ...]) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for path in sorted(self.raw.iterdir()):
            match = self._style.reviews.fullmatch(path.name)
            if match and path.is_file():
                domain = match["domain"]
                if ".csv" in path.suffixes and self._metadata_file(domain, path) is None and not self._rated(path):
                    continue  # an unrelated table
                if domain in found:
                    raise DataError(f"{found[domain]} and {path.name} are both reviews of {domain}; keep one of them")
                found[domain] = path
        if not found:
            raise DataError(f"{self.raw} has no reviews of the kind amazon-{self.name[-4:]} ({self._style.expected})")
        for domain in domains:
            find(found, domain, f"domain of {self.raw}")
        return {domain: found[domain] for domain in sorted(set(domains) or found)}

    def _rated(self, path: Path) -> bool:
        """Whether the header of a table names the fields of a review."""
        _, header = next(read_rows(path, BadRecords()), (0, []))
        return set(self._style.fields) <= set(header)

    def _find_all_metadata(self) -> list[Path]:
        """The metadata file of each domain, or none at all; one missing among others is likely forgotten."""
        found = {domain: self._metadata_file(domain, path) for domain, path in self._reviews.items()}
        present = [path for path in found.values() if path is not None]
        for domain, path in found.items():
            if path is None and present:
                reviews = self._reviews[domain]
                raise DataError(
                    f"{self.raw} has no metadata for {reviews.name}, unlike for another domain; add "
                    f"{self._metadata_name(domain, reviews)}"
                )
        return present

    def _metadata_file(self, domain: str, reviews: Path) -> Path | None:
        packed = self.raw / self._metadata_name(domain, reviews)
        return next((path for path in (packed, packed.with_suffix("")) if path.is_file()), None)

    @staticmethod
    def _metadata_name(domain: str, reviews: Path) -> str:
        ending = ".jsonl" if {".jsonl", ".csv"} & set(reviews.suffixes) else ".json"
        return f"meta_{domain}{ending}.gz"


def amazon_2014(raw: Path, domains: tuple[str, ...] = ()) -> McAuley:
    """The reviews of 2014, with metadata as Python literals."""
    return McAuley(raw, "2014", domains)


def amazon_2018(raw: Path, domains: tuple[str, ...] = ()) -> McAuley:
    """The reviews of 2018."""
    return McAuley(raw, "2018", domains)


def amazon_2023(raw: Path, domains: tuple[str, ...] = ()) -> McAuley:
    """The reviews of 2023, as JSON lines with times in milliseconds."""
    return McAuley(raw, "2023", domains)


@dataclass(frozen=True)
class Metadata(ItemTable):
    """The raw lines of the items' metadata, parsed only for requested items.

    Attributes:
        names: names of the items.
        record_of: (items,) number of an item's line in ``records``, -1 if it has none.
        places: (records,) file and line number.
    """

    style: Style
    files: list[Path]
    names: list[str]
    records: Spill
    record_of: IntArray
    places: list[tuple[Path, int]]
    bad: BadRecords

    @classmethod
    def read(cls, style: Style, files: list[Path], names: list[str], records: Spill, bad: BadRecords) -> Metadata:
        """Read the first line of each item."""
        record_of = np.full(len(names), -1, dtype=np.int64)
        places: list[tuple[Path, int]] = []
        wanted = {name.encode(): code for code, name in enumerate(names)}
        for path in files:
            for number, line in read_lines(path, bad):
                try:
                    code = _item_of(line, style, wanted)
                except BadRecord as problem:
                    bad.add_record(problem, path, number)
                    continue
                if code is not None and record_of[code] < 0:
                    record_of[code] = records.add(line)
                    places.append((path, number))
        return cls(record_of >= 0, {}, style, files, names, records, record_of, places, bad)

    def attributes(self, items: IntArray) -> ItemAttributes:
        sound: BoolArray = np.ones(len(items), dtype=np.bool_)
        chunks: list[dict[str, pa.Array]] = []
        urls: list[str | None] = []
        for start in range(0, len(items), CHUNK):
            parsed = list(self._parse(items[start : start + CHUNK]))
            sound[start : start + CHUNK] = [product is not None for product in parsed]
            products = [product or Product() for product in parsed]
            urls += [product.picture_url for product in products]
            chunks.append(attribute_columns(products))
        for path in self.files:
            self.bad.check(path)
        columns = {name: pa.concat_arrays([chunk[name] for chunk in chunks]) for name in chunks[0]}
        return ItemAttributes(columns, sound, tuple(urls))

    def _parse(self, items: IntArray) -> Iterator[Product | None]:
        """Each item; None, counted as a bad line, if its record is invalid or of another item."""
        rows = self.record_of[items]
        lines = self.records.read(rows[rows >= 0])
        for code, row in zip(items, rows, strict=True):
            if row < 0:  # only if items without metadata are kept
                yield Product()
                continue
            line = next(lines)
            path, number = self.places[row]
            try:
                record = self.style.parse_metadata(line)
                if record.get(self.style.item) != self.names[code]:
                    raise BadRecord(MISSING_FIELD)
            except BadRecord as problem:
                self.bad.add_record(problem, path, number)
                yield None
                continue
            product = Product.of(record)
            if product.price is None and record.get("price") not in (None, "", "None"):
                self.bad.add_cell(path, number, "price")
            yield product


def _item_of(line: bytes, style: Style, wanted: Mapping[bytes, int]) -> int | None:
    """Code of the wanted item described by a metadata line, or None.

    Literals are slow to parse, so an item id at the beginning of the line is trusted and verified when the item's
    attributes are parsed; elsewhere it may be part of a description, so the line is parsed.
    """
    if style.parse_metadata is parse_literal:
        leading = _LEADING_ASIN.match(line)
        if leading:
            return wanted.get(leading.group(3))
        mentioned = {match.group(3) for match in _ANY_ASIN.finditer(line)}
        if mentioned and mentioned.isdisjoint(wanted):
            return None
    name = style.parse_metadata(line).get(style.item)
    if not isinstance(name, str):
        raise BadRecord(MISSING_FIELD)
    return wanted.get(name.encode(errors="surrogatepass"))


def _records(path: Path, style: Style, bad: BadRecords) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, record) of the reviews, JSON lines or CSV; other lines are bad.

    Raises:
        DataError: a CSV file lacks a column.
    """
    if ".csv" in path.suffixes:
        for number, cells in read_table(path, style.fields, bad):
            record: dict[str, Any] = dict(cells)
            for name in style.fields[2:]:
                with contextlib.suppress(ValueError):  # otherwise it remains text, which is rejected later
                    record[name] = float(record[name])
            yield number, record
        return
    for number, line in read_lines(path, bad):
        try:
            yield number, parse_json(line)
        except BadRecord as problem:
            bad.add_record(problem, path, number)


def _check(name: object, key: str) -> None:
    """Raise BadRecord unless it is a valid name of a user or an item."""
    if type(name) is not str or not 0 < len(name) <= MAX_NAME:
        raise BadRecord(MISSING_FIELD, key)


def _review_text(value: object) -> str:
    """A review as displayed; tags become gaps, since sentences end there."""
    return without_markup(value, gap="\n") if type(value) is str else ""
