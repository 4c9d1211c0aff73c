"""Lines of a raw file, plain or gzip, streamed in bounded memory.

A file that ends too early is an error: a gzip that is cut, and a last line that is bad and has no end. Where the build
is to go on from what is there, a cut counts as one bad line, of kind ``truncated gzip`` in a gzip, since nothing in the
file says how much is missing. Any other damage of a gzip is an unreadable file. A byte order mark is no part of a line.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from data_prep.bad_records import LINE_TOO_LONG, TRUNCATED, BadRecords
from unimp_bench.errors import DataError
from unimp_bench.progress import progress

BLOCK = 1 << 20
MAX_LINE = 1 << 22


def read_lines(path: Path, bad: BadRecords) -> Iterator[tuple[int, bytes]]:
    """Yield (number from 1, line without its newline), blank lines left out; at the end check the bad share.

    The lines that the caller adds to ``bad`` while it iterates are part of that check.

    Raises:
        DataError: the file cannot be read or ends too early, or more than 5% of its lines are bad.
    """
    number, tail, skipping = 0, b"", False
    try:
        for block in progress(_blocks(path), path.name, unit="block"):
            lines = (tail + block).split(b"\n")
            tail = lines.pop()
            for line in lines:
                number += 1
                if skipping:
                    skipping = False
                elif line:
                    yield number, line
            if len(tail) > MAX_LINE:
                if not skipping:
                    bad.add(LINE_TOO_LONG, path, number + 1)
                skipping, tail = True, b""
        if tail and not skipping:
            yield number + 1, tail
        number += bool(tail or skipping)
    except EOFError:
        number, tail = number + 1, b""
        bad.cut(path, number)
        bad.add(TRUNCATED, path, number)
    except (OSError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); fetch or unpack it again") from None
    bad.end_of_file(path, number, unfinished=bool(tail))


def _blocks(path: Path) -> Iterator[bytes]:
    """The unpacked content, block by block, without a byte order mark."""
    blocks = _read(path)
    first = next(blocks, b"")
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path} is written in UTF-16; save it as UTF-8")
    yield first.removeprefix(codecs.BOM_UTF8)
    yield from blocks


def _read(path: Path) -> Iterator[bytes]:
    if path.suffix != ".gz":
        with path.open("rb") as plain:
            while block := plain.read(BLOCK):
                yield block
        return
    if not path.stat().st_size:
        raise EOFError  # a gzip has a header, but the library takes an empty file for an empty gzip
    with gzip.open(path) as packed:
        # read1 hands over what is unpacked so far, so nothing before a cut is lost.
        while block := packed.read1(BLOCK):
            yield block
