"""The JSON form of LC-Rec and LETTER: ``<name>.inter.json``, ``.item.json``, ``.user2id`` and ``.item2id``.

Numbered users have lists of numbered items in order; the last item is the test item and the one before the validation
item. Items have texts by number, and the two tables, of name and number without header, give the original names; these
three files are optional. ``<name>.index.json``, the semantic ids of one model, is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from data_prep.formats.names import Names
from data_prep.formats.sequences import Sequences, json_object, one_file
from data_prep.raw_files import BadRecords
from unimp_bench.errors import DataError

INTERACTIONS, TEXTS, SEMANTIC_IDS = ".inter.json", ".item.json", ".index.json"
TEXT_FIELDS = ("title", "brand", "description")


class Letter(Sequences):
    """One set.

    Raises:
        DataError: no file of interactions, or several, or an invalid table of names.
    """

    name = "letter"

    def __init__(self, raw: Path) -> None:
        self.raw, self.file = raw, one_file(raw, INTERACTIONS)
        self._stem = self.file.name.removesuffix(INTERACTIONS)
        self.domains = (self._stem,)
        self._users, self._items = (Names(raw / f"{self._stem}.{table}") for table in ("user2id", "item2id"))
        self._texts = raw / f"{self._stem}{TEXTS}"
        self.notes = {"order": "position"}
        ids = raw / f"{self._stem}{SEMANTIC_IDS}"
        if ids.is_file():
            self.notes["left_out"] = [ids.name]

    def inputs(self) -> list[Path]:
        texts = [self._texts] if self._texts.is_file() else []
        return [self.file, *texts, *(names.path for names in (self._users, self._items) if names.path)]

    def sequences(self, bad: BadRecords) -> Iterator[tuple[int, str, Iterable[str]]]:
        for number, (user, items) in enumerate(json_object(self.file).items(), start=1):
            if not isinstance(items, list) or not all(type(item) is int for item in items):
                raise DataError(f"{self.file}, user {user[:40]!r}: not a list of numbers")
            yield number, self._users[user], [self._items[str(item)] for item in items]

    def attributes(self, names: list[str], bad: BadRecords) -> dict[str, pa.Array]:
        if not self._texts.is_file():
            return {}
        known: dict[str, dict[str, object]] = {}
        for number, item in json_object(self._texts).items():
            if not isinstance(item, dict):
                raise DataError(f"{self._texts}, item {number[:40]!r}: not a JSON object")
            known[self._items[number]] = item
        if known.keys().isdisjoint(names):
            raise DataError(f"{self._texts} has no item of {self.file.name}; use the files of one set")
        items = [known.get(name, {}) for name in names]
        columns = {key: pa.array([_text(item.get(key)) for item in items], pa.string()) for key in TEXT_FIELDS}
        columns["category"] = pa.array([_list(item.get("categories")) for item in items], pa.list_(pa.string()))
        return {name: column for name, column in columns.items() if column.null_count < len(column)}


def _list(found: object) -> list[str] | None:
    """A list, or a text with commas, as strings; None if there is nothing."""
    parts = found.split(",") if isinstance(found, str) else found if isinstance(found, list) else []
    return [text for text in map(_text, parts) if text] or None


def _text(found: object) -> str | None:
    """A text, or the texts of a list, on one line; None if there is nothing."""
    parts = found if isinstance(found, list) else [found]
    return " ".join(" ".join(part.split()) for part in parts if isinstance(part, str)) or None
