"""The most typical sentence: the medoid by TF-IDF cosine, of the item, else its category, else the corpus."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from baselines.explanation.typical import NONE, tf_idf, typical_sentences
from unimp_bench import registry
from unimp_bench.contracts import Writer
from unimp_bench.corpus import Corpus

SENTENCE = "the nice old red lamp is bright and warm but dear and a bit wobbly on the cold blue table"
WORDS = sorted(set(SENTENCE.split()))

Fit = Callable[..., Writer[Any]]


def random_sentences(count: int) -> list[str]:
    rng = np.random.default_rng(5)
    shares = 1 / np.arange(1, len(WORDS) + 1)
    return [" ".join(rng.choice(WORDS, rng.integers(1, 9), p=shares / shares.sum())) for _ in range(count)]


def test_vectors_are_those_of_the_equation() -> None:
    """Word by word; a sentence without a word is empty, and so is all where there is none."""
    sentences = [*random_sentences(50), "", "Bright, BRIGHT lamp!"]
    read = [re.findall(r"\w+", sentence.lower()) for sentence in sentences]
    expected = np.zeros((len(sentences), len(WORDS)))
    for column, word in enumerate(WORDS):
        holders = sum(word in words for words in read)
        expected[:, column] = [words.count(word) * (1 + np.log((1 + len(read)) / (1 + holders))) for words in read]
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    assert tf_idf(sentences).toarray() == pytest.approx(expected / np.where(lengths > 0, lengths, 1))
    assert tf_idf(["", "!"]).shape == (2, 0)


def test_the_medoid_has_the_largest_sum_of_cosines() -> None:
    sentences = random_sentences(200)
    owners = np.random.default_rng(6).integers(0, 12, len(sentences))
    cosines = (vectors := tf_idf(sentences).toarray()) @ vectors.T
    chosen = typical_sentences(sentences, owners, [np.zeros(13, dtype=int), np.arange(13)])
    for owner in range(12):
        own = np.flatnonzero(owners == owner)
        sums = cosines[np.ix_(own, own)].sum(axis=1)
        assert chosen[owner] in own
        assert sums[own == chosen[owner]] == pytest.approx(sums.max())
    assert chosen[12] == cosines.sum(axis=1).argmax()


def test_ties_go_to_the_more_typical_of_the_wider_group_then_to_the_first() -> None:
    sentences = ["odd words here", "a nice lamp", "a nice lamp too", "a nice lamp", "x", "y"]
    groupings = [np.zeros(3, dtype=int), np.arange(3)]
    assert typical_sentences(sentences, np.array([0, 0, 1, 1, 2, 2]), groupings).tolist() == [1, 3, 4]


def test_sentences_without_a_word_are_handled() -> None:
    assert typical_sentences(
        ["!!!", "...", ""], np.array([0, 1, 1]), [np.zeros(2, dtype=int), np.arange(2)]
    ).tolist() == [0, 1]
    assert typical_sentences(["a"], np.array([0]), [np.array([0, NONE])]).tolist() == [0, NONE]


# Items 0 and 1 have sentences in training, 2 shares their category with them, 3 has one of its own, 4 has none.
CATEGORIES = [["A"], ["A"], ["A"], ["B"], None, ["C"]]
HISTORIES = [[5, 0, 1, 2, 4], [5, 0, 1, 3, 2], [5, 0, 1, 4, 3], [5, 0, 1, 2, 3]]
SENTENCES = {
    0: "never used: the first of a history is no example",
    **{1: "good round lamp", 6: "good lamp", 11: "bad lamp", 16: "a good lamp"},
    **{2: "soft warm rug", 7: "a soft rug", 12: "soft rug", 17: "soft rug"},
    **{3: "hidden", 4: "hidden", 8: "hidden", 9: "hidden", 13: "hidden", 14: "hidden", 18: "hidden", 19: "hidden"},
}


@pytest.fixture
def corpus(make_corpus: Callable[..., Corpus]) -> Corpus:
    return make_corpus(HISTORIES, {"category": pa.array(CATEGORIES)}, sentences=dict(sorted(SENTENCES.items())))


def written(model: Writer[Any], corpus: Corpus) -> dict[int, str]:
    """The predicted sentence of each item."""
    test = registry.make_task("explanation").examples(corpus, "loo", "test").hidden()
    return dict(zip(test.shown.items.tolist(), model.write(test), strict=True))


def test_falls_back_from_the_item_to_its_category_to_the_corpus(fit: Fit, corpus: Corpus) -> None:
    model = fit("typical-sentence", corpus, "explanation")
    assert model._sentences[model._numbers[0]] == "good lamp"
    assert model._sentences[model._numbers[1]] == "soft rug"
    everything = model._sentences[model._numbers[4]]
    # Item 2 has its category's sentence; 3, of a category without one, and 4, without a category, the corpus's.
    assert written(model, corpus) == {4: everything, 2: everything, 3: everything}
    assert everything == "soft rug"


def test_a_category_comes_before_the_corpus(fit: Fit, make_corpus: Callable[..., Corpus]) -> None:
    histories = [[0, 1, 0, 2, 3], [0, 1, 1, 2, 3], [0, 1, 1, 2, 3]]
    sentences = dict.fromkeys((1, 6, 7, 11, 12), "soft rug") | {2: "good lamp"}
    sentences |= dict.fromkeys((3, 4, 8, 9, 13, 14), "hidden")
    corpus = make_corpus(
        histories, {"category": pa.array([["A"], ["B"], ["B"], ["A"]])}, sentences=dict(sorted(sentences.items()))
    )
    assert written(fit("typical-sentence", corpus, "explanation"), corpus) == {3: "good lamp"}
    assert written(fit("constant-sentence", corpus, "explanation"), corpus) == {3: "soft rug"}


def test_a_corpus_without_categories_goes_from_the_item_to_the_corpus(
    fit: Fit, make_corpus: Callable[..., Corpus]
) -> None:
    corpus = make_corpus(HISTORIES, {"title": pa.array(["t"] * 6)}, sentences=dict(sorted(SENTENCES.items())))
    assert set(written(fit("typical-sentence", corpus, "explanation"), corpus).values()) == {"soft rug"}


@pytest.mark.parametrize("name", ["typical-sentence", "constant-sentence"])
def test_loads_what_it_saved(name: str, fit: Fit, reload: Callable[..., Writer[Any]], corpus: Corpus) -> None:
    model = fit(name, corpus, "explanation")
    loaded = reload(model, corpus)
    assert written(loaded, corpus) == written(model, corpus)
    assert loaded._sentences == model._sentences and np.array_equal(loaded._numbers, model._numbers)
