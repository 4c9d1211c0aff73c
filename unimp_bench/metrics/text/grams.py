"""N-grams that a prediction shares with its reference, counted for all examples at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count

import numpy as np

from unimp_bench.records import IntArray


@dataclass(frozen=True)
class TokenPairs:
    """The tokens of n predictions and n references as numbers, over one vocabulary.

    Attributes:
        tokens: (rows,) int64 token numbers, of all predictions and then of all references.
        offsets: (2n + 1,) text ``t`` owns rows ``offsets[t]:offsets[t + 1]``; reference ``e`` is text ``n + e``.
    """

    tokens: IntArray
    offsets: IntArray

    @classmethod
    def of(cls, predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> TokenPairs:
        texts = [*predictions, *references]
        vocabulary: defaultdict[str, int] = defaultdict(count().__next__)
        tokens = np.fromiter(map(vocabulary.__getitem__, chain.from_iterable(texts)), dtype=np.int64)
        return cls(tokens, np.cumsum([0, *map(len, texts)], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.offsets) // 2

    def totals(self, order: int) -> tuple[IntArray, IntArray]:
        """N-grams of one order in each prediction and in each reference, (n,) and (n,)."""
        grams = np.maximum(np.diff(self.offsets) - (order - 1), 0)
        return grams[: len(self)], grams[len(self) :]

    def matches(self, highest: int) -> IntArray:
        """Clipped matches of orders 1 to ``highest``, (n, highest): an n-gram counts as often as both sides have it.

        An n-gram is a class of positions, in both texts of one example, that go on in the same way. Each order
        splits the classes of the order before by the token that follows.
        """
        texts = np.repeat(np.arange(2 * len(self)), np.diff(self.offsets))
        examples, referred = texts % len(self), texts >= len(self)
        left = self.offsets[texts + 1] - np.arange(len(texts))
        words = _classes(examples * (self.tokens.max(initial=0) + 1) + self.tokens)
        starts, grams = np.arange(len(texts)), words
        matches = np.zeros((len(self), highest), dtype=np.int64)
        for order in range(1, highest + 1):
            if order > 1:
                whole = left[starts] >= order
                starts = starts[whole]
                grams = _classes(grams[whole] * len(texts) + words[starts + order - 1])
            sides = referred[starts]
            size = grams.max(initial=-1) + 1
            common = np.minimum(np.bincount(grams[sides], minlength=size), np.bincount(grams[~sides], minlength=size))
            owners = np.zeros(size, dtype=np.int64)
            owners[grams] = examples[starts]
            np.add.at(matches[:, order - 1], owners, common)
        return matches


def _classes(keys: IntArray) -> IntArray:
    """Equal keys (n,) as equal numbers from 0 on, without gaps."""
    classes: IntArray = np.unique(keys, return_inverse=True)[1]
    return classes
