"""What RTM reads of users and items: the reviews of the training part, and never the one that is foretold.

Documents are numbered: first one pseudo-review for each item of the corpus, its text, then the training reviews in
the order of their rows. On a corpus without reviews an interaction's document is the item's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from baselines.learning.reading import reading
from baselines.search.words import Documents, ItemTexts, Vocabulary
from unimp_bench.corpus import Items
from unimp_bench.records import Histories, IntArray, Texts, slices

FILE = "reviews.safetensors"

NOTHING = -1
"""The document of a slot that is padding."""


@dataclass(frozen=True)
class Reviews:
    """The documents of I items and T training interactions.

    Attributes:
        vocabulary: of their words.
        documents: the words of each, the first ones.
        items: (T,) the item of each interaction.
        times: (T,) int64, when it was.
        recall: share of the validation targets that the pool holds.
    """

    vocabulary: Vocabulary
    documents: Documents
    items: IntArray
    times: IntArray
    recall: float

    @classmethod
    def of(cls, histories: Histories, items: Items, vocabulary: Vocabulary, most_words: int, recall: float) -> Reviews:
        """Of the training histories; ``most_words`` of a document are read."""
        documents = vocabulary.documents(Texts(ItemTexts(items), np.arange(len(items))))
        if histories.reviews is not None:
            documents = _joined(documents, vocabulary.documents(histories.reviews))
        rows, times = np.asarray(histories.items, dtype=np.int64), np.asarray(histories.times, dtype=np.int64)
        return cls(vocabulary, first_words(documents, most_words), rows, times, recall)

    @classmethod
    def read(cls, folder: Path) -> Reviews:
        """What ``write`` wrote.

        Raises:
            DataError: a file is missing or damaged.
        """
        path = folder / FILE
        with reading(path):
            kept = load_file(path)
            documents = Documents(kept["offsets"], kept["words"])
            return cls(Vocabulary.read(folder), documents, kept["items"], kept["times"], float(kept["recall"][0]))

    def write(self, folder: Path) -> None:
        """To ``FILE`` and the vocabulary's file in a folder."""
        self.vocabulary.write(folder)
        arrays = {"offsets": self.documents.offsets, "words": self.documents.words}
        rest = {"items": self.items, "times": self.times, "recall": np.array([self.recall])}
        save_file(arrays | rest, folder / FILE)

    @property
    def item_count(self) -> int:
        """I."""
        return len(self.documents) - (len(self.items) if self.vocabulary.reviewed else 0)

    def of_users(self, starts: IntArray, ends: IntArray, most: int) -> IntArray:
        """The last documents of the training rows ``start:end``, oldest first.

        Returns:
            (n, longest) document numbers, ``NOTHING`` behind them.
        """
        rows = last_of(starts, ends, most)
        if self.vocabulary.reviewed:
            return np.where(rows >= 0, rows + self.item_count, NOTHING)
        return np.where(rows >= 0, self.items[rows], NOTHING)

    def of_items(self, items: IntArray, without: IntArray, most: int) -> IntArray:
        """The last training reviews of items, oldest first; an item without any has its pseudo-review.

        Args:
            items: (n,) item numbers.
            without: (n,) the training row that is foretold, whose review is not read; -1 for none.
            most: documents of an item.

        Returns:
            (n, longest) document numbers, ``NOTHING`` behind them.
        """
        if not self.vocabulary.reviewed:
            return np.asarray(items)[:, None]
        places = last_of(self._starts[items], self._starts[items + 1], most + 1)
        rows = np.where(places >= 0, self._by_item[places], NOTHING)
        left_out = (rows == without[:, None]) & (rows >= 0)
        left_out[:, 0] |= ~left_out.any(axis=1) & ((rows >= 0).sum(axis=1) > most)  # one more was taken than is read
        rows[left_out] = NOTHING
        rows = np.take_along_axis(rows, np.argsort(rows < 0, axis=1, kind="stable"), axis=1)[:, :most]
        found = np.where(rows >= 0, rows + self.item_count, NOTHING)
        found[:, 0] = np.where(rows[:, 0] >= 0, found[:, 0], items)
        return found

    @cached_property
    def _starts(self) -> IntArray:
        """(I + 1,) where each item's interactions begin, in the order of ``_by_item``."""
        return np.concatenate([[0], np.cumsum(np.bincount(self.items, minlength=self.item_count))])

    @cached_property
    def _by_item(self) -> IntArray:
        """(T,) training rows by item and time."""
        return np.lexsort((self.times, self.items))


def last_of(starts: IntArray, ends: IntArray, most: int) -> IntArray:
    """The last ``most`` numbers of each ``start:end``, ascending, -1 behind, (n, longest) int64, at least 1 wide."""
    starts = np.maximum(starts, ends - most)
    places = starts[:, None] + np.arange(max(1, int((ends - starts).max(initial=0))))
    return np.where(places < ends[:, None], places, -1)


def first_words(documents: Documents, most: int) -> Documents:
    """The documents cut to their first ``most`` words."""
    lengths = np.minimum(documents.lengths(), most)
    starts = documents.offsets[:-1]
    kept = slices(starts, starts + lengths)[1]
    return Documents(np.concatenate([[0], np.cumsum(lengths)]), documents.words[kept])


def _joined(first: Documents, second: Documents) -> Documents:
    offsets = np.concatenate([first.offsets, first.offsets[-1] + second.offsets[1:]])
    return Documents(offsets, np.concatenate([first.words, second.words]))
