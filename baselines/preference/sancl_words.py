"""Texts as numbers of words: the vocabulary of a training part, and texts in sentences, cut and padded."""

from __future__ import annotations

import html
import json
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from baselines.learning.reading import reading
from baselines.learning.sequences import padded
from baselines.search.bm25 import Tokeniser
from unimp_bench.kinds.rendering import rating_words
from unimp_bench.records import IntArray

FILE = "vocabulary.json"
PADDING, UNKNOWN = 0, 1
NO_STEM = 0

_FIRST = 2
_LEAST = 2
_WORD = re.compile(r"[^\W_]+")
_END = re.compile(r"[.!?\n]+")

Sentences = Sequence[Sequence[int]]


def rating_word(rating: float) -> str:
    """A rating as a word that no text contains; it looks the same for every interaction without a rating."""
    return f"<{rating_words(rating)}>"


def split(text: str) -> list[list[str]]:
    """Lower-cased runs of letters and digits, sentence by sentence, none of them empty."""
    found = (_WORD.findall(sentence) for sentence in _END.split(html.unescape(text).lower()))
    return [words for words in found if words]


@dataclass(frozen=True)
class Vocabulary:
    """The words that have a vector.

    Attributes:
        words: whose numbers are 2, 3...; 0 is the padding, and 1 stands for every other word.
        reviews: whether the corpus that they were counted in has reviews.
    """

    words: tuple[str, ...]
    reviews: bool

    @classmethod
    def of(cls, counts: Counter[str], most: int, reviews: bool) -> Self:
        """The most frequent words of those that stand there twice."""
        return cls(tuple(word for word, count in counts.most_common(most) if count >= _LEAST), reviews)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What ``write`` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        path = folder / FILE
        with reading(path):
            kept = json.loads(path.read_text(encoding="utf-8"))
            return cls(tuple(map(str, kept["words"])), bool(kept["reviews"]))

    def write(self, folder: Path) -> None:
        """To ``FILE`` in a folder."""
        (folder / FILE).write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")

    def __len__(self) -> int:
        """Numbers in use, the first two included."""
        return len(self.words) + _FIRST

    def number(self, word: str) -> int:
        return self._numbers.get(word, UNKNOWN)

    def sentences(self, text: str) -> list[list[int]]:
        """A text in numbers."""
        return [[self._numbers.get(word, UNKNOWN) for word in words] for words in split(text)]

    @cached_property
    def stems(self) -> IntArray:
        """(len,) a number for the Porter stem of each word: the same for *cards* and *card*; ``NO_STEM`` for padding,
        unknown and stop words, and for ratings."""
        tokenise = Tokeniser()
        numbers: dict[str, int] = {}
        stems = np.full(len(self), NO_STEM)
        for place, word in enumerate(self.words, start=_FIRST):
            for stem in () if word.startswith("<") else tokenise(word):
                stems[place] = numbers.setdefault(stem, len(numbers) + 1)
        return stems

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, start=_FIRST)}


@dataclass(frozen=True)
class Written:
    """Many texts as CSR.

    Attributes:
        offsets: (texts + 1,) int64.
        words: (all,) numbers of words, and one padding behind them.
        sentences: (all,) which sentence of its text each word stands in, from 0; and one more.
    """

    offsets: IntArray
    words: IntArray
    sentences: IntArray

    @classmethod
    def of(cls, texts: Iterable[Sentences], longest: int) -> Self:
        """The first ``longest`` words of each text."""
        ends, words, sentences = array("q", [0]), array("i"), array("i")
        for text in texts:
            flat = [(word, number) for number, sentence in enumerate(text) for word in sentence][:longest]
            words.extend(word for word, _ in flat)
            sentences.extend(number for _, number in flat)
            ends.append(len(words))
        words.append(PADDING)
        sentences.append(0)
        return cls(*(np.frombuffer(column, dtype=column.typecode) for column in (ends, words, sentences)))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, texts: IntArray) -> tuple[IntArray, IntArray]:
        """Words and sentences of some texts, (texts, longest of them) int64, padded behind."""
        starts, stops = self.offsets[texts], self.offsets[texts + 1]
        words, sentences = (padded(column, starts, stops, PADDING) for column in (self.words, self.sentences))
        return words.astype(np.int64), sentences.astype(np.int64)
