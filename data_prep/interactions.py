"""Interactions as yielded by readers and as columns, and storage for records that exceed memory."""

from __future__ import annotations

import os
import tempfile
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from unimp_bench.records import FloatArray, IntArray

CHUNK = 1 << 14
_BATCH = 4096
_LENGTH = 4


class Interaction(NamedTuple):
    """One row of a raw file.

    Attributes:
        rating: NaN if the source has none.
        time: seconds, or the source's position.
        line: line number in the raw file of the domain.
        part: 0 training, 1 validation, 2 test, if the source has a public split.
        review: its (summary, text), if the source has reviews.
    """

    user: str
    item: str
    rating: float
    time: float
    line: int
    part: int | None = None
    review: tuple[str, str] | None = None


@dataclass(frozen=True)
class Interactions:
    """Columns in file order.

    Attributes:
        users: (rows,) int32 codes into ``user_names``.
        items: (rows,) int32 codes into ``item_names``.
        ratings: (rows,) float32.
        times: (rows,) float64.
        lines: (rows,) int32.
        user_names: unique names; a user of two domains is two users.
        user_domains: (users,) int16 codes.
        item_names: names in the order of first occurrence.
        parts: (rows,) uint8, None without a public split.
    """

    users: IntArray
    items: IntArray
    ratings: FloatArray
    times: FloatArray
    lines: IntArray
    user_names: list[str]
    user_domains: IntArray
    item_names: list[str]
    parts: npt.NDArray[np.uint8] | None

    def __len__(self) -> int:
        return len(self.users)


def collect(by_domain: Iterable[Iterator[Interaction]], domains: tuple[str, ...], reviews: Spill) -> Interactions:
    """Read all interactions into columns, and their reviews, if any, into ``reviews``."""
    users, items, lines = array("i"), array("i"), array("i")
    ratings, times, parts = array("f"), array("d"), array("B")
    next_user = count().__next__
    user_codes: list[defaultdict[str, int]] = []
    item_codes: defaultdict[str, int] = defaultdict(count().__next__)  # a new name takes the next code
    for rows in by_domain:
        user_codes.append(defaultdict(next_user))
        while batch := tuple(islice(rows, _BATCH)):
            names, bought, rated, moments, numbers, own, written = zip(*batch, strict=True)
            users.extend(map(user_codes[-1].__getitem__, names))
            items.extend(map(item_codes.__getitem__, bought))
            ratings.extend(rated)
            times.extend(moments)
            lines.extend(numbers)
            parts.extend(part for part in own if part is not None)
            for review in written:
                if review is not None:
                    reviews.add(pack_review(*review))
    sizes = [len(codes) for codes in user_codes]
    return Interactions(
        users=np.asarray(users),
        items=np.asarray(items),
        ratings=np.asarray(ratings),
        times=np.asarray(times),
        lines=np.asarray(lines),
        user_names=[
            f"{user}_{domain}" if len(domains) > 1 else user
            for domain, codes in zip(domains, user_codes, strict=True)
            for user in codes
        ],
        user_domains=np.repeat(np.arange(len(sizes), dtype=np.int16), sizes),
        item_names=list(item_codes),
        parts=np.asarray(parts) if parts else None,
    )


class Spill:
    """Numbered byte records in a temporary file; memory grows by eight bytes per record.

    The file is unnamed, so that nothing remains of a killed process.

    Args:
        folder: a folder with enough space; the system's temporary folder may be in memory.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=1 << 20)  # noqa: SIM115 (closed by __exit__)
        self._offsets, self._end = array("q", [0]), 0

    def __enter__(self) -> Spill:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def add(self, record: bytes) -> int:
        """Append a record and return its number."""
        self._file.write(record)
        self._end += len(record)
        self._offsets.append(self._end)
        return len(self._offsets) - 2

    def read(self, numbers: IntArray) -> Iterator[bytes]:
        """Yield the records of these numbers."""
        self._file.flush()
        file, offsets = self._file.fileno(), self._offsets
        for number in numbers.tolist():
            start = offsets[number]
            yield os.pread(file, offsets[number + 1] - start, start)


def pack_review(summary: str, text: str) -> bytes:
    """The two strings of a review as one record."""
    head = summary.encode()
    return len(head).to_bytes(_LENGTH, "little") + head + text.encode()


def unpack_review(record: bytes) -> tuple[str, str]:
    """(summary, text) of a record."""
    split = _LENGTH + int.from_bytes(record[:_LENGTH], "little")
    return record[_LENGTH:split].decode(), record[split:].decode()


def unpack_reviews(reviews: Spill, rows: IntArray) -> Iterator[tuple[list[str], list[str]]]:
    """(summaries, texts) of the given rows, in chunks."""
    for start in range(0, len(rows), CHUNK):
        pairs = [unpack_review(record) for record in reviews.read(rows[start : start + CHUNK])]
        yield [summary for summary, _ in pairs], [text for _, text in pairs]
