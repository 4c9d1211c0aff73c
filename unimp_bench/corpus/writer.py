"""Writes a corpus atomically.

Everything is written to a hidden folder next to the target, the manifest last, and the folder is renamed into place.
A killed build leaves only the hidden folder, which the next build of the same corpus removes.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from unimp_bench.corpus.fingerprints import part_fingerprints
from unimp_bench.corpus.manifest import (
    MANIFEST_NAME,
    BadLines,
    Counts,
    FileEntry,
    Manifest,
    RatingScale,
    file_entry,
    fingerprint,
    picture_entry,
    rating_scale,
)
from unimp_bench.errors import DataError
from unimp_bench.records import Histories, IntArray

ARRAYS = ("offsets", "items", "ratings", "times")
ARRAY_TYPES = {"offsets": np.int64, "items": np.int32, "ratings": np.float32, "times": np.int64}
TRAINING, VALIDATION, TEST = PARTS = (0, 1, 2)
"""Values of ``interactions/parts.npy`` per row of a corpus with a public split."""

REVIEW_SCHEMA = pa.schema([("summary", pa.string()), ("text", pa.string())])
EXPLANATION_SCHEMA = pa.schema(
    [pa.field("row", pa.int64(), nullable=False), pa.field("sentence", pa.string(), nullable=False)]
)
FEATURES = "features"
"""Folder of stored features: no part of a corpus's identity, and kept when it is built again."""
IDS = "ids"
"""Folder of stored ids, likewise."""
PICTURE_SUFFIXES = (".jpg", ".png")


