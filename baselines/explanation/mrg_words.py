"""Sentences as word numbers and back, in a vocabulary that knows how its words are written.

Words are counted without regard to case; runs of letters and digits are words, and so is each mark. How a word is
mostly written inside a sentence, and whether a space mostly stands before and after a mark, is counted in the training
sentences too, so that numbers become sentences as people write them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from baselines.learning.reading import reading
from unimp_bench.records import IntArray

PAD, START, END, UNKNOWN = range(4)
_FIRST = 4
_FILE = "words.json"
_TOKEN = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Word:
    """A word in lower case, as it is mostly written, and whether it lets a space stand before and after it."""

    word: str
    written: str
    before: bool
    after: bool


@dataclass(frozen=True)
class Vocabulary:
    """The words of some sentences, numbered from 4 on; below are padding, start, end and all other words.

    Attributes:
        words: the most frequent first.
        capital: sentences mostly begin with a capital.
    """

    words: tuple[Word, ...]
    capital: bool

    @classmethod
    def of(cls, sentences: Iterable[str], min_count: int, most: int) -> Vocabulary:
        """At most ``most`` words that occur ``min_count`` times."""
        counts: Counter[str] = Counter()
        spaces: Counter[tuple[str, int]] = Counter()  # by mark and side, how many more spaces than none
        forms: dict[str, Counter[str]] = {}
        capitals = 0
        for sentence in sentences:
            text = sentence.strip()
            capitals += 1 if text[:1].isupper() else -1
            for found in _TOKEN.finditer(text):
                word, (start, stop) = found.group().lower(), found.span()
                counts[word] += 1
                if start > 0:
                    forms.setdefault(word, Counter())[found.group()] += 1
                if not word[0].isalnum():
                    for side, place in enumerate((start - 1, stop)):
                        if 0 <= place < len(text):
                            spaces[word, side] += 1 if text[place].isspace() else -1
        kept = sorted((word for word, count in counts.items() if count >= min_count), key=lambda w: (-counts[w], w))
        words = (
            Word(
                word,
                max(forms[word].items(), key=lambda form: (form[1], form[0]))[0] if word in forms else word,
                spaces[word, 0] >= 0,
                spaces[word, 1] >= 0,
            )
            for word in kept[:most]
        )
        return cls(tuple(words), capitals > 0)

    @classmethod
    def read(cls, folder: Path) -> Vocabulary:
        """What ``write`` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        path = folder / _FILE
        with reading(path):
            stored = json.loads(path.read_text(encoding="utf-8"))
            return cls(tuple(Word(**word) for word in stored["words"]), bool(stored["capital"]))

    def write(self, folder: Path) -> None:
        """To a file of its own in a folder."""
        (folder / _FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    def __len__(self) -> int:
        return _FIRST + len(self.words)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word.word: number for number, word in enumerate(self.words, _FIRST)}

    def numbers(self, sentences: Sequence[str], length: int) -> IntArray:
        """(n, length) int32: words and the end, cut to the length and padded behind."""
        numbers = np.full((len(sentences), length), PAD, dtype=np.int32)
        for row, sentence in zip(numbers, sentences, strict=True):
            words = [self._numbers.get(token.lower(), UNKNOWN) for token in _TOKEN.findall(sentence)]
            cut = [*words, END][:length]
            row[: len(cut)] = cut
        return numbers

    def sentence(self, numbers: Sequence[int]) -> str:
        """The text of word numbers up to the first that is no word."""
        text, space = "", False
        for number in numbers:
            if number < _FIRST:
                break
            word = self.words[number - _FIRST]
            text += " " * (space and word.before) + word.written
            space = word.after
        return text[:1].upper() + text[1:] if self.capital else text
