"""The words that search systems learn from: of queries, of reviews and of items, as numbers.

All systems of search share one tokeniser, that of BM25. A query is its words without repetition, each at the place of
its last occurrence, as in the data sets of Ai et al. (SIGIR 2017).
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from baselines.learning.reading import reading
from baselines.search.bm25 import Tokeniser
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError
from unimp_bench.files import write_atomically
from unimp_bench.progress import progress
from unimp_bench.records import Histories, IntArray, Texts, slices
from unimp_bench.settings import Strict

FILE = "vocabulary.json"
"""Where in its folder a saved model keeps its vocabulary."""

ITEM_FIELDS = ("title", "brand", "category", "description")
"""Attributes that are the text of an item."""

NO_REVIEWS = "the corpus has no reviews: the words of an interaction are those of its item's text"

_BLOCK = 16_384


class ItemTexts:
    """The texts of all items by number, from those of ``fields`` that the corpus has; a source of ``Texts``."""

    def __init__(self, items: Items, fields: Sequence[str] = ITEM_FIELDS) -> None:
        columns = [items.text(field) for field in fields if field in items.attributes]
        self._texts = [" ".join(values) for values in zip(*columns, strict=True)] if columns else [""] * len(items)

    def take(self, numbers: IntArray) -> list[str]:
        """The texts of the items of these numbers."""
        return [self._texts[number] for number in numbers]


def written(histories: Histories, items: Items) -> Texts:
    """What is written of each row of the histories: its review, or its item's text on a corpus without reviews."""
    if histories.reviews is not None:
        return histories.reviews
    return Texts(ItemTexts(items), np.asarray(histories.items))


def query_words(text: str) -> list[str]:
    """The words of a query; of a repeated word the last one stays."""
    return list(dict.fromkeys(reversed(_tokeniser()(text))))[::-1]


@dataclass(frozen=True)
class Documents:
    """The words of n documents as CSR.

    Attributes:
        offsets: (n + 1,) int64; document ``d`` owns ``words[offsets[d]:offsets[d + 1]]``.
        words: int32 rows of the vocabulary, in their order, without the words that it lacks.
    """

    offsets: IntArray
    words: IntArray

    @classmethod
    def of(cls, documents: Iterator[list[int]] | Sequence[list[int]]) -> Documents:
        """From one document after the other; -1 stands for a word to leave out."""
        words, lengths = array("i"), array("q", [0])
        for document in documents:
            kept = [word for word in document if word >= 0]
            words.extend(kept)
            lengths.append(len(kept))
        return cls(np.cumsum(lengths), np.array(words, dtype=np.int32))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lengths(self) -> IntArray:
        """Words of each document, (n,)."""
        return np.diff(self.offsets)

    @cached_property
    def owners(self) -> IntArray:
        """(words,) int64 the document of each word."""
        return np.repeat(np.arange(len(self)), self.lengths())

    def take(self, rows: IntArray) -> Documents:
        """Some of the documents, in this order."""
        starts, stops = self.offsets[:-1][rows], self.offsets[1:][rows]
        return Documents(np.concatenate([[0], np.cumsum(stops - starts)]), self.words[slices(starts, stops)[1]])


class _Record(Strict):
    """A vocabulary in JSON."""

    reviewed: bool
    counts: dict[str, Annotated[int, Field(ge=0)]]


@dataclass(frozen=True)
class Vocabulary:
    """The words that have a row in a system's table, the most frequent first.

    Attributes:
        counts: word -> how often it stands in the training texts; 0 for one that only queries have.
        reviewed: the texts were reviews, not the texts of items.
    """

    counts: dict[str, int]
    reviewed: bool

    @classmethod
    def of(cls, texts: Texts, queries: Sequence[str], least: int, *, reviewed: bool) -> Vocabulary:
        """The words that stand at least ``least`` times in the training texts, and all words of the training queries.

        Raises:
            UsageError: none is left for the texts.
        """
        found: Counter[str] = Counter()
        for text in _read(texts, "counting words"):
            found.update(_tokeniser()(text))
        asked = {word for query in queries for word in query_words(query)}
        kept = {word: found[word] for word in found.keys() | asked if found[word] >= least or word in asked}
        if not any(kept.values()):
            raise UsageError(f"no word stands {least} times in the training texts; lower min_count")
        return cls(dict(sorted(kept.items(), key=lambda pair: (-pair[1], pair[0]))), reviewed)

    @classmethod
    def read(cls, folder: Path) -> Vocabulary:
        """What ``write`` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        path = folder / FILE
        with reading(path):
            record = _Record.model_validate_json(path.read_bytes())
        return cls(record.counts, record.reviewed)

    def write(self, folder: Path) -> None:
        """To ``FILE`` in a folder."""
        write_atomically(folder / FILE, _Record(reviewed=self.reviewed, counts=self.counts).model_dump_json())

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of the results of a system that reads reviews must know."""
        return () if self.reviewed else (NO_REVIEWS,)

    def documents(self, texts: Texts) -> Documents:
        """The words of texts, which are read a block at a time."""
        tokenise, row = _tokeniser(), self._rows.get
        return Documents.of([row(word, -1) for word in tokenise(text)] for text in _read(texts, "reading words"))

    def queries(self, texts: Sequence[str]) -> Documents:
        """The words of queries; one that has no known word is an empty document."""
        return Documents.of([[self._rows.get(word, -1) for word in query_words(text)] for text in texts])

    @cached_property
    def noise(self) -> np.ndarray:
        """(words,) float64, how likely a word is drawn as a negative: by its frequency to the power 3/4."""
        weights = np.array(list(self.counts.values()), dtype=np.float64) ** 0.75
        shares: np.ndarray = weights / weights.sum()
        return shares

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.counts)}


@cache
def _tokeniser() -> Tokeniser:
    return Tokeniser()


def _read(texts: Texts, label: str) -> Iterator[str]:
    for start in progress(range(0, len(texts), _BLOCK), label, unit="block"):
        yield from texts.select(slice(start, start + _BLOCK)).read()
