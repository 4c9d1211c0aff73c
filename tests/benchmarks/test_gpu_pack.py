"""The folder that travels to a GPU: a workspace below its limit, or nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu import pack as packing
from benchmarks.gpu.pack import pack
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.stored import open_set, write_set
from unimp_bench.errors import UsageError


def test_a_packed_corpus_is_a_workspace(planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "planted"
    shutil.copytree(planted.folder, folder)
    names = Corpus.open(folder).items.names
    values, known = np.ones((len(names), 3)), np.ones(len(names), dtype=np.bool_)
    for name in ("kept", "left"):
        write_set(folder, names, name, "text", values, known, "made")
    size = pack(folder, tmp_path / "out", ("kept",))
    packed = Corpus.open(tmp_path / "out" / "data" / planted.name)
    assert packed.fingerprint == planted.fingerprint and 0 < size < 60
    assert len(open_set(packed, "kept").values) == len(names)
    with pytest.raises(UsageError, match="kept"):
        open_set(packed, "left")
    with pytest.raises(UsageError, match="is there already"):
        pack(folder, tmp_path / "out")
    with pytest.raises(UsageError, match="has no features 'others'"):
        pack(folder, tmp_path / "other", ("others",))
    monkeypatch.setattr(packing, "LIMIT_MIB", 0)
    with pytest.raises(UsageError, match="more than 0: pack a corpus without pictures"):
        pack(folder, tmp_path / "third")
    assert not (tmp_path / "third").exists() and not (tmp_path / "other").exists()
