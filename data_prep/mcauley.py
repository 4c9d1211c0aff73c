"""Reader of McAuley's Amazon reviews with metadata, in the three styles of 2014, 2018 and 2023.

One review file and one metadata file a domain. An item counts as described when a metadata file has a line for
it; interactions with other items are skipped, as the UniMP authors' preprocessing does (they also drop items
without a picture URL, which we keep, without a picture). Where several files describe an item the first one counts.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data_prep.bad_records import BAD_RATING, BAD_TIME, MISSING_FIELD, WRONG_COLUMNS, BadRecord, BadRecords
from data_prep.csv_rows import read_rows
from data_prep.download.pictures import PictureLimits, fetch_pictures
from data_prep.interactions import Collector, Interactions
from data_prep.lines import read_lines
from data_prep.markup import without_markup
from data_prep.metadata import Attributes, attribute_columns, parse_json, parse_literal, picture_url
from data_prep.source import Source
from data_prep.spill import CHUNK, Spill, pack_review
from unimp_bench.errors import DataError, find
from unimp_bench.records import BoolArray, IntArray

MAX_NAME = 128
LAST_TIME = 4_102_444_800  # the year 2100: a time in milliseconds is later

_LEADING_ASIN = re.compile(rb"""\s*\{\s*(['"])asin\1\s*:\s*(['"])([^'"\\]{1,128})\2\s*[,}]""")
_ANY_ASIN = re.compile(rb"""(['"])asin\1\s*:\s*(['"])([^'"\\]{1,128})\2""")


@dataclass(frozen=True)
class Style:
    """The file names and fields of one year's release; ``fields`` are user, item, rating and time."""

    reviews: re.Pattern[str]
    expected: str
    fields: tuple[str, str, str, str]
    texts: tuple[str, str]
    item: str
    ticks: int
    parse_metadata: Callable[[bytes], dict[str, Any]]


_FIELDS = ("reviewerID", "asin", "overall", "unixReviewTime")
STYLES: Mapping[str, Style] = {
    "2014": Style(
        reviews=re.compile(r"reviews_(?P<domain>.+?)(_5)?\.json(\.gz)?"),
        expected="reviews_<Domain>_5.json.gz",
        fields=_FIELDS,
        texts=("summary", "reviewText"),
        item="asin",
        ticks=1,
        parse_metadata=parse_literal,
    ),
    "2018": Style(
        reviews=re.compile(r"(?!meta_|reviews_)(?P<domain>.+?)(_5)?\.json(\.gz)?"),
        expected="<Domain>_5.json.gz",
        fields=_FIELDS,
        texts=("summary", "reviewText"),
        item="asin",
        ticks=1,
        parse_metadata=parse_json,
    ),
    "2023": Style(
        reviews=re.compile(r"(?!meta_)(?P<domain>.+?)\.(jsonl|csv)(\.gz)?"),
        expected="<Domain>.jsonl.gz, or <Domain>.csv beside meta_<Domain>.jsonl.gz",
        fields=("user_id", "parent_asin", "rating", "timestamp"),
        texts=("title", "text"),
        item="parent_asin",
        ticks=1000,
        parse_metadata=parse_json,
    ),
}


