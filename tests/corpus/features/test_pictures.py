"""Picture features: computed once, kept, and clear errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_model

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features import encoder, pictures
from unimp_bench.corpus.features.encoder import TINY_VISION
from unimp_bench.corpus.features.pictures import PictureFeatures, picture_features, picture_vectors
from unimp_bench.corpus.pictures import open_picture, picture_files
from unimp_bench.corpus.views import View, view_of
from unimp_bench.errors import DataError, UsageError
from unimp_bench.testing.planted import write_planted_corpus
from unimp_bench.torch_setup import make_torchvision_importable

TINY_CLIP = {
    "embed_dim": 24,
    "vision_cfg": TINY_VISION,
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 1, "layers": 1},
}


@pytest.fixture
def features(planted: Corpus, cache: Path) -> PictureFeatures:
    found = picture_features(planted.items, "tiny", "", cache)
    assert found is not None
    return found


def never(*_: object) -> None:
    raise AssertionError("encoded again")


def test_features_are_computed_once(
    planted: Corpus, cache: Path, features: PictureFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_write_tokens", never)
    again = picture_features(planted.items, "tiny", "", cache)
    assert again is not None and np.array_equal(again.tokens, features.tokens)
    with pytest.raises(AssertionError, match="encoded again"):
        picture_features(planted.items, "RN50", "", cache)


def test_features_tell_the_pictures_apart(planted: Corpus, features: PictureFeatures) -> None:
    assert (features.rows >= 0).tolist() == planted.items.has_picture.tolist()
    first, same, other = features.of(np.array([0, 1, 12]))
    assert np.array_equal(first, same)
    assert not np.allclose(first, other, atol=0.1)
    assert np.isfinite(features.tokens).all()


def test_an_interrupted_encoding_leaves_nothing(tmp_path: Path) -> None:
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
def test_an_unknown_encoder_is_a_one_line_error(planted: Corpus, tmp_path: Path, encoder: str, pretrained: str) -> None:
    for read in (picture_features, picture_vectors):
        with pytest.raises(UsageError, match=f"open_clip gives no encoder '{encoder}'") as caught:
            read(planted.items, encoder, pretrained, tmp_path)
        assert "\n" not in str(caught.value)


def test_vectors_of_tiny_are_the_mean_and_spread_of_the_patches(planted: Corpus, cache: Path) -> None:
    """Written out for each picture, then standardised with NumPy's own means."""
    features, vectors = (read(planted.items, "tiny", "", cache) for read in (picture_features, picture_vectors))
    assert isinstance(features, PictureFeatures) and vectors is not None and not isinstance(vectors, PictureFeatures)
    pictured = np.flatnonzero(planted.items.has_picture)
    patches = features.tokens.astype(np.float64)
    told = np.array([[*picture.mean(0), *picture.std(0)] for picture in patches])
    expected = (told - told.mean(0)) / told.std(0) / np.sqrt(told.shape[1])
    np.testing.assert_allclose(vectors.values[pictured], expected, atol=1e-4)
    assert not vectors.values[~planted.items.has_picture].any()
    assert np.array_equal(vectors.known, planted.items.has_picture) and vectors.name == "tiny"
    assert (
        np.linalg.norm(vectors.values[0] - vectors.values[12])
        > 1
        > 1e-3
        > abs(vectors.values[0] - vectors.values[1]).max()
    )


def test_vectors_of_a_trained_encoder_are_its_pooled_output(planted: Corpus, tmp_path: Path) -> None:
    """Weights in open_clip's own format; the expected vectors by its ``encode_image``, one picture at a time."""
    make_torchvision_importable()
    import open_clip

    folder = tmp_path / "clip"
    folder.mkdir()
    torch.manual_seed(1)
    save_model(open_clip.CLIP(**TINY_CLIP), str(folder / "open_clip_model.safetensors"))
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY_CLIP, "preprocess_cfg": {}}))
    vectors = picture_vectors(planted.items, f"local-dir:{folder}", "", tmp_path)
    assert vectors is not None and vectors.width == 24 and np.array_equal(vectors.known, planted.items.has_picture)

    model, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    pictured = np.flatnonzero(planted.items.has_picture)
    with torch.no_grad():
        pixels = (prepare(open_picture(path))[None] for path in picture_files(planted.items, pictured))
        told = torch.cat([model.encode_image(picture) for picture in pixels]).double().numpy()
    expected = (told - told.mean(0)) / told.std(0) / np.sqrt(24)
    np.testing.assert_allclose(vectors.values[pictured], expected, atol=1e-4)


def test_a_view_has_vectors_of_its_own(planted: Corpus, cache: Path) -> None:
    """Other pictures, the same items without one."""
    shuffled = view_of(planted, View("NV", 1.0))
    before, after = (picture_vectors(corpus.items, "tiny", "", cache) for corpus in (planted, shuffled))
    assert before is not None and after is not None
    assert np.array_equal(before.known, after.known) and not np.allclose(before.values, after.values)


def test_a_corpus_without_pictures_has_no_vectors(
    planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(planted.items.__dict__, "has_picture", np.zeros(len(planted.items), dtype=np.bool_))
    assert picture_vectors(planted.items, "tiny", "", tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_very_long_picture_is_not_scaled_as_a_whole() -> None:
    """Scaled to the width of an encoder it would have side * side * length pixels; its middle is all that is seen."""
    noise = Image.effect_noise((1, 3000), 80).convert("RGB")
    seen: list[tuple[int, int]] = []

    def prepare(picture: Image.Image) -> torch.Tensor:
        seen.append(picture.size)
        return torch.from_numpy(np.asarray(picture).copy())

    middle = prepare(encoder.middle(noise))
    assert seen == [(1, 32)]
    assert np.array_equal(middle, np.asarray(noise)[1484:1516])
    assert encoder.middle(noise.transpose(Image.Transpose.ROTATE_90)).size == (32, 1)
    assert encoder.middle(noise.crop((0, 0, 1, 32))).size == (1, 32)
