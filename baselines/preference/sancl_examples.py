"""Inputs of SANCL: words of the item to be rated, and of each interaction of the user's history.

The text of an interaction is its rating as a word, the item's title, and the review; on a corpus without reviews, the
item's text replaces title and review. Only ``examples.histories`` is read, which ends before the target.
"""

from __future__ import annotations

import html
import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Self

import numpy as np

from baselines.learning.vocabulary import WORD, Vocabulary, stems
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.text import item_texts
from unimp_bench.kinds.rating import rating_words
from unimp_bench.ragged import Ragged
from unimp_bench.records import Examples, FloatArray, Histories, IntArray

PADDING = 0
NO_STEM = 0
NO_ITEM = -1

_BLOCK = 8192
_KEY_ATTRIBUTES = ("title", "category")
_MIN_COUNT = 2
_SENTENCE_END = re.compile(r"[.!?\n]+")

Sentences = list[list[int]]
"""Rows of the words of a text, sentence by sentence."""


def rating_word(rating: float) -> str:
    """A rating as a word that cannot occur in texts; missing ratings have a word too."""
    return f"<{rating_words(rating)}>"


def split(text: str) -> list[list[str]]:
    """Lower-cased words, sentence by sentence, without empty sentences."""
    sentences = (WORD.findall(sentence) for sentence in _SENTENCE_END.split(html.unescape(text).lower()))
    return [words for words in sentences if words]


@dataclass(frozen=True)
class SANCLVocabulary(Vocabulary):
    """The most frequent words of ratings, reviews and item texts; row 0 is padding, row 1 unknown words.

    Attributes:
        words: from row 2 on.
        reviews: whether the corpus has reviews.
    """

    SPECIAL = 2
    UNKNOWN = 1

    words: tuple[str, ...]
    reviews: bool

    @classmethod
    def of(cls, histories: Histories, items: Items, max_words: int) -> Self:
        """Build from the ratings and reviews of a training part, and the texts of its items, each counted once.

        Words that occur only once are unknown words.
        """
        counts = Counter(rating_word(float(rating)) for rating in histories.ratings)
        texts = item_texts(items)
        for text in (*(texts[item] for item in np.unique(histories.items)), *_reviews(histories)):
            counts.update(word for sentence in split(text) for word in sentence)
        kept = (word for word, count in counts.most_common(max_words) if count >= _MIN_COUNT)
        return cls(tuple(kept), histories.reviews is not None)

    @property
    def spellings(self) -> Collection[str]:
        return self.words

    def sentences(self, text: str) -> Sentences:
        """The words of a text, sentence by sentence."""
        return [self.rows(words) for words in split(text)]

    def words_of(self, text: str) -> list[int]:
        """The words of a text."""
        return list(chain.from_iterable(self.sentences(text)))

    @cached_property
    def stems(self) -> IntArray:
        """(len,) number of the Porter stem of each word: equal for *cards* and *card*.

        ``NO_STEM`` for padding, unknown words, stop words and ratings.
        """
        numbers: dict[str, int] = {}
        found = np.full(len(self), NO_STEM)
        for row, word in enumerate(self.words, start=self.SPECIAL):
            for stem in () if word.startswith("<") else stems(word):
                found[row] = numbers.setdefault(stem, len(numbers) + 1)
        return found


@dataclass(frozen=True)
class Inputs:
    """A batch of B examples with up to H interactions each, N in total; words are padded with 0.

    Attributes:
        items, users: (B,) items to be rated, and their users.
        product: (B, P) words of the items.
        keys: (B, K) stems that mark a sentence of a review as a key sentence.
        history: (B, H) items of the last interactions, oldest first, right-aligned, padded with ``NO_ITEM``.
        owners: (N,) the example of each interaction, in the order of ``history``.
        ratings: (N,) NaN for a missing rating.
        words, sentences: (N, L) words of each interaction, and the sentence number of each word.
    """

    items: IntArray
    users: IntArray
    product: IntArray
    keys: IntArray
    history: IntArray
    owners: IntArray
    ratings: FloatArray
    words: IntArray
    sentences: IntArray


