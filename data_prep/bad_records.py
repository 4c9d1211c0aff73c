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


class BadRecord(Exception):  # noqa: N818 (raised and caught inside a reader's loop; never an error of the user's)
    """A record cannot be used; its argument is the kind, one of the names above."""


class BadRecords:
    """The tally of one build."""

    def __init__(self) -> None:
        self._kinds: dict[str, Counter[str]] = defaultdict(Counter)
        self._places: dict[str, list[str]] = defaultdict(list)
        self._lines: dict[str, int] = {}

    def add(self, kind: str, path: Path, line: int) -> None:
        """Count one bad line of a raw file; ``line`` starts at 1."""
        self.add_all(kind, path, (line,))

    def add_all(self, kind: str, path: Path, lines: Iterable[int]) -> None:
        """Count bad lines of one kind in one file."""
        for line in lines:
            self._add(kind, path, f"{path.name}:{line}")

    def add_file(self, kind: str, path: Path) -> None:
        """Count a file that is bad as a whole, such as a picture; no share of anything makes it an error."""
        self._add(kind, path, path.name)

    def end_of_file(self, path: Path, lines: int) -> None:
        """Note how many lines a file has, and check it."""
        self._lines[str(path)] = lines
        self.check(path)

    def check(self, path: Path) -> None:
        """Stop when too many lines of a file that was read to its end are bad.

        Raises:
            DataError: more than 5% are; names the file and the kinds.
        """
        lines = self._lines[str(path)]
        kinds = self._kinds.get(str(path), Counter())
        if kinds.total() > TOLERATED * lines:
            found = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
            raise DataError(
                f"{path}: {kinds.total()} of {lines} lines are bad ({found}), more than {TOLERATED:.0%}; "
                "check that the file is whole and of the kind that you named"
            )

    def to_manifest(self) -> dict[str, BadLines]:
        """Counts and first places by kind, kinds in alphabetical order."""
        totals = sum(self._kinds.values(), Counter[str]())
        return {kind: BadLines(count=totals[kind], first=tuple(self._places[kind])) for kind in sorted(totals)}

    def _add(self, kind: str, path: Path, place: str) -> None:
        self._kinds[str(path)][kind] += 1
        if len(self._places[kind]) < PLACES:
            self._places[kind].append(place)
