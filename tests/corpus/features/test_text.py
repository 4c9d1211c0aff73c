"""Text features: the words that are read, latent semantic analysis, and encoders of transformers."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.metrics.small_resources import write_bert
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.text import item_texts, text_vectors
from unimp_bench.corpus.features.vectors import ItemVectors
from unimp_bench.corpus.views import View, view_of
from unimp_bench.errors import UsageError
from unimp_bench.testing.planted import KINDS


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("encoders") / "tiny")


def vectors_of(corpus: Corpus, encoder: str, cache: Path) -> ItemVectors:
    vectors = text_vectors(corpus.items, encoder, cache)
    assert vectors is not None and np.isfinite(vectors.values).all()
    return vectors


def standardised(told: np.ndarray) -> np.ndarray:
    return np.asarray((told - told.mean(0)) / told.std(0) / np.sqrt(told.shape[1]))


def test_a_text_is_title_category_brand_description(planted: Corpus) -> None:
    assert item_texts(planted.items)[:2] == [
        "red round thing number0 Books > red round",
        "blue square thing number1 Books > blue square brand1",
    ]


def test_lsa_separates_the_kinds_of_items(planted: Corpus, cache: Path) -> None:
    """The nearest neighbour by words is of the same kind, which chance gives one in four times."""
    vectors = vectors_of(planted, "lsa", cache)
    assert vectors.known.all() and vectors.name == "lsa"
    nearness = vectors.values @ vectors.values.T
    np.fill_diagonal(nearness, -np.inf)
    items = np.arange(len(nearness))
    assert (nearness.argmax(axis=1) % len(KINDS) == items % len(KINDS)).mean() > 0.8


def test_lsa_is_the_svd_of_tf_idf(planted: Corpus, cache: Path) -> None:
    """The leading components, from counts by hand: (1 + ln tf) (1 + ln (1 + n) / (1 + df)), rows of length 1."""
    texts = [re.findall(r"[a-z0-9]{2,}", text.lower()) for text in item_texts(planted.items)]
    shared = sorted(word for word in set(chain.from_iterable(texts)) if sum(word in text for text in texts) >= 2)
    counts = np.array([[text.count(word) for word in shared] for text in texts], dtype=np.float64)
    weights = np.where(counts, 1 + np.log(np.maximum(counts, 1)), 0)
    weights *= 1 + np.log((1 + len(texts)) / (1 + (counts > 0).sum(axis=0)))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    left, strengths, _ = np.linalg.svd(weights)
    told = left[:, :3] * strengths[:3]
    told = (told - told.mean(0)) / told.std(0)
    found = vectors_of(planted, "lsa", cache)
    assert found.width == len(shared) - 1
    agreement = np.abs((told * found.values[:, :3] * np.sqrt(found.width)).mean(axis=0))
    np.testing.assert_allclose(agreement, 1, atol=1e-3)


def test_lsa_is_the_same_every_time(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    assert np.array_equal(vectors_of(planted, "lsa", cache).values, vectors_of(planted, "lsa", tmp_path).values)


def test_an_item_without_words_has_no_vector(planted: Corpus, tmp_path: Path) -> None:
    noisy = view_of(planted, View("NT", 0.7))
    vectors = vectors_of(noisy, "lsa", tmp_path)
    wordless = np.array([not text for text in item_texts(noisy.items)])
    assert 0 < wordless.sum() < len(wordless)
    assert np.array_equal(vectors.known, ~wordless) and not vectors.values[wordless].any()
    assert not np.allclose(vectors_of(planted, "lsa", tmp_path).values[0], vectors.values[0])


def test_no_text_at_all_has_no_vectors(planted: Corpus, tmp_path: Path) -> None:
    assert text_vectors(view_of(planted, View("NT", 1.0)).items, "lsa", tmp_path) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("pooling", ["", "#mean"])
def test_encoders_pool_the_first_token_or_the_mean(planted: Corpus, tmp_path: Path, bert: Path, pooling: str) -> None:
    """The same vectors, one text at a time, without padding."""
    from transformers import BertModel, BertTokenizer

    vectors = vectors_of(planted, f"{bert}{pooling}", tmp_path)
    tokenizer, model = BertTokenizer.from_pretrained(bert), BertModel.from_pretrained(bert).eval()
    told = []
    for text in item_texts(planted.items):
        with torch.no_grad():
            states = model(**tokenizer(text, truncation=True, return_tensors="pt")).last_hidden_state[0]
        told.append((states.mean(0) if pooling else states[0]).double().numpy())
    np.testing.assert_allclose(vectors.values, standardised(np.array(told)), atol=2e-4)


def test_an_unloadable_encoder_is_a_one_line_error(planted: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"text encoder .* cannot be read") as caught:
        text_vectors(planted.items, str(tmp_path / "nothing"), tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