class Reader:
    """Converts examples to batches of inputs.

    Args:
        history: maximum number of interactions of a history.
        product, title, review: maximum number of words of a product, of a title, and of an interaction's text.

    Attributes:
        products: texts of all items as products, see ``cut``.
    """

    def __init__(
        self, vocabulary: SANCLVocabulary, items: Items, *, history: int, product: int, title: int, review: int
    ) -> None:
        self._vocabulary, self._history, self._review = vocabulary, history, review
        sentences = [vocabulary.sentences(text) for text in item_texts(items)]
        self.products = cut(sentences, product)
        named = {name: items.text(name) for name in _KEY_ATTRIBUTES if name in items.attributes}
        titles = [vocabulary.words_of(text)[:title] for text in named.get("title", [""] * len(items))]
        self._items = [[words] for words in titles] if vocabulary.reviews else sentences
        self._keys = self._stems(list(map(" ".join, zip(*named.values(), strict=True))) or [""] * len(items))
        self._last: tuple[Histories, Ragged] | None = None

    def texts(self, histories: Histories) -> Ragged:
        """The text of each interaction, see ``cut``; cached for the most recent histories."""
        if self._last is None or self._last[0] is not histories:
            self._last = histories, cut(self._interactions(histories), self._review)
        return self._last[1]

    def inputs(self, examples: Examples, texts: Ragged) -> Inputs:
        """The inputs for examples, given the texts of their histories."""
        assert examples.shown is not None
        items = np.asarray(examples.shown.items, dtype=np.int64)
        interactions = examples.ends[:, None] + np.arange(-self._history, 0)
        present = interactions >= examples.starts()[:, None]
        rows = interactions[present]
        history = np.full(present.shape, NO_ITEM)
        history[present] = examples.histories.items[rows]
        return Inputs(
            items,
            np.asarray(examples.users, dtype=np.int64),
            padded_texts(self.products, items)[0],
            self._keys[items],
            history,
            np.nonzero(present)[0],
            np.asarray(examples.histories.ratings[rows], dtype=np.float32),
            *padded_texts(texts, rows),
        )

    def _stems(self, texts: list[str]) -> IntArray:
        """(items, K) the distinct stems of each text."""
        known = self._vocabulary.stems
        words = map(self._vocabulary.words_of, texts)
        found = Ragged.of_rows([np.setdiff1d(known[row], [NO_STEM]) for row in words], np.int64)
        return found.pad(max(1, int(found.lengths().max(initial=0))), NO_STEM)

    def _interactions(self, histories: Histories) -> Iterator[Sentences]:
        reviews = _reviews(histories) if self._vocabulary.reviews else iter([""] * len(histories))
        for item, rating, review in zip(histories.items, histories.ratings, reviews, strict=True):
            first, *others = self._items[item] or [[]]
            stars = self._vocabulary.rows([rating_word(float(rating))])
            yield [[*stars, *first], *others, *self._vocabulary.sentences(review)]


def cut(texts: Iterable[Sentences], max_words: int) -> Ragged:
    """The first ``max_words`` words of each text, values (words, 2) int32: word and sentence number."""
    values, lengths = array("i"), array("q")
    for text in texts:
        words = [(word, number) for number, sentence in enumerate(text) for word in sentence][:max_words]
        values.extend(chain.from_iterable(words))
        lengths.append(len(words))
    return Ragged.of_lengths(np.array(lengths), np.array(values, dtype=np.int32).reshape(-1, 2))


def padded_texts(texts: Ragged, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Words and sentence numbers of the given texts, (rows, longest) int64 each, right-padded."""
    taken = texts.take(rows)
    padded = taken.pad(max(1, int(taken.lengths().max(initial=0))), PADDING).astype(np.int64)
    return padded[:, :, 0], padded[:, :, 1]


def _reviews(histories: Histories) -> Iterator[str]:
    """The reviews of all interactions, read in blocks; empty for a corpus without reviews."""
    if histories.reviews is not None:
        for start in range(0, len(histories), _BLOCK):
            yield from histories.reviews.select(slice(start, start + _BLOCK)).read()
