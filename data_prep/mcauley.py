"""Reader of McAuley's Amazon reviews with metadata, in the three styles of 2014, 2018 and 2023.

One review file and one metadata file a domain. An item counts as described when a metadata file has a line for
it; interactions with other items are skipped, as the UniMP authors' preprocessing does (they also drop items
without a picture URL, which we keep, without a picture). Where several files describe an item the first one counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data_prep.bad_records import BAD_RATING, BAD_TIME, MISSING_FIELD, BadRecord, BadRecords
from data_prep.download.pictures import PictureLimits, fetch_pictures
from data_prep.interactions import Collector, Interactions
from data_prep.lines import read_lines
from data_prep.metadata import Attributes, attribute_columns, parse_json, parse_literal, picture_url
from data_prep.source import Source
from data_prep.spill import CHUNK, Spill, pack_review
from unimp_bench.errors import DataError
from unimp_bench.names import find
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
        reviews=re.compile(r"(?!meta_)(?P<domain>.+?)\.jsonl(\.gz)?"),
        expected="<Domain>.jsonl.gz",
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
        fields, ticks = itemgetter(*self._style.fields), self._style.ticks
        summary_key, text_key = self._style.texts
        for number, line in read_lines(path, bad):
            try:
                record = parse_json(line)
                user, item, rating, time = fields(record)
                _check(user, item, rating, time, ticks)
            except KeyError:
                bad.add(MISSING_FIELD, path, number)
                continue
            except BadRecord as problem:
                bad.add(str(problem), path, number)
                continue
            collector.add(user, item, rating, time / ticks, number)
            summary, text = record.get(summary_key), record.get(text_key)
            reviews.add(pack_review(summary if type(summary) is str else "", text if type(text) is str else ""))

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
                    bad.add(str(problem), path, number)
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
                bad.add(str(problem), *self._places[row])
                yield None
            else:
                if self._picture_limits is not None:
                    self._picture_urls[self._items[code]] = picture_url(record)
                yield Attributes.of(record)

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
                if domain in found:
                    raise DataError(f"{found[domain]} and {path.name} are both reviews of {domain}; keep one of them")
                found[domain] = path
        if not found:
            raise DataError(f"{self.raw} has no reviews of the kind amazon-{self.name[-4:]} ({self._style.expected})")
        for domain in domains:
            find(found, domain, f"domain of {self.raw}")
        return {domain: found[domain] for domain in sorted(set(domains) or found)}

    def _find_metadata(self, domain: str, reviews: Path) -> Path:
        ending = ".jsonl" if ".jsonl" in reviews.suffixes else ".json"
        for name in (f"meta_{domain}{ending}.gz", f"meta_{domain}{ending}"):
            if (self.raw / name).is_file():
                return self.raw / name
        raise DataError(f"{self.raw} has no metadata for {reviews.name}; put meta_{domain}{ending}.gz beside it")


def amazon_2014(raw: Path, domains: tuple[str, ...] = (), pictures: PictureLimits | None = None) -> McAuley:
    """The reviews of 2014, whose metadata are Python literals."""
    return McAuley(raw, "2014", domains, pictures)


def amazon_2018(raw: Path, domains: tuple[str, ...] = (), pictures: PictureLimits | None = None) -> McAuley:
    """The reviews of 2018."""
    return McAuley(raw, "2018", domains, pictures)


def amazon_2023(raw: Path, domains: tuple[str, ...] = (), pictures: PictureLimits | None = None) -> McAuley:
    """The reviews of 2023, in JSON lines with times in milliseconds."""
    return McAuley(raw, "2023", domains, pictures)


def _check(user: object, item: object, rating: object, time: object, ticks: int) -> None:
    """Raise BadRecord unless the four fields of a review are what they should be."""
    if type(user) is not str or type(item) is not str:
        raise BadRecord(MISSING_FIELD)
    if type(rating) not in (int, float) or type(time) not in (int, float):
        raise BadRecord(MISSING_FIELD)
    if not 0 < len(user) <= MAX_NAME or not 0 < len(item) <= MAX_NAME:
        raise BadRecord(MISSING_FIELD)
    if not 1 <= rating <= 5:  # type: ignore[operator]
        raise BadRecord(BAD_RATING)
    if not 0 <= time <= LAST_TIME * ticks:  # type: ignore[operator]
        raise BadRecord(BAD_TIME)
