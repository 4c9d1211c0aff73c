"""The manifest of a corpus: what it was built from, what is in it, and the hashes that say it is whole."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from unimp_bench.errors import DataError
from unimp_bench.records import FloatArray
from unimp_bench.settings import Strict

MANIFEST_NAME = "manifest.json"
FORMAT: Literal["unimp-bench-corpus"] = "unimp-bench-corpus"
VERSION: Literal[1] = 1

RatingScale = tuple[float, float, float]


class FileEntry(Strict):
    """Size in bytes and SHA-256 of one file of the corpus."""

    bytes: int
    sha256: str


class PictureEntry(Strict):
    """All pictures as one entry: their number, bytes, and a SHA-256 over their names and hashes."""

    count: int
    bytes: int
    sha256: str


class BadLines(Strict):
    """Invalid places in the raw files, of one kind: their number, and the first of them."""

    count: int
    first: tuple[str, ...]


class Counts(Strict):
    """How much is in the corpus; ``items`` and ``users`` include those held out.

    ``described_items`` have an attribute; None in manifests of earlier versions.
    """

    users: int
    held_out_users: int
    items: int
    interactions: int
    pictures: int
    reviews: int
    explanations: int = 0
    described_items: int | None = None


class Manifest(Strict):
    """Everything about a corpus but its data. ``fingerprint`` is the identity that results refer to.

    Attributes:
        name: name of the corpus, the folder's name when it was built.
        source: the reader that read the raw files (``mcauley-2014``, ``atomic``...).
        options: the options of the pipeline that built it, as plain JSON values.
        inputs: SHA-256 of every raw file, by file name.
        licence: one line on the terms of the source.
        domains: names of the domains, in the order of their codes.
        new_domains: domains held out whole (split ``new-domain``).
        attributes: item columns that hold text, numbers or lists of text.
        synthetic: true for the built-in sample, which no table may present as real data.
        bad_lines: lines of the raw files that were left out, by kind.
        bad_cells: values in lines that stayed which could not be read and are missing, by file and column.
        described: items that have it, by attribute.
        parts: fingerprints of ``interactions``, ``texts`` and ``pictures``; empty in manifests of earlier versions.
        rating_scale: lowest rating, highest rating and the smallest step between two, None without ratings.
    """

    format: Literal["unimp-bench-corpus"] = FORMAT
    version: Literal[1] = VERSION
    name: str
    source: str
    licence: str
    synthetic: bool
    options: dict[str, Any]
    inputs: dict[str, str]
    domains: tuple[str, ...]
    new_domains: tuple[str, ...]
    attributes: tuple[str, ...]
    counts: Counts
    bad_lines: dict[str, BadLines]
    bad_cells: dict[str, BadLines] = Field(default_factory=dict)
    described: dict[str, int] = Field(default_factory=dict)
    files: dict[str, FileEntry]
    pictures: PictureEntry
    fingerprint: str
    parts: dict[str, str] = Field(default_factory=dict)
    rating_scale: RatingScale | None = None

    @property
    def ties(self) -> str:
        """How a user's interactions of one time are ordered: by ``hash``, or as in the ``file``, as all once were."""
        return str(self.options.get("ties", "file"))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Parse ``folder/manifest.json``.

        Raises:
            DataError: no such file, not JSON, or not a manifest of this version.
        """
        path = folder / MANIFEST_NAME
        if not path.is_file():
            raise DataError(f"{folder} is no corpus: it has no {MANIFEST_NAME}; build one with 'make data'")
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            raise DataError(
                f"{path} is not a corpus manifest this version reads ({place}: {first['msg']}); build the corpus again"
            ) from None


def fingerprint(files: Mapping[str, FileEntry], pictures: PictureEntry) -> str:
    """SHA-256 over the names and hashes of all files: equal for equal data, whatever built it."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name} {files[name].sha256}\n".encode())
    digest.update(f"pictures {pictures.sha256}\n".encode())
    return digest.hexdigest()


def rating_scale(ratings: FloatArray) -> RatingScale | None:
    """(lowest, highest, smallest difference) of the distinct ratings, None where there are fewer than two.

    Five stars give (1, 5, 1), half stars (0.5, 5, 0.5).
    """
    distinct = np.unique(ratings[~np.isnan(ratings)])
    if len(distinct) < 2:
        return None
    # The ratings are float32: rounding takes off what a step such as 0.1 gains in its last bits.
    lowest, highest, step = (round(float(value), 4) for value in (*distinct[[0, -1]], np.diff(distinct).min()))
    return lowest, highest, step


def file_entry(path: Path) -> FileEntry:
    """Hash one file in bounded memory."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return FileEntry(bytes=path.stat().st_size, sha256=digest.hexdigest())


def picture_entry(folder: Path) -> PictureEntry:
    """Hash a folder of pictures (which may be absent: no pictures)."""
    digest, count, size = hashlib.sha256(), 0, 0
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        entry = file_entry(path)
        digest.update(f"{path.name} {entry.sha256}\n".encode())
        count, size = count + 1, size + entry.bytes
    return PictureEntry(count=count, bytes=size, sha256=digest.hexdigest())
