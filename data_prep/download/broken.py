"""The list of pictures that could not be had, ``broken.jsonl`` beside those that could."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from unimp_bench.files import write_atomically
from unimp_bench.settings import Strict

NAME = "broken.jsonl"


class Broken(Strict):
    """One item's picture that could not be had, and why.

    Attributes:
        final: it is never asked for again at this address; otherwise the next run tries.
    """

    item: str
    url: str
    reason: str
    final: bool


def read_broken(folder: Path) -> dict[str, Broken]:
    """The list by item, the last entry of an item counting; a line that a kill left unfinished is passed over."""
    path, found = folder / NAME, {}
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            entry = Broken.model_validate_json(line)
        except ValidationError:
            continue
        found[entry.item] = entry
    return found


def append_broken(folder: Path, entry: Broken) -> None:
    """Add an entry to a list whose lines are whole, so that a kill loses none of the others."""
    with (folder / NAME).open("a", encoding="utf-8") as stream:
        stream.write(entry.model_dump_json() + "\n")


def write_broken(folder: Path, entries: Mapping[str, Broken], present: Iterable[str]) -> None:
    """Write the list sorted by item, without the items whose pictures are present by now."""
    left = sorted(set(entries) - set(present))
    if left or (folder / NAME).is_file():
        write_atomically(folder / NAME, "".join(entries[item].model_dump_json() + "\n" for item in left))
