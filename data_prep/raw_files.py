"""Raw text files, streamed in bounded memory: lines, CSV rows, and counts of bad input.

Bad lines are counted by kind with their first places; more than 5% of a file are an error. So is a file that ends too
early: a truncated gzip, or an unterminated last line that is bad. With ``partial`` the build continues from the lines
before the cut, which counts as one bad line, since the missing amount is unknown.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from unimp_bench.corpus.manifest import BadLines
from unimp_bench.errors import DataError
from unimp_bench.progress import progress

TOLERATED = 0.05
MAX_PLACES = 5
BLOCK = 1 << 20
MAX_LINE = 1 << 22

INVALID_JSON = "invalid JSON"
INVALID_LITERAL = "invalid literal"
NOT_UTF8 = "not UTF-8"
MISSING_FIELD = "missing or mistyped field"
BAD_RATING = "rating out of range"
BAD_TIME = "time out of range"
BAD_PART = "split that is not train, val or test"
WRONG_COLUMNS = "wrong number of columns"
LINE_TOO_LONG = "line too long"
TRUNCATED = "truncated gzip"
NO_METADATA = "item without metadata"
BROKEN_PICTURE = "broken picture"

_HALF_A_LINE = (INVALID_JSON, INVALID_LITERAL, NOT_UTF8, WRONG_COLUMNS)
"""Bad kinds of a line that was cut in two."""


class BadRecord(Exception):  # noqa: N818 (raised and caught inside a reader's loop; never a user error)
    """A record that cannot be used; the arguments are the kind, one of the names above, and the bad column if known."""

    def __init__(self, kind: str, column: str | None = None) -> None:
        super().__init__(kind)
        self.kind, self.column = kind, column


class BadRecords:
    """Counts of one build: bad lines, which are skipped, and bad cells, which become missing values.

    Args:
        partial: build from the available part of a truncated file, which is an error otherwise.
    """

    def __init__(self, partial: bool = False) -> None:
        self._partial = partial
        self._kinds: dict[Path, Counter[str]] = defaultdict(Counter)
        self._first: dict[Path, list[str]] = defaultdict(list)
        self._last: dict[Path, tuple[str, int]] = {}
        self._lines: dict[Path, int] = {}
        self._cells: Counter[str] = Counter()
        self._places: dict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, path: Path, line: int, column: str | None = None) -> None:
        """Count one bad line of a raw file; ``line`` starts at 1, ``column`` is the bad one if known."""
        place = f"{line}" if column is None else f"{line} ({column})"
        self._kinds[path][kind] += 1
        self._last[path] = kind, line
        _append_first(self._first[path], place)
        _append_first(self._places[kind], f"{path.name}:{place}")

    def add_record(self, problem: BadRecord, path: Path, line: int) -> None:
        """Count the line of a record that cannot be used."""
        self.add(problem.kind, path, line, problem.column)

    def add_cell(self, path: Path, line: int, column: str) -> None:
        """Count an unreadable value, treated as missing, without a limit."""
        kind = f"{path.name}: {column}"
        self._cells[kind] += 1
        _append_first(self._places[kind], f"{path.name}:{line}")

    def add_file(self, kind: str, path: Path) -> None:
        """Count a bad file, such as a picture, without a limit."""
        self._kinds[path][kind] += 1
        _append_first(self._places[kind], path.name)

    def cut(self, path: Path, line: int) -> None:
        """Record that a file is truncated in this line.

        Raises:
            DataError: partial files are not allowed.
        """
        if not self._partial:
            raise DataError(
                f"{path} is truncated in line {line}; download it again, or build from the lines before with --partial"
            )

    def end_of_file(self, path: Path, lines: int, unfinished: bool = False) -> None:
        """Record the number of lines of a file, and check it.

        Args:
            unfinished: whether its last line is unterminated; a bad one then counts as truncated.

        Raises:
            DataError: the file is truncated, or more than 5% of its lines are bad.
        """
        self._lines[path] = lines
        kind, last = self._last.get(path, ("", 0))
        if unfinished and last == lines and kind in _HALF_A_LINE:
            self.cut(path, lines)
        self.check(path)

    def check(self, path: Path) -> None:
        """Check a completely read file.

        Raises:
            DataError: more than 5% of its lines are bad; the message has the kinds and first lines.
        """
        lines, kinds = self._lines[path], self._kinds.get(path, Counter())
        if kinds.total() > TOLERATED * lines:
            found = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
            raise DataError(
                f"{path}: {kinds.total()} of {lines} lines are bad ({found}), more than {TOLERATED:.0%}, first in line "
                f"{', '.join(self._first[path])}; check that the file is complete and of the right kind"
            )

    def to_manifest(self) -> dict[str, BadLines]:
        """Counts and first places of bad lines by kind, in alphabetical order."""
        return self._by_name(sum(self._kinds.values(), Counter[str]()))

    def cells_to_manifest(self) -> dict[str, BadLines]:
        """Counts and first places of bad cells by file and column, in alphabetical order."""
        return self._by_name(self._cells)

    def _by_name(self, counts: Counter[str]) -> dict[str, BadLines]:
        return {name: BadLines(count=counts[name], first=tuple(self._places[name])) for name in sorted(counts)}


def _append_first(places: list[str], place: str) -> None:
    if len(places) < MAX_PLACES:
        places.append(place)


def read_lines(path: Path, bad: BadRecords) -> Iterator[tuple[int, bytes]]:
    """Yield (number from 1, line without its newline) of a plain or gzip file, without blank lines and byte order mark.

    At the end the share of bad lines is checked, including those that the caller adds to ``bad``.

    Raises:
        DataError: the file is unreadable or truncated, or more than 5% of its lines are bad.
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
        raise DataError(f"{path} cannot be read ({error}); download or unpack it again") from None
    bad.end_of_file(path, number, unfinished=bool(tail))


