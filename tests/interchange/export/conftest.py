"""Corpora with hostile texts, and an export shared by tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

os.environ["HF_DATASETS_OFFLINE"] = "1"  # before anything imports datasets

from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.records import Histories

TITLES = (
    "</script><script>alert(1)</script>",
    '" onerror="alert(1)',
    "{items} {{ 7 * 7 }}",
    "a | b\nc",
    "\x1b[31mred",
    "x",
)
USERS = ("../x", "<b>u</b>", "a b", "u")


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package ``datasets`` with a separate cache; tests are skipped without it."""
    package = pytest.importorskip("datasets")
    monkeypatch.setattr(package.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    return package


@pytest.fixture
def hostile(tmp_path: Path) -> Corpus:
    """Four users of six interactions with names and titles that need quoting."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "corpora" / "hostile"
    with CorpusWriter(folder) as writer:
        for item in range(5):
            path = tmp_path / f"{item}.png"
            Image.new("RGB", (40, 20), (item * 40, 0, 0)).save(path)
            writer.add_picture(item, path)
        writer.users(list(USERS), ["shop"] * 4, np.zeros(4, dtype=np.bool_))
        names = [f"i{item}" for item in range(6)]
        categories = pa.array([["{items}", f"kind <{item % 2}>"] for item in range(6)])
        writer.items(names, ["shop"] * 6, {"title": pa.array(TITLES), "category": categories})
        writer.histories(
            Histories(
                offsets=np.arange(5) * 6,
                items=np.concatenate([rng.permutation(6) for _ in range(4)]).astype(np.int32),
                ratings=np.where(np.arange(24) % 5, np.arange(24) % 9 / 2 + 0.5, np.nan).astype(np.float32),
                times=np.tile(np.arange(6), 4),
            )
        )
        writer.explanations([(np.arange(24), [f"</p>good {row}" for row in range(24)])])
        writer.finish(
            source="test | <i>",
            licence="none *at* all <script>",
            synthetic=False,
            options={"explanations": {"shop": {"by": "rule", "count": 24}}},
            inputs={},
            domains=("shop",),
            new_domains=(),
            bad_lines={},
        )
    return Corpus.open(folder)
