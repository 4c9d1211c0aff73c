"""Corpora that benchmarks make or find."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.records import Histories, IntArray


def real_data() -> Path:
    """The folder of raw sets: ``UNIMP_BENCH_REALDATA``, or the one that the tests look for."""
    return Path(os.environ.get("UNIMP_BENCH_REALDATA", "../shared/realdata")).resolve()


def write_corpus(folder: Path, histories: Histories, items: list[str], columns: Mapping[Any, pa.Array]) -> Corpus:
    """A corpus of one domain, users numbered, without pictures.

    Args:
        items: their names.
        columns: their attributes.
    """
    users = histories.users
    with CorpusWriter(folder) as writer:
        writer.users([f"u{user}" for user in range(users)], ["All"] * users, np.zeros(users, dtype=np.bool_))
        writer.items(items, ["All"] * len(items), dict(columns))
        writer.histories(histories)
        writer.finish(
            source="benchmark",
            licence="none",
            synthetic=True,
            options={},
            inputs={},
            domains=("All",),
            new_domains=(),
            bad_lines={},
        )
    return Corpus.open(folder)


def histories_of(offsets: IntArray, items: IntArray) -> Histories:
    """Sequences without ratings; the time is the place in the user's own."""
    lengths = np.diff(offsets)
    places = np.arange(len(items)) - np.repeat(offsets[:-1], lengths)
    return Histories(offsets, items.astype(np.int32), np.ones(len(items), dtype=np.float32), places.astype(np.int64))
