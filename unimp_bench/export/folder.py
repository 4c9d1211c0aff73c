"""A dataset folder is there whole or not at all."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unimp_bench.errors import DataError
from unimp_bench.export.record import Export
from unimp_bench.files import storing

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