class McAuley(Source):
    """The domains of one folder.

    Args:
        domains: those to read; all where none is named.
        pictures: fetch the items' pictures into ``<raw>/images`` within these limits.

    Raises:
        DataError: no review file of the style, two of one domain, or one without its metadata.
        UsageError: a domain is named that the folder has not.
    """

    licence = "Amazon review data of the McAuley lab, UC San Diego; for research, see the terms of its page"

    def __init__(
        self, raw: Path, year: str, domains: tuple[str, ...] = (), pictures: PictureLimits | None = None
    ) -> None:
        self.name = f"mcauley-{year}"
        self.raw = raw
        self.notes = {"order": "timestamp"}
        self._style = STYLES[year]
        self._reviews = self._find_reviews(domains)
        self.domains = tuple(self._reviews)
        self._metadata = [self._find_metadata(domain, path) for domain, path in self._reviews.items()]
        self._picture_limits = pictures
        self._picture_urls: dict[str, str | None] = {}

    def inputs(self) -> list[Path]:
        return [*self._reviews.values(), *self._metadata]

    def review_file(self, domain: int) -> Path:
        return self._reviews[self.domains[domain]]

    def interactions(self, reviews: Spill, bad: BadRecords) -> Interactions:
        collector = Collector()
        for path in self._reviews.values():
            collector.begin_domain()
            self._read_reviews(path, collector, reviews, bad)
        return collector.finish(self.domains)

    def _read_reviews(self, path: Path, collector: Collector, reviews: Spill, bad: BadRecords) -> None:
        user_key, item_key, rating_key, time_key = self._style.fields
        ticks = self._style.ticks
        for number, record in _records(path, self._style, bad):
            fields: list[Any] = [record.get(key) for key in self._style.fields]
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
                if not 0 <= time <= LAST_TIME * ticks:
                    raise BadRecord(BAD_TIME, time_key)
            except BadRecord as problem:
                bad.add_record(problem, path, number)
                continue
            collector.add(user, item, rating, time / ticks, number)
            reviews.add(pack_review(*(_review_text(record.get(key)) for key in self._style.texts)))

    def described(self, items: list[str], records: Spill, bad: BadRecords) -> BoolArray:
        self._items, self._records = items, records
        self._record_of = np.full(len(items), -1, dtype=np.int64)
        self._places: list[tuple[Path, int]] = []
        wanted = {name.encode(): code for code, name in enumerate(items)}
        for path in self._metadata:
            for number, line in read_lines(path, bad):
                try:
                    code = self._item_of(line, wanted)
                except BadRecord as problem:
                    bad.add_record(problem, path, number)
                    continue
                if code is not None and self._record_of[code] < 0:
                    self._record_of[code] = records.add(line)
                    self._places.append((path, number))
        found: BoolArray = self._record_of >= 0
        return found

    def _item_of(self, line: bytes, wanted: Mapping[bytes, int]) -> int | None:
        """Code of the wanted item that a metadata line describes, or None.

        A literal is costly to parse, so an item name that leads the line is taken at its word (``attributes``
        looks again); only a line that names a wanted item elsewhere is parsed, for that may stand in a description.
        """
        if self._style.parse_metadata is parse_literal:
            leading = _LEADING_ASIN.match(line)
            if leading:
                return wanted.get(leading.group(3))
            mentioned = {match.group(3) for match in _ANY_ASIN.finditer(line)}
            if mentioned and mentioned.isdisjoint(wanted):
                return None
        name = self._style.parse_metadata(line).get(self._style.item)
        if not isinstance(name, str):
            raise BadRecord(MISSING_FIELD)
        return wanted.get(name.encode(errors="surrogatepass"))

    def attributes(self, items: IntArray, bad: BadRecords) -> tuple[BoolArray, dict[str, pa.Array]]:
        sound = np.ones(len(items), dtype=np.bool_)
        chunks: list[dict[str, pa.Array]] = []
        for start in range(0, len(items), CHUNK):
            parsed = list(self._parse(items[start : start + CHUNK], bad))
            sound[start : start + CHUNK] = [item is not None for item in parsed]
            chunks.append(attribute_columns([item or Attributes.of({}) for item in parsed]))
        for path in self._metadata:
            bad.check(path)
        return sound, {name: pa.concat_arrays([chunk[name] for chunk in chunks]) for name in chunks[0]}

    def _parse(self, items: IntArray, bad: BadRecords) -> Iterator[Attributes | None]:
        """Attributes of each of the items; None, and a bad line, where its record is not what it was taken for."""
        rows = self._record_of[items]
        for code, row, line in zip(items, rows, self._records.read(rows), strict=True):
            try:
                record = self._style.parse_metadata(line)
                if record.get(self._style.item) != self._items[code]:
                    raise BadRecord(MISSING_FIELD)
            except BadRecord as problem:
                bad.add_record(problem, *self._places[row])
                yield None
            else:
                if self._picture_limits is not None:
                    self._picture_urls[self._items[code]] = picture_url(record)
                item = Attributes.of(record)
                if item.price is None and record.get("price") not in (None, "", "None"):
                    path, number = self._places[row]
                    bad.add_cell(path, number, "price")
                yield item

    def picture_files(self, items: list[str]) -> Iterable[Path]:
        if self._picture_limits is not None:
            urls = {item: self._picture_urls[item] for item in items}
            self.notes["pictures"] = fetch_pictures(urls, self.raw / "images", self._picture_limits)
        return super().picture_files(items)

    def _find_reviews(self, domains: tuple[str, ...]) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for path in sorted(self.raw.iterdir()):
            match = self._style.reviews.fullmatch(path.name)
            if match and path.is_file():
                domain = match["domain"]
                if ".csv" in path.suffixes and self._metadata_file(domain, path) is None:
                    continue  # any other table
                if domain in found:
                    raise DataError(f"{found[domain]} and {path.name} are both reviews of {domain}; keep one of them")
                found[domain] = path
        if not found:
            raise DataError(f"{self.raw} has no reviews of the kind amazon-{self.name[-4:]} ({self._style.expected})")
        for domain in domains:
            find(found, domain, f"domain of {self.raw}")
        return {domain: found[domain] for domain in sorted(set(domains) or found)}

    def _find_metadata(self, domain: str, reviews: Path) -> Path:
        found = self._metadata_file(domain, reviews)
        if found is None:
            ending = self._metadata_ending(reviews)
            raise DataError(f"{self.raw} has no metadata for {reviews.name}; put meta_{domain}{ending}.gz beside it")
        return found

    def _metadata_file(self, domain: str, reviews: Path) -> Path | None:
        ending = self._metadata_ending(reviews)
        paths = (self.raw / f"meta_{domain}{ending}{packed}" for packed in (".gz", ""))
        return next((path for path in paths if path.is_file()), None)

    @staticmethod
    def _metadata_ending(reviews: Path) -> str:
        return ".jsonl" if {".jsonl", ".csv"} & set(reviews.suffixes) else ".json"


