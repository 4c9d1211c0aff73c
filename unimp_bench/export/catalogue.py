"""The items of a dataset: their words and attributes as a table, their pictures as files beside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from unimp_bench.corpus import Corpus
from unimp_bench.progress import progress
from unimp_bench.rendering import PICTURES, picture_paths

ITEMS_NAME = "items.parquet"
PARQUET = {"compression": "zstd", "store_schema": False}
"""How every file is written; without Arrow's own schema, since it would tell readers of dictionaries."""

_ROWS_A_GROUP = 50_000


def write_items(corpus: Corpus, words: Sequence[str], folder: Path) -> None:
    """One row an item, in the order of the corpus: name, domain, words, picture path, and attributes as a struct."""
    items = corpus.items
    columns = {
        "item": pa.array(items.names, pa.string()),
        "domain": pa.array(items.domain_names).take(pa.array(items.domains)),
        "words": pa.array(words, pa.string()),
        "picture": pa.array(picture_paths(corpus), pa.string()),
    }
    if items.attributes:
        values = [items.column(name).combine_chunks() for name in items.attributes]
        columns["attributes"] = pa.StructArray.from_arrays(values, names=list(items.attributes))
    pq.write_table(pa.table(columns), folder / ITEMS_NAME, row_group_size=_ROWS_A_GROUP, **PARQUET)


def place_pictures(corpus: Corpus, folder: Path, twin: Path | None) -> int:
    """Put the pictures of the catalogue below ``folder``; returns how many there are.

    Args:
        twin: a dataset of the same corpus written just before: its pictures are linked, so that several datasets
            take the space of one and each can be moved alone. Those of the corpus are copied, never linked: what a
            user does to a dataset must not reach the corpus.
    """
    paths = sorted({path for path in picture_paths(corpus) if path is not None})
    if paths:
        (folder / PICTURES).mkdir()
    for path in progress(paths, "pictures", unit="picture"):
        if twin is None or not _linked(twin / path, folder / path):
            shutil.copyfile(corpus.folder / path, folder / path)
    return len(paths)


def _linked(source: Path, target: Path) -> bool:
    """Whether a hard link could be made; some file systems have none."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True