class CorpusWriter:
    """Context manager that builds one corpus folder.

    Use: ``with CorpusWriter(folder) as writer:`` then ``users``, ``items``, ``histories``, optionally ``parts``,
    ``reviews``, ``explanations``, ``add_picture`` and ``extra_folder``, and last ``finish``. Leaving the block
    without ``finish``, by an error or an interrupt, removes what was written and leaves an earlier corpus of that
    name untouched.

    Raises:
        DataError: the target exists and is not a corpus; nothing of it is touched.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if folder.exists() and not (folder / MANIFEST_NAME).is_file():
            raise DataError(f"{folder} exists and is not a corpus; use another folder or remove it")
        self.work = folder.parent / f".{folder.name}.building-{os.getpid()}"
        self._finished = False
        self._counts: dict[str, int] = {"reviews": 0, "explanations": 0}
        self._pictures: dict[int, str] = {}

    def __enter__(self) -> CorpusWriter:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._remove_leftovers()
        (self.work / "interactions").mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._finished:
            shutil.rmtree(self.work, ignore_errors=True)

    def users(self, names: list[str], domains: list[str], held_out: np.ndarray) -> None:
        """Write the users, in the order of their numbers; ``held_out`` (users,) marks the new-user split."""
        self._table({"user": pa.array(names), "domain": pa.array(domains), "held_out": pa.array(held_out)}, "users")
        self._counts |= {"users": len(names), "held_out_users": int(np.sum(held_out))}

    def items(self, names: list[str], domains: list[str], attributes: dict[str, pa.Array]) -> None:
        """Write the items with their attribute columns (string, float64 or list of string)."""
        picture = pa.array([self._pictures.get(number) for number in range(len(names))], pa.string())
        columns = {"item": pa.array(names), "domain": pa.array(domains), **attributes, "picture": picture}
        self._table(columns, "items")
        self._attributes = tuple(attributes)
        known = {name: np.asarray(column.is_valid()) for name, column in attributes.items()}
        self._described = {name: int(valid.sum()) for name, valid in known.items()}
        described = int(np.any(list(known.values()), axis=0).sum()) if known else 0
        self._counts |= {"items": len(names), "described_items": described}

    def histories(self, histories: Histories) -> None:
        """Write the interactions, users in order, each user's rows in time order."""
        for name in ARRAYS:
            array = np.ascontiguousarray(getattr(histories, name), dtype=ARRAY_TYPES[name])
            np.save(self.work / "interactions" / f"{name}.npy", array, allow_pickle=False)
        self._counts |= {"interactions": len(histories)}
        self._rating_scale: RatingScale | None = rating_scale(histories.ratings)

    def parts(self, parts: npt.NDArray[np.uint8]) -> None:
        """Write the public split of a corpus that has one, (rows,) of ``PARTS``; call after ``histories``."""
        if len(parts) != self._counts["interactions"] or not np.isin(parts, PARTS).all():
            raise ValueError("parts are 0, 1 or 2, one for each interaction")
        np.save(self.work / "interactions" / "parts.npy", np.ascontiguousarray(parts, np.uint8), allow_pickle=False)

    def reviews(self, chunks: Iterable[tuple[list[str], list[str]]]) -> None:
        """Write (summaries, texts) in the row order of the interactions, a chunk at a time."""
        with pq.ParquetWriter(self.work / "reviews.parquet", REVIEW_SCHEMA, compression="zstd") as writer:
            for summaries, texts in chunks:
                writer.write_table(pa.table([pa.array(summaries), pa.array(texts)], schema=REVIEW_SCHEMA))
                self._counts["reviews"] += len(texts)

    def explanations(self, chunks: Iterable[tuple[IntArray, list[str]]]) -> None:
        """Write (rows, sentences), a chunk at a time; the rows of the interactions grow from chunk to chunk."""
        last = -1
        with pq.ParquetWriter(self.work / "explanations.parquet", EXPLANATION_SCHEMA, compression="zstd") as writer:
            for rows, sentences in chunks:
                if not len(rows):
                    continue
                if rows[0] <= last or (np.diff(rows) <= 0).any() or rows[-1] >= self._counts["interactions"]:
                    raise ValueError("explanations are of distinct rows of the interactions, sorted")
                writer.write_table(pa.table([pa.array(rows), pa.array(sentences)], schema=EXPLANATION_SCHEMA))
                last = int(rows[-1])
                self._counts["explanations"] += len(sentences)

    def add_picture(self, item: int, source: Path) -> None:
        """Copy one picture; call before ``items``. The name is the item's number: no outside name becomes a path."""
        suffix = source.suffix.lower().replace(".jpeg", ".jpg")
        if suffix not in PICTURE_SUFFIXES:
            raise DataError(f"{source} is neither JPEG nor PNG")
        (self.work / "pictures").mkdir(exist_ok=True)
        self._pictures[item] = f"{item:07d}{suffix}"
        shutil.copyfile(source, self.work / "pictures" / self._pictures[item])

    def extra_folder(self, name: str) -> Path:
        """A folder for what only some sources have (the sample's ``truth``)."""
        folder = self.work / name
        folder.mkdir(exist_ok=True)
        return folder

    def finish(
        self,
        *,
        source: str,
        licence: str,
        synthetic: bool,
        options: dict[str, Any],
        inputs: dict[str, str],
        domains: tuple[str, ...],
        new_domains: tuple[str, ...],
        bad_lines: dict[str, BadLines],
        bad_cells: dict[str, BadLines] | None = None,
    ) -> Manifest:
        """Hash everything, write the manifest, and put the corpus in its place."""
        files = self._hash_files()
        pictures = picture_entry(self.work / "pictures")
        manifest = Manifest(
            name=self.folder.name,
            source=source,
            licence=licence,
            synthetic=synthetic,
            options=options,
            inputs=inputs,
            domains=domains,
            new_domains=new_domains,
            attributes=self._attributes,
            counts=Counts(**self._counts, pictures=len(self._pictures)),
            bad_lines=bad_lines,
            bad_cells=bad_cells or {},
            described=self._described,
            files=files,
            pictures=pictures,
            fingerprint=fingerprint(files, pictures),
            rating_scale=self._rating_scale,
        )
        manifest = manifest.model_copy(update={"parts": part_fingerprints(self.work, manifest)})
        (self.work / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        self._put_in_place()
        self._finished = True
        return manifest

    def _table(self, columns: dict[str, pa.Array], name: str) -> None:
        pq.write_table(pa.table(columns), self.work / f"{name}.parquet", compression="zstd")

    def _hash_files(self) -> dict[str, FileEntry]:
        apart = {self.work / "pictures", self.work / FEATURES, self.work / IDS}
        paths = [path for path in sorted(self.work.rglob("*")) if path.is_file() and apart.isdisjoint(path.parents)]
        return {path.relative_to(self.work).as_posix(): file_entry(path) for path in paths}

    def _put_in_place(self) -> None:
        if not self.folder.exists():
            self.work.rename(self.folder)
            return
        old = self.folder.parent / f".{self.folder.name}.old-{os.getpid()}"
        self.folder.rename(old)
        try:
            self.work.rename(self.folder)
        except BaseException:
            old.rename(self.folder)
            raise
        for kept in (*(old / FEATURES).glob("[!.]*"), *(old / IDS).glob("[!.]*")):
            place = self.folder / kept.parent.name / kept.name  # those of other items or texts are refused when read
            place.parent.mkdir(exist_ok=True)
            if not place.exists():
                kept.rename(place)
        shutil.rmtree(old)

    def _remove_leftovers(self) -> None:
        """Remove what dead builds left; a build that is alive in another process keeps its folder."""
        for path in self.folder.parent.iterdir():
            match = re.fullmatch(rf"\.{re.escape(self.folder.name)}\.(building|old)-(\d+)", path.name)
            if match and not _alive(int(match[2])):
                shutil.rmtree(path, ignore_errors=True)
        if self.work.exists():
            shutil.rmtree(self.work)


def _alive(process: int) -> bool:
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
