"""Picture features: computed once, kept, and clear errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unimp.small import Parts
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError, UsageError
from unimp_bench.testing.planted import write_planted_corpus
from unimp_bench.unimp.network import vision
from unimp_bench.unimp.network.vision import picture_features


def test_features_are_computed_once(parts: Parts, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr(vision, "_write", never)
    again = picture_features(parts.corpus.items, "tiny", "", cache)
    assert again is not None and np.array_equal(again.tokens, parts.features.tokens)
    with pytest.raises(AssertionError, match="encoded again"):
        picture_features(parts.corpus.items, "RN50", "", cache)


def test_features_tell_the_pictures_apart(parts: Parts) -> None:
    items = parts.corpus.items
    assert (parts.features.rows >= 0).tolist() == items.has_picture.tolist()
    first, same, other = parts.features.of(np.array([0, 1, 12]))
    assert np.array_equal(first, same)
    assert not np.allclose(first, other, atol=0.1)
    assert np.isfinite(parts.features.tokens).all()


def test_an_interrupted_encoding_leaves_nothing(parts: Parts, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    write_planted_corpus(folder)
    corpus = Corpus.open(folder)
    picture = corpus.items.picture(3)
    assert picture is not None
    picture.write_bytes(b"no picture at all")
    with pytest.raises(DataError, match="cannot be read"):
        picture_features(corpus.items, "tiny", "", tmp_path)
    assert not list(tmp_path.glob("*.npy")) and not list(tmp_path.glob(".pictures*"))


@pytest.mark.parametrize(("encoder", "pretrained"), [("ViT-Nonsense", ""), ("ViT-B-32", "nonsense")])
def test_unknown_encoders_are_one_clear_line(parts: Parts, tmp_path: Path, encoder: str, pretrained: str) -> None:
    with pytest.raises(UsageError, match=f"open_clip gives no encoder '{encoder}'") as caught:
        picture_features(parts.corpus.items, encoder, pretrained, tmp_path)
    assert "\n" not in str(caught.value)
