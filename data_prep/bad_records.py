"""What was wrong in the raw files: counted by kind, with the first places, and too much of it is an error."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from unimp_bench.corpus.manifest import BadLines
from unimp_bench.errors import DataError

TOLERATED = 0.05
PLACES = 5

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
"""What a line is that was cut in two."""


class BadRecord(Exception):  # noqa: N818 (raised and caught inside a reader's loop; never an error of the user's)
    """A record cannot be used; its arguments are the kind, one of the names above, and the column where one is bad."""

    def __init__(self, kind: str, column: str | None = None) -> None:
        super().__init__(kind)
        self.kind, self.column = kind, column


class BadRecords:
    """The tally of one build: bad lines, which are left out, and bad cells, which are missing values of their lines.

    Args:
        partial: build from what is there of a file that ends too early, which is an error otherwise.
    """

    def __init__(self, partial: bool = False) -> None:
        self._partial = partial
        self._kinds: dict[str, Counter[str]] = defaultdict(Counter)
        self._places: dict[str, list[str]] = defaultdict(list)
        self._first: dict[str, list[str]] = defaultdict(list)
        self._last: dict[str, tuple[str, int]] = {}
        self._cells: Counter[str] = Counter()
        self._lines: dict[str, int] = {}

    def add(self, kind: str, path: Path, line: int, column: str | None = None) -> None:
        """Count one bad line of a raw file; ``line`` starts at 1, ``column`` is the one at fault where it is known."""
        place = f"{line}" if column is None else f"{line} ({column})"
        self._add(kind, path, f"{path.name}:{place}")
        self._last[str(path)] = kind, line
        if len(self._first[str(path)]) < PLACES:
            self._first[str(path)].append(place)

    def add_all(self, kind: str, path: Path, lines: Iterable[int]) -> None:
        """Count bad lines of one kind in one file."""
        for line in lines:
            self.add(kind, path, line)

    def add_record(self, problem: BadRecord, path: Path, line: int) -> None:
        """Count the line of a record that cannot be used."""
        self.add(problem.kind, path, line, problem.column)

    def add_cell(self, path: Path, line: int, column: str) -> None:
        """Count a value that cannot be read and is taken as missing; however many there are, their lines stay."""
        kind = f"{path.name}: {column}"
        self._cells[kind] += 1
        if len(self._places[kind]) < PLACES:
            self._places[kind].append(f"{path.name}:{line}")

    def add_file(self, kind: str, path: Path) -> None:
        """Count a file that is bad as a whole, such as a picture; no share of anything makes it an error."""
        self._add(kind, path, path.name)

    def cut(self, path: Path, line: int) -> None:
        """A file ends too early, in this line.

        Raises:
            DataError: it is not to be built from what is there.
        """
        if not self._partial:
            raise DataError(
                f"{path} ends too early: it is cut in line {line}; get it again, or build from the lines before with "
                "--partial"
            )

    def end_of_file(self, path: Path, lines: int, unfinished: bool = False) -> None:
        """Note how many lines a file has, and check it.

        Args:
            unfinished: its last line has no end; a bad one is then half a line.

        Raises:
            DataError: the file is cut, or more than 5% of its lines are bad.
        """
        self._lines[str(path)] = lines
        kind, last = self._last.get(str(path), ("", 0))
        if unfinished and last == lines and kind in _HALF_A_LINE:
            self.cut(path, lines)
        self.check(path)

    def check(self, path: Path) -> None:
        """Stop when too many lines of a file that was read to its end are bad.

        Raises:
            DataError: more than 5% are; names the file, the kinds and the first lines.
        """
        lines = self._lines[str(path)]
        kinds = self._kinds.get(str(path), Counter())
        if kinds.total() > TOLERATED * lines:
            found = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
            raise DataError(
                f"{path}: {kinds.total()} of {lines} lines are bad ({found}), more than {TOLERATED:.0%}, first in line "
                f"{', '.join(self._first[str(path)])}; check that the file is whole and of the kind that you named"
            )

    def to_manifest(self) -> dict[str, BadLines]:
        """Counts and first places of bad lines by kind, kinds in alphabetical order."""
        totals = sum(self._kinds.values(), Counter[str]())
        return {kind: BadLines(count=totals[kind], first=tuple(self._places[kind])) for kind in sorted(totals)}

    def cells_to_manifest(self) -> dict[str, BadLines]:
        """Counts and first places of bad cells by file and column, in alphabetical order."""
        return {
            column: BadLines(count=self._cells[column], first=tuple(self._places[column]))
            for column in sorted(self._cells)
        }

    def _add(self, kind: str, path: Path, place: str) -> None:
        self._kinds[str(path)][kind] += 1
        if len(self._places[kind]) < PLACES:
            self._places[kind].append(place)
