"""Byte records that are too many for memory: written to an unnamed temporary file, read back in any order."""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from unimp_bench.records import IntArray

CHUNK = 1 << 14
_LENGTH = 4


class Spill:
    """Numbered records on disk; memory grows by eight bytes a record. The file has no name, so a kill leaves none.

    Args:
        folder: where there is room for the records; the system's temporary folder may live in memory.
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
    """One record of a review's two strings."""
    head = summary.encode()
    return len(head).to_bytes(_LENGTH, "little") + head + text.encode()


def unpack_review(record: bytes) -> tuple[str, str]:
    """(summary, text) of a record."""
    split = _LENGTH + int.from_bytes(record[:_LENGTH], "little")
    return record[_LENGTH:split].decode(), record[split:].decode()


def unpack_reviews(reviews: Spill, rows: IntArray) -> Iterator[tuple[list[str], list[str]]]:
    """(summaries, texts) of the given rows, a chunk at a time."""
    for start in range(0, len(rows), CHUNK):
        summaries, texts = [], []
        for record in reviews.read(rows[start : start + CHUNK]):
            summary, text = unpack_review(record)
            summaries.append(summary)
            texts.append(text)
        yield summaries, texts
