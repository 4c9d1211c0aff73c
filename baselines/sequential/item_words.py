"""Items as words: the name of each attribute followed by the first words of its value, and sequences of items.

    title w w w  brand w  category w w

A sequence is ``[CLS]`` and the words of its items, the newest item first, so a cut at the end removes the oldest.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from baselines.learning.interactions import Interactions
from baselines.learning.vocabulary import WORD, Vocabulary
from unimp_bench.corpus import Items
from unimp_bench.ragged import Ragged, spans
from unimp_bench.records import IntArray

PADDING, CLS, MASK = range(3)
"""Special words."""

NAME, VALUE = 1, 2
"""Types of words; that of ``[CLS]`` and of padding is 0."""


@dataclass(frozen=True)
class ItemVocabulary(Vocabulary):
    """The most frequent words of items, names of attributes included; other words are left out of texts."""

    FILE = "item_words.json"
    SPECIAL = 3

    words: tuple[str, ...]

    @classmethod
    def of(cls, items: Items, attributes: Sequence[str], numbers: IntArray, max_words: int) -> ItemVocabulary:
        """The words of the given items, at most ``max_words``, those of most items first."""
        texts = list(_values(items, attributes))
        counts: Counter[str] = Counter()
        for number in numbers.tolist():
            counts.update({word for name, words in texts[number] if words for word in (name, *words)})
        kept = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(tuple(kept[:max_words]))

    @property
    def spellings(self) -> Collection[str]:
        return self.words

    def texts(self, items: Items, attributes: Sequence[str], attribute_words: int) -> Ragged:
        """The words of all items, at most ``attribute_words`` of each attribute in addition to its name.

        Returns:
            Values (n, 2) int64, the word and its type; an item without a known word has no values.
        """
        values: list[tuple[int, int]] = []
        lengths: list[int] = []
        for text in _values(items, attributes):
            before = len(values)
            for name, words in text:
                rows = self.rows(words)[:attribute_words]
                if rows:
                    values += [(row, NAME) for row in self.rows([name])]
                    values += [(row, VALUE) for row in rows]
            lengths.append(len(values) - before)
        return Ragged.of_lengths(lengths, np.array(values, dtype=np.int64).reshape(-1, 2))


def _values(items: Items, attributes: Sequence[str]) -> Iterator[list[tuple[str, list[str]]]]:
    """Of each item, the lower-case words of the attributes that the corpus has, by name."""
    known = [name for name in attributes if name in items.attributes]
    columns = [items.text(name) for name in known]
    for texts in zip(*columns, strict=True) if columns else [()] * len(items):
        yield [(name, WORD.findall(html.unescape(text).lower())) for name, text in zip(known, texts, strict=True)]


@dataclass(frozen=True)
class WordedInteractions(Interactions):
    """Interactions, and the vocabulary of their items."""

    vocabulary: ItemVocabulary

    @classmethod
    def read(cls, folder: Path) -> WordedInteractions:
        plain = Interactions.read(folder)
        return cls(plain.users, plain.items, plain.sequences, ItemVocabulary.read(folder))

    def write(self, folder: Path) -> None:
        super().write(folder)
        self.vocabulary.write(folder)


class Sequences(NamedTuple):
    """Sequences of words, (B, N) int64 each, right-padded.

    Attributes:
        words: ``[CLS]``, the words, ``PADDING``.
        types: 0, ``NAME`` or ``VALUE``.
        places: of the item of each word, 1 for the newest; 0 for ``[CLS]`` and padding.
    """

    words: IntArray
    types: IntArray
    places: IntArray


def sequences(texts: Ragged, items: Ragged, max_tokens: int) -> Sequences:
    """The sequences of some items, the newest first, in at most ``max_tokens`` words with ``[CLS]``."""
    each = texts.take(items.values)
    lengths = each.lengths()
    places = np.repeat(items.positions() + 1, lengths)
    rows = Ragged.of_lengths(
        Ragged(items.offsets, lengths).sums(), np.concatenate([each.values, places[:, None]], axis=1)
    )
    longest = min(int(rows.lengths().max(initial=0)), max_tokens - 1)
    padded = np.zeros((len(items), 1 + longest, 3), dtype=np.int64)
    padded[:, 0, 0] = CLS
    padded[:, 1:] = rows.pad(longest, PADDING)
    return Sequences(*np.moveaxis(padded, 2, 0))


def newest_first(items: IntArray, lengths: IntArray) -> Ragged:
    """Rows of items (n, N), right-padded and oldest first, in reverse order without padding."""
    owners, back = spans(np.zeros_like(lengths), lengths)
    return Ragged.of_lengths(lengths, items[owners, lengths[owners] - 1 - back])
