"""Texts as tokens, many at once: phrases in flat arrays, joined to sentences without a loop over samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from unimp_bench.records import IntArray, slices

PLAIN = -1
"""Mark of a token that stands for itself."""

END = 1
"""The token that ends a text; T5's, as is 0 for padding."""


@dataclass(frozen=True)
class Phrases:
    """Texts as tokens, as CSR.

    Attributes:
        offsets: (n + 1,) phrase ``p`` owns ``tokens[offsets[p]:offsets[p + 1]]``.
        tokens: (rows,) int32.
        words: (rows,) int32 the whitespace-separated word of its phrase that a token belongs to, from 0.
        marks: (rows,) int32 ``PLAIN``, or the item whose picture stands at a placeholder.
        counts: (n,) words of each phrase.
    """

    offsets: IntArray
    tokens: IntArray
    words: IntArray
    marks: IntArray
    counts: IntArray

    @classmethod
    def words_of(cls, tokens: Sequence[Sequence[int]]) -> Phrases:
        """One word a phrase, from its tokens."""
        lengths = np.array([len(word) for word in tokens], dtype=np.int64)
        flat = np.fromiter((token for word in tokens for token in word), dtype=np.int32, count=int(lengths.sum()))
        zeros = np.zeros_like(flat)
        ones = np.ones(len(lengths), dtype=np.int64)
        return cls(np.concatenate([[0], np.cumsum(lengths)]), flat, zeros, zeros + PLAIN, ones)

    @classmethod
    def placeholders(cls, token: int, marks: IntArray) -> Phrases:
        """One token a phrase, each a word of its own that stands for the picture of an item."""
        tokens = np.full(len(marks), token, dtype=np.int32)
        ones = np.ones(len(marks), dtype=np.int64)
        return cls(np.arange(len(marks) + 1), tokens, np.zeros_like(tokens), np.asarray(marks, np.int32), ones)

    @classmethod
    def stack(cls, parts: Sequence[Phrases]) -> Phrases:
        """The phrases of all parts, one part after the other."""
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        return cls(
            np.concatenate([[0], np.cumsum(lengths)]),
            np.concatenate([part.tokens for part in parts]),
            np.concatenate([part.words for part in parts]),
            np.concatenate([part.marks for part in parts]),
            np.concatenate([part.counts for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.counts)

    def lengths(self) -> IntArray:
        """Tokens of each phrase, (n,)."""
        return np.diff(self.offsets)

    def take(self, numbers: IntArray) -> Phrases:
        """Some phrases, in the given order."""
        starts, stops = self.offsets[:-1][numbers], self.offsets[1:][numbers]
        rows = slices(starts, stops)[1]
        offsets = np.concatenate([[0], np.cumsum(stops - starts)])
        return Phrases(offsets, self.tokens[rows], self.words[rows], self.marks[rows], self.counts[numbers])

    def cut(self, most: int) -> Phrases:
        """Each phrase without what follows its first ``most`` tokens."""
        starts, lengths = self.offsets[:-1], np.minimum(self.lengths(), most)
        rows = slices(starts, starts + lengths)[1]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return Phrases(offsets, self.tokens[rows], self.words[rows], self.marks[rows], self.counts)

    def padded(self) -> Padded:
        """As arrays of one width, each phrase followed by the end token."""
        lengths = self.lengths()
        shape = (len(self), int(lengths.max(initial=0)) + 1)
        tokens, words = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        marks = np.full(shape, PLAIN, dtype=np.int64)
        owners, rows = slices(self.offsets[:-1], self.offsets[1:])
        places = rows - self.offsets[owners]
        tokens[owners, places] = self.tokens
        words[owners, places] = self.words + 1
        marks[owners, places] = self.marks
        tokens[np.arange(len(self)), lengths] = END
        return Padded(tokens, words, marks)


class Padded(NamedTuple):
    """Phrases side by side, (n, width) int64 each.

    Attributes:
        tokens: 0 behind the end token.
        words: number of the whitespace-separated word, from 1; 0 for the end token and behind it.
        marks: as in ``Phrases``.
    """

    tokens: IntArray
    words: IntArray
    marks: IntArray


def join(columns: Sequence[tuple[IntArray, Phrases]], size: int) -> Phrases:
    """Sentences made of phrases.

    Args:
        columns: phrases and the sentence of each; those of one sentence follow each other in the order given, and
            within a column in the column's.
        size: number of sentences.
    """
    owners = np.concatenate([owner for owner, _ in columns])
    order = np.argsort(owners, kind="stable")
    owners, every = owners[order], Phrases.stack([phrases for _, phrases in columns]).take(order)
    lengths = np.bincount(owners, every.lengths(), minlength=size).astype(np.int64)
    counts = np.bincount(owners, every.counts, minlength=size).astype(np.int64)
    before = np.cumsum(every.counts) - every.counts - (np.cumsum(counts) - counts)[owners]
    words = every.words + np.repeat(before, every.lengths()).astype(np.int32)
    return Phrases(np.concatenate([[0], np.cumsum(lengths)]), every.tokens, words, every.marks, counts)
