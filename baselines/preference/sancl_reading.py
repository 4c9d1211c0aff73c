"""The two sides of SANCL's examples: the product is the shown item, the "review" what its user said before.

What was said of an item is its rating as a word, its title, and the review; where a corpus has no reviews, the item's
text stands for title and review. Only ``examples.histories`` is read, which ends before the target.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from baselines.preference.sancl_words import NO_STEM, Sentences, Vocabulary, Written, rating_word, split
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.text import item_texts
from unimp_bench.records import Examples, FloatArray, Histories, IntArray

NOBODY = -1
_BLOCK = 8192
_KEYED = ("title", "category")


@dataclass(frozen=True)
class Lengths:
    """What is read at most: interactions of a history, words of a product, a title, and of what was said of an item."""

    history: int
    product: int
    title: int
    review: int


@dataclass(frozen=True)
class Sides:
    """A batch of B examples with up to H interactions each, N in all; words are padded with 0.

    Attributes:
        items, users: (B,) shown items, and who is shown them.
        product: (B, P) words of the items.
        keys: (B, K) stems of the words that make a sentence of a review a key one.
        history: (B, H) items of the last interactions, oldest first, right-aligned, ``NOBODY`` before.
        owners: (N,) the example of each interaction, in the order of ``history``.
        ratings: (N,) NaN where there is none.
        words, sentences: (N, L) what was said, and the sentence that each word stands in.
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


def count_words(histories: Histories, items: Items, most: int) -> Vocabulary:
    """The vocabulary of a training part: of its ratings and reviews, and of its items' texts, each once."""
    counts = Counter(rating_word(float(rating)) for rating in histories.ratings)
    texts = item_texts(items)
    for item in np.unique(histories.items):
        counts.update(word for sentence in split(texts[item]) for word in sentence)
    for review in _reviews(histories):
        counts.update(word for sentence in split(review) for word in sentence)
    return Vocabulary.of(counts, most, histories.reviews is not None)


class Reader:
    """Makes batches of examples.

    Attributes:
        products: of all items, what stands on the product side.
    """

    def __init__(self, vocabulary: Vocabulary, items: Items, lengths: Lengths) -> None:
        self._vocabulary, self._lengths = vocabulary, lengths
        texts = [vocabulary.sentences(text) for text in item_texts(items)]
        self.products = Written.of(texts, lengths.product)
        named = {name: items.text(name) for name in _KEYED if name in items.attributes}
        titles = named.get("title", [""] * len(items))
        self._about = [self._heading(title) for title in titles] if vocabulary.reviews else texts
        self._keys = self._stems(list(map(" ".join, zip(*named.values(), strict=True))) or [""] * len(items))
        self._last: tuple[Histories, Written] | None = None

    def said(self, histories: Histories) -> Written:
        """What was said in each interaction; that of the last histories asked for is kept."""
        if self._last is None or self._last[0] is not histories:
            self._last = histories, Written.of(self._said(histories), self._lengths.review)
        return self._last[1]

    def sides(self, examples: Examples, said: Written) -> Sides:
        """Of some examples, over the histories that ``said`` was made of."""
        assert examples.shown is not None
        items = np.asarray(examples.shown.items, dtype=np.int64)
        places = examples.ends[:, None] + np.arange(-self._lengths.history, 0)
        there = places >= examples.starts()[:, None]
        rows = places[there]
        history = np.full(there.shape, NOBODY)
        history[there] = examples.histories.items[rows]
        return Sides(
            items,
            np.asarray(examples.users, dtype=np.int64),
            self.products.take(items)[0],
            self._keys[items],
            history,
            np.nonzero(there)[0],
            np.asarray(examples.histories.ratings[rows], dtype=np.float32),
            *said.take(rows),
        )

    def _heading(self, title: str) -> Sentences:
        words = [word for sentence in self._vocabulary.sentences(title) for word in sentence]
        return [words[: self._lengths.title]]

    def _stems(self, texts: list[str]) -> IntArray:
        """(items, K) the stems of each text, each once."""
        stems = self._vocabulary.stems
        found = [
            np.setdiff1d(stems[[word for sentence in self._vocabulary.sentences(text) for word in sentence]], [NO_STEM])
            for text in texts
        ]
        keys = np.full((len(found), max(1, max(map(len, found), default=1))), NO_STEM)
        for row, own in zip(keys, found, strict=True):
            row[: len(own)] = own
        return keys

    def _said(self, histories: Histories) -> Iterator[Sentences]:
        reviews = _reviews(histories) if self._vocabulary.reviews else iter([""] * len(histories))
        for item, rating, review in zip(histories.items, histories.ratings, reviews, strict=True):
            first, *others = self._about[item] or [[]]
            stars = self._vocabulary.number(rating_word(float(rating)))
            yield [[stars, *first], *others, *self._vocabulary.sentences(review)]


def _reviews(histories: Histories) -> Iterator[str]:
    """The reviews of all rows, read a block at a time; none where the corpus has none."""
    if histories.reviews is not None:
        for start in range(0, len(histories), _BLOCK):
            yield from histories.reviews.select(slice(start, start + _BLOCK)).read()