def amazon_2014(raw: Path, domains: tuple[str, ...] = (), pictures: PictureLimits | None = None) -> McAuley:
    """The reviews of 2014, whose metadata are Python literals."""
    return McAuley(raw, "2014", domains, pictures)


def amazon_2018(raw: Path, domains: tuple[str, ...] = (), pictures: PictureLimits | None = None) -> McAuley:
    """The reviews of 2018."""
    return McAuley(raw, "2018", domains, pictures)


def amazon_2023(raw: Path, domains: tuple[str, ...] = (), pictures: PictureLimits | None = None) -> McAuley:
    """The reviews of 2023, in JSON lines with times in milliseconds."""
    return McAuley(raw, "2023", domains, pictures)


def _records(path: Path, style: Style, bad: BadRecords) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number of the line, record) of the reviews, JSON lines or a table of theirs; what is neither is a bad line.

    Raises:
        DataError: a table lacks a column.
    """
    if ".csv" not in path.suffixes:
        for number, line in read_lines(path, bad):
            try:
                yield number, parse_json(line)
            except BadRecord as problem:
                bad.add_record(problem, path, number)
        return
    rows = read_rows(path, bad)
    _, header = next(rows, (0, []))
    for name in style.fields:
        if name not in header:
            raise DataError(f"{path} has no column {name!r} in its first line")
    for number, row in rows:
        if len(row) != len(header):
            bad.add(WRONG_COLUMNS, path, number)
            continue
        record: dict[str, Any] = dict(zip(header, row, strict=True))
        for name in style.fields[2:]:
            with contextlib.suppress(ValueError):  # what is no number stays a text, which is none either
                record[name] = float(record[name])
        yield number, record


def _check(name: object, key: str) -> None:
    """Raise BadRecord unless it names a user or an item."""
    if type(name) is not str or not 0 < len(name) <= MAX_NAME:
        raise BadRecord(MISSING_FIELD, key)


def _review_text(value: object) -> str:
    """A review as its reader sees it; what a tag parts stays parted, for sentences end there."""
    return without_markup(value, gap="\n") if type(value) is str else ""
