"""The record of an exported instruction dataset, and its folder, which appears only when complete."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from unimp_bench.corpus.manifest import FileEntry
from unimp_bench.errors import DataError
from unimp_bench.files import storing
from unimp_bench.records import Examples, IntArray
from unimp_bench.settings import Strict

RECORD_NAME = "export.json"


class PartFacts(Strict):
    """Counts of one part of a split.

    Attributes:
        examples, users: how many.
        history: shortest, median and longest history.
        candidates, suitable: for selection, how many examples have so many candidates, and so many to be chosen.
    """

    examples: int
    users: int
    history: tuple[int, float, int]
    candidates: dict[int, int] = Field(default={})
    suitable: dict[int, int] = Field(default={})

    @classmethod
    def of(cls, examples: Examples) -> PartFacts:
        """Count some examples; there is at least one."""
        lengths = examples.ends - examples.starts()
        candidates: dict[int, int] = {}
        suitable: dict[int, int] = {}
        if examples.shown is not None and examples.suits is not None:
            owners = examples.shown.owners()
            candidates = _histogram(np.diff(examples.shown.offsets))
            suitable = _histogram(np.bincount(owners[examples.suits], minlength=len(examples)))
        return cls(
            examples=len(examples),
            users=len(np.unique(examples.users)),
            history=(int(lengths.min()), float(np.median(lengths)), int(lengths.max())),
            candidates=candidates,
            suitable=suitable,
        )


class Export(Strict):
    """All about one dataset but its data.

    Attributes:
        corpus, fingerprint: of the corpus, after its views.
        task, task_version, options: the task with all its options.
        parts: by split name in the dataset (``loo_train``).
        skipped: splits and parts that the corpus cannot give, by name, with the reason.
        pictures: how many picture files.
        files: size and hash of every Parquet file.
    """

    format: Literal["unimp-bench-dataset"] = "unimp-bench-dataset"
    version: Literal[1] = 1
    corpus: str
    fingerprint: str
    task: str
    task_version: int
    options: dict[str, Any]
    parts: dict[str, PartFacts]
    skipped: dict[str, str]
    pictures: int
    files: dict[str, FileEntry]

    @property
    def examples(self) -> int:
        """Of all parts."""
        return sum(part.examples for part in self.parts.values())

    @classmethod
    def there(cls, folder: Path) -> bool:
        """Whether a folder holds a dataset of ours, of this fingerprint or another."""
        try:
            cls.model_validate_json((folder / RECORD_NAME).read_bytes())
        except (OSError, ValidationError):
            return False
        return True


def _histogram(counts: IntArray) -> dict[int, int]:
    values, times = np.unique(counts, return_counts=True)
    return dict(zip(values.tolist(), times.tolist(), strict=True))


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def dataset_folder(out: Path, corpus: str, task: str) -> Path:
    """``out/corpus/task``, after a check that it is free or holds a dataset of ours.

    Raises:
        DataError: a name would leave ``out``, or something else is there; nothing of it is touched.
    """
    for name in (corpus, task):
        if not _NAME.fullmatch(name):
            raise DataError(f"{name!r} makes no folder name: it may have letters, digits, '.', '_', '+' and '-'")
    folder = out / corpus / task
    taken = folder.is_symlink() or (folder.exists() and not Export.there(folder))
    if taken:
        raise DataError(f"{folder} exists and is no dataset of ours; name another folder or remove it yourself")
    return folder


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """An empty hidden folder beside ``folder`` that takes its place when the block ends well, and else goes.

    The caller holds a lock on the parent, so what an earlier process left can be told and cleared.
    """
    partial, old = (folder.with_name(f".{folder.name}.{state}") for state in ("partial", "old"))
    shutil.rmtree(partial, ignore_errors=True)
    if old.exists():  # a process died between the two renames below, or just after them
        shutil.rmtree(old) if folder.exists() else old.rename(folder)
    partial.mkdir(parents=True)
    try:
        with storing(folder):
            yield partial
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(partial, ignore_errors=True)
