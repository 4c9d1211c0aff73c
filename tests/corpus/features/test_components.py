"""Principal components of stored features: against NumPy's singular values, their identity, and refusals."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from unimp_bench.cli.main import main
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features import components
from unimp_bench.corpus.features.components import reduce
from unimp_bench.corpus.features.stored import open_set, write_set
from unimp_bench.errors import UsageError

WIDTH, KEPT = 6, 4


@pytest.fixture
def corpus(planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    """A copy with features of most items, far from zero, read in several blocks."""
    monkeypatch.setattr(components, "_BLOCK", 7)
    shutil.copytree(planted.folder, tmp_path / "planted")
    found = Corpus.open(tmp_path / "planted")
    rng = np.random.default_rng(0)
    values = rng.normal(size=(len(found.items), WIDTH)) * [3, 1, 0.5, 2, 0.1, 0.2] + 1000
    known = np.arange(len(values)) % 5 > 0
    write_set(found.folder, found.items.names, "given", "pictures", values, known, "made")
    return found


def test_components_are_those_of_the_centred_vectors(corpus: Corpus) -> None:
    record = reduce(corpus, "given", KEPT, "small")
    source, found = open_set(corpus, "given"), open_set(corpus, "small")
    assert (record.shape, record.modality, record.known) == ((KEPT,), "pictures", source.record.known)
    vectors = source.values[source.known].astype(np.float64)
    left, singular, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(found.values[found.known]), np.abs(left * singular)[:, :KEPT], atol=2e-3)
    assert not found.values[~found.known].any()


def test_regions_share_their_axes(corpus: Corpus) -> None:
    source = open_set(corpus, "given")
    names = corpus.items.names
    pairs = np.stack([source.values, source.values[::-1]], axis=1)
    write_set(corpus.folder, names, "pairs", "pictures", pairs, source.known & source.known[::-1], "made")
    assert reduce(corpus, "pairs", KEPT, "small").shape == (2, KEPT)
    found = open_set(corpus, "small")
    row = int(np.flatnonzero(found.known)[0])
    distance = np.linalg.norm(np.diff(pairs[row].astype(np.float64), axis=0))
    whole = reduce(corpus, "pairs", WIDTH - 1, "most")
    assert whole.shape == (2, WIDTH - 1)
    most = open_set(corpus, "most").values[row]
    assert np.linalg.norm(np.diff(most, axis=0)) == pytest.approx(distance, rel=0.1), "distances survive"


def test_the_key_is_of_the_source_and_the_number(corpus: Corpus) -> None:
    keys = [reduce(corpus, "given", number, name).key for number, name in ((4, "a"), (4, "b"), (3, "c"))]
    assert keys[0] == keys[1] != keys[2]


def test_the_command_and_what_it_refuses(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="have 6 numbers a vector; choose fewer --components"):
        reduce(corpus, "given", WIDTH, "small")
    with pytest.raises(UsageError, match="unknown features of planted 'givn'; did you mean 'given'"):
        reduce(corpus, "givn", 2, "small")
    source = open_set(corpus, "given")
    flat = source.values @ np.ones((WIDTH, 1), np.float32) @ np.ones((1, WIDTH), np.float32)
    write_set(corpus.folder, corpus.items.names, "flat", "pictures", flat, source.known, "made")
    with pytest.raises(UsageError, match="'flat' vary in 1 directions only"):
        reduce(corpus, "flat", 2, "small")
    with pytest.raises(SystemExit, match="0"):
        main(["features", "reduce", "given", "--corpus", str(corpus.folder), "--components", "2"])
    said = capsys.readouterr().out
    assert said.startswith("pictures features given-pca2 of planted: 2 principal components of given ")
