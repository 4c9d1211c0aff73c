"""The tokenizer of a corpus: trained once, found again, and never half there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.generative.picture_tokens.test_tokenizer import SMALL
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.files import locked
from unimp_bench.generative.picture_tokens import catalogue_tokens, open_tokenizer, training
from unimp_bench.generative.picture_tokens.pictures import UInt8Array
from unimp_bench.generative.picture_tokens.tokenizer import PRESETS, PictureTokenizer


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "tiny", replace(SMALL, steps=5, most_pictures=40))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[UInt8Array]:
    """The pictures of every training that takes place."""
    trainings: list[UInt8Array] = []
    train = training.train_tokenizer

    def watched(config: object, pictures: UInt8Array) -> PictureTokenizer:
        trainings.append(pictures)
        return train(config, pictures)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "train_tokenizer", watched)
    return trainings


def test_a_corpus_has_its_tokenizer_trained_once(planted: Corpus, tmp_path: Path, seen: list[UInt8Array]) -> None:
    first = open_tokenizer(planted.items, "tiny", tmp_path)
    again = open_tokenizer(planted.items, "tiny", tmp_path)
    assert first.fingerprint == again.fingerprint and len(seen) == 1
    assert seen[0].shape == (40, 16, 16, 3)
    PRESETS["tiny"] = replace(PRESETS["tiny"], seed=1)
    assert open_tokenizer(planted.items, "tiny", tmp_path).fingerprint != first.fingerprint


def test_an_interrupted_training_starts_clean(
    planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: list[UInt8Array]
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "revive", killed)
        with pytest.raises(KeyboardInterrupt):
            open_tokenizer(planted.items, "tiny", tmp_path)
    assert not list(tmp_path.rglob("*.safetensors*"))
    open_tokenizer(planted.items, "tiny", tmp_path)
    assert len(seen) == 2


def test_two_processes_do_not_train_the_same_tokenizer(planted: Corpus, tmp_path: Path) -> None:
    open_tokenizer(planted.items, "tiny", tmp_path)
    (file,) = tmp_path.rglob(PictureTokenizer.FILE)
    file.unlink()
    with locked(file.parent), pytest.raises(UsageError, match="another process"):
        open_tokenizer(planted.items, "tiny", tmp_path)


def test_the_catalogue_is_tokenised_once(planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = planted.items
    tokenizer = open_tokenizer(items, "tiny", tmp_path)
    tokens = catalogue_tokens(tokenizer, items, tmp_path)
    assert tokens.rows.dtype == np.int64 and tokens.codes.dtype == np.int16
    assert ((tokens.rows >= 0) == items.has_picture).all()
    last = int(np.flatnonzero(items.has_picture)[-1])
    picture = items.picture(last)
    assert picture is not None
    assert np.array_equal(tokens.codes[tokens.rows[last]], tokenizer.encode([picture])[0])
    monkeypatch.setattr(PictureTokenizer, "encode", None)
    assert np.array_equal(catalogue_tokens(tokenizer, items, tmp_path).codes, tokens.codes)


def test_invalid_requests_are_one_line_errors(planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for preset, weights, reason in (
        ("tinny", "", "did you mean"),
        ("paper", "", "needs a VQGAN checkpoint"),
        ("tiny", "some.ckpt", "do not set weights"),
    ):
        with pytest.raises(UsageError, match=reason):
            open_tokenizer(planted.items, preset, tmp_path, weights)
    monkeypatch.setitem(planted.items.__dict__, "has_picture", np.zeros(len(planted.items), np.bool_))
    with pytest.raises(UsageError, match="no pictures"):
        open_tokenizer(planted.items, "tiny", tmp_path)