def _blocks(path: Path) -> Iterator[bytes]:
    """Blocks of the unpacked content, without a byte order mark."""
    blocks = _read(path)
    first = next(blocks, b"")
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path} is encoded in UTF-16; save it as UTF-8")
    yield first.removeprefix(codecs.BOM_UTF8)
    yield from blocks


def _read(path: Path) -> Iterator[bytes]:
    if path.suffix != ".gz":
        with path.open("rb") as plain:
            while block := plain.read(BLOCK):
                yield block
        return
    if not path.stat().st_size:
        raise EOFError  # the library treats an empty file as an empty gzip, which has a header
    with gzip.open(path) as packed:
        # read1 returns what is unpacked so far, so that nothing before a cut is lost.
        while block := packed.read1(BLOCK):
            yield block


def read_rows(path: Path, bad: BadRecords) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of its last line, cells) of each row of a CSV file; quoted cells may span lines.

    Raises:
        DataError: the file is unreadable or truncated, or more than 5% of its lines are bad.
    """
    number = 0

    def texts() -> Iterator[str]:
        nonlocal number
        for number, line in read_lines(path, bad):
            try:
                yield line.decode() + "\n"
            except UnicodeDecodeError:
                bad.add(NOT_UTF8, path, number)

    rows = csv.reader(texts(), strict=True)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:  # an open quote, or a cell beyond the module's limit of 128 KiB
            if "unexpected end" in str(error):
                bad.cut(path, number)
            bad.add(WRONG_COLUMNS, path, number)
            continue
        yield number, row


def read_table(path: Path, columns: tuple[str, ...], bad: BadRecords) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (number of its last line, cells by column) of each row of a CSV file with a header; other widths are bad.

    Args:
        columns: required columns.

    Raises:
        DataError: a column is missing, or an error of ``read_rows``.
    """
    rows = read_rows(path, bad)
    _, header = next(rows, (0, []))
    for name in columns:
        if name not in header:
            raise DataError(f"{path} has no column {name!r} in its first line")
    for number, row in rows:
        if len(row) == len(header):
            yield number, dict(zip(header, row, strict=True))
        else:
            bad.add(WRONG_COLUMNS, path, number)
