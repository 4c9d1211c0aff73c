"""Items as words, and sequences of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from baselines.sequential.item_words import CLS, NAME, VALUE, ItemVocabulary, newest_first, sequences
from unimp_bench.corpus import Corpus
from unimp_bench.ragged import Ragged

ATTRIBUTES = ("title", "brand", "category")
ITEMS = {
    "title": pa.array(["Red &amp; round Cup", "Red-Cup 2", "unheard of", ""]),
    "category": pa.array([["All", "Cups"], ["All"], None, None]),
    "price": pa.array([1.0, 2.0, 3.0, 4.0]),
}


def vocabulary(corpus: Corpus, max_words: int = 100) -> ItemVocabulary:
    """Of the first two items."""
    return ItemVocabulary.of(corpus.items, ATTRIBUTES, np.array([0, 1]), max_words)


def test_words_of_training_items_by_the_number_of_items(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus([[0, 1, 0, 1]], ITEMS)
    words = ("all", "category", "cup", "red", "title", "2", "cups", "round")
    assert vocabulary(corpus).words == words and vocabulary(corpus, 3).words == words[:3]
    assert ItemVocabulary.of(corpus.items, ATTRIBUTES, np.array([3]), 9).words == ()


def test_texts_are_names_and_known_words(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus([[0, 1, 0, 1]], ITEMS)
    known = vocabulary(corpus)
    for count, wanted in (
        (9, ["title red round cup category all cups", "title red cup 2 category all", "", ""]),
        (1, ["title red category all", "title red category all", "", ""]),
    ):
        texts = known.texts(corpus.items, ATTRIBUTES, count)
        words = [" ".join(known.words[word - known.SPECIAL] for word in row[:, 0]) for row in texts.rows()]
        assert words == wanted
    assert texts[0][:, 1].tolist() == [NAME, VALUE, NAME, VALUE]


def test_sequences_begin_with_the_newest_item_and_lose_the_oldest() -> None:
    """Items 0, 1 and 2 have one, two and no words."""
    texts = Ragged.of_rows([[7], [8, 9], []], np.int64)
    texts = texts.replaced(np.stack([texts.values, np.array([NAME, VALUE, VALUE])], axis=1))
    items = newest_first(np.array([[0, 2, 1], [1, 0, -1], [2, -1, -1]]), np.array([3, 2, 1]))
    assert [row.tolist() for row in items.rows()] == [[1, 2, 0], [0, 1], [2]]
    read = sequences(texts, items, 9)
    assert read.words.tolist() == [[CLS, 8, 9, 7], [CLS, 7, 8, 9], [CLS, 0, 0, 0]]
    assert read.types.tolist() == [[0, VALUE, VALUE, NAME], [0, NAME, VALUE, VALUE], [0, 0, 0, 0]]
    assert read.places.tolist() == [[0, 1, 1, 3], [0, 1, 2, 2], [0, 0, 0, 0]]
    cut = sequences(texts, items, 3)
    assert cut.words.tolist() == [[CLS, 8, 9], [CLS, 7, 8], [CLS, 0, 0]] and cut.places.tolist()[0] == [0, 1, 1]
