"""What every vector of an item keeps to, and what a result says of absent ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unimp_bench.corpus.features.vectors import ItemVectors, feature_remarks, kept_vectors
from unimp_bench.records import BoolArray, FloatArray

KNOWN = np.array([True, False, True, True, False])


def skewed() -> tuple[FloatArray, BoolArray]:
    """Far from 0, of very different spreads, the last channel the same for everything."""
    return np.array([[1000.0, 1e-3, 7.0], [1001.0, 2e-3, 7.0], [1005.0, 9e-3, 7.0]]), KNOWN


def test_channels_have_mean_0_and_variance_1_over_width(tmp_path: Path) -> None:
    vectors = kept_vectors(tmp_path / "kept.npy", "made", skewed)
    assert vectors is not None
    known = vectors.values[KNOWN].astype(np.float64)
    np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(known.var(axis=0), [1 / 3, 1 / 3, 0], rtol=1e-5)
    assert np.array_equal(vectors.known, KNOWN) and not vectors.values[~KNOWN].any()
    assert vectors.values.dtype == np.float32


def test_vectors_are_computed_once_and_whole(tmp_path: Path) -> None:
    def broken() -> tuple[FloatArray, BoolArray]:
        raise RuntimeError("computed")

    with pytest.raises(RuntimeError, match="computed"):
        kept_vectors(tmp_path / "kept.npy", "made", broken)
    assert not list(tmp_path.iterdir())
    first = kept_vectors(tmp_path / "kept.npy", "made", skewed)
    again = kept_vectors(tmp_path / "kept.npy", "made", broken)
    assert first is not None and again is not None and np.array_equal(first.values, again.values)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.npy"]


def test_remarks_name_missing_features() -> None:
    some = ItemVectors(np.ones((2, 1), np.float32), np.ones(2, np.bool_), "made")
    assert feature_remarks(some, some) == ()
    assert feature_remarks(None, some) == ("no pictures in this corpus: text features alone",)
    assert feature_remarks(some, None) == ("no text in this corpus: picture features alone",)
    assert "no item features" in feature_remarks(None, None)[0]
