"""Galleries of generated pictures as values for the HTML page."""

from __future__ import annotations

import base64
import re
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from unimp_bench.errors import DataError
from unimp_bench.reports.gallery.page import RECORD_NAME, Record

_FILE = re.compile(r"user-([0-9]+)-(history|retrieved|generated|bought|ceiling)(?:-([0-9]+))?\.png")
_LABELS = {
    "history": "History, {number}",
    "retrieved": "Retrieved {number}",
    "generated": "Generated",
    "bought": "Purchased",
    "ceiling": "Reconstruction by the tokenizer (upper bound)",
}
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A picture within the page; ``uri`` is a data URI."""

    label: str
    uri: str


@dataclass(frozen=True)
class Panel:
    """The history and the outcome of one user."""

    user: str
    history: tuple[Picture, ...]
    outcome: tuple[Picture, ...]


@dataclass(frozen=True)
class Gallery:
    """Pictures generated for several users with one query; ``synthetic`` if the corpus is generated."""

    synthetic: bool
    query: str
    command: str
    panels: tuple[Panel, ...]


def galleries(folder: Path, synthetic: Container[str]) -> tuple[Gallery, ...]:
    """The galleries of ``unimp-bench draw`` below a leaderboards folder, by name.

    Args:
        synthetic: fingerprints of generated corpora.

    Raises:
        DataError: one is damaged.
    """
    return tuple(_gallery(path, synthetic) for path in sorted(folder.glob(f"*_gallery/{RECORD_NAME}")))


def _gallery(path: Path, synthetic: Container[str]) -> Gallery:
    try:
        record = Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(f"{path} is not a gallery ({error.errors()[0]['msg']}); draw it again") from None
    found = [match for match in map(_FILE.fullmatch, record.files) if match]
    return Gallery(
        synthetic=record.fingerprint in synthetic,
        query=record.query,
        command=record.command,
        panels=tuple(
            Panel(
                user,
                history=_pictures(path.parent, [each for each in found if _is(each, number, history=True)]),
                outcome=_pictures(path.parent, [each for each in found if _is(each, number, history=False)]),
            )
            for number, user in enumerate(record.users, start=1)
        ),
    )


def _is(match: re.Match[str], user: int, *, history: bool) -> bool:
    return int(match[1]) == user and (match[2] == "history") is history


def _pictures(folder: Path, found: list[re.Match[str]]) -> tuple[Picture, ...]:
    return tuple(Picture(_LABELS[each[2]].format(number=each[3]), _data_uri(folder / each[0])) for each in found)


def _data_uri(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} belongs to a gallery and cannot be read ({error.strerror}); draw it again") from None
    if not content.startswith(_PNG):
        raise DataError(f"{path} is not a PNG; draw the gallery again")
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
