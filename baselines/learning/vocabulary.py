"""Vocabularies: words as rows of an embedding table, texts as sequences of rows."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Collection, Iterable
from functools import cache, cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from pydantic import TypeAdapter

from baselines.learning.files import reading
from unimp_bench.files import write_atomically
from unimp_bench.ragged import Ragged

WORD = re.compile(r"[^\W_]+")
"""A maximal sequence of letters and digits."""

_STOP_WORDS = frozenset(
    WORD.findall(
        "a an and are as at be but by for from has have if in into is it its no not of on or our so such that the "
        "their then there these they this to was we were which will with you your"
    )
)


class Vocabulary(ABC):
    """Words numbered as rows. A subclass is a frozen dataclass, stored as JSON.

    Attributes:
        FILE: file name in the folder of a saved model.
        SPECIAL: number of special rows, before those of the words: padding, start, end, unknown.
        UNKNOWN: row of unknown words; -1 leaves them out.
    """

    FILE: ClassVar[str] = "vocabulary.json"
    SPECIAL: ClassVar[int] = 0
    UNKNOWN: ClassVar[int] = -1

    @property
    @abstractmethod
    def spellings(self) -> Collection[str]:
        """The words in the order of their rows."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a file written by ``write``.

        Raises:
            DataError: the file is missing or damaged.
        """
        path = folder / cls.FILE
        with reading(path):
            return TypeAdapter(cls).validate_json(path.read_bytes())

    def write(self, folder: Path) -> None:
        """Write to ``FILE`` in a folder."""
        write_atomically(folder / self.FILE, TypeAdapter(type(self)).dump_json(self).decode())

    def __len__(self) -> int:
        """Number of rows, including special ones."""
        return self.SPECIAL + len(self.spellings)

    def rows(self, words: Iterable[str]) -> list[int]:
        """The rows of words, in order."""
        rows = (self._row_of.get(word, self.UNKNOWN) for word in words)
        return [row for row in rows if row >= 0]

    def encode(self, texts: Iterable[Iterable[str]]) -> Ragged:
        """The rows of the words of each text, int32; texts are consumed one by one."""
        values, lengths = array("i"), array("q")
        for words in texts:
            rows = self.rows(words)
            values.extend(rows)
            lengths.append(len(rows))
        return Ragged.of_lengths(np.array(lengths), np.array(values, dtype=np.int32))

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.spellings, self.SPECIAL)}


def stems(text: str) -> list[str]:
    """The Porter stems of the lower-cased words of a text, without stop words."""
    stem = _stemmer()
    return [stem(word) for word in WORD.findall(text.lower()) if word not in _STOP_WORDS]


@cache
def _stemmer() -> Callable[[str], str]:
    from nltk.stem.porter import PorterStemmer

    return cache(PorterStemmer().stem)
