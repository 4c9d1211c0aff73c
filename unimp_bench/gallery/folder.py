"""The folder of a gallery: there whole or not at all, and nothing of anybody else's is ever replaced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from unimp_bench.errors import DataError
from unimp_bench.export.folder import replacing
from unimp_bench.files import locked
from unimp_bench.strict import Strict

RECORD_NAME = "gallery.json"


class Record(Strict):
    """What a gallery shows and what it was made by. A folder that has it and these files alone is ours to replace.

    Attributes:
        command: that gives this gallery.
        fit: key of the fitted model.
        fingerprint: of the corpus.
        query: the same for all users.
        users: by name.
        retrieved: items of each user by name.
        codes: of each user's picture.
        files: names of all files beside this one.
    """

    format: Literal["unimp-bench-gallery"] = "unimp-bench-gallery"
    version: Literal[1] = 1
    command: str
    fit: str
    fingerprint: str
    query: str
    users: tuple[str, ...]
    retrieved: tuple[tuple[str, ...], ...]
    codes: tuple[tuple[int, ...], ...]
    files: tuple[str, ...]


def check_free(folder: Path) -> None:
    """Refuse a folder that is neither free nor a gallery of ours.

    Raises:
        DataError: it is something else, or holds something beside a gallery.
    """
    if not folder.is_symlink() and not folder.exists():
        return
    if folder.is_symlink() or not folder.is_dir():
        raise DataError(f"{folder} is no folder; name another one by --out")
    there = {path.name for path in folder.iterdir()}
    strange = sorted(there - _ours(folder))
    if strange:
        raise DataError(
            f"{folder} holds {strange[0]!r}, which is not of a gallery of ours; name another folder by --out"
        )


@contextmanager
def filling(folder: Path, cache: Path) -> Iterator[Path]:
    """An empty folder that takes the place of ``folder`` when the block ends well, and else goes.

    Args:
        cache: where one process at a time is let through.

    Raises:
        DataError: ``folder`` holds something that is not ours.
        UsageError: another process is writing a gallery.
    """
    with locked(cache / "galleries"):
        check_free(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder) as partial:
            yield partial


def _ours(folder: Path) -> set[str]:
    try:
        record = Record.model_validate_json((folder / RECORD_NAME).read_bytes())
    except (OSError, ValidationError):
        return set()
    return {RECORD_NAME, *record.files}
