"""Item ids: the tokens by which a sentence names an item, one of its own or a short code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from unimp_bench.files import damaged
from unimp_bench.records import IntArray


@dataclass(frozen=True, eq=False)
class ItemIds:
    """The ids of all items, each a tuple of codes of one length.

    Every level has tokens of its own, and those of one level follow those of the one before, so a token's number tells
    its level: a decoder need not count where in an id it stands (TIGER, Rajput et al., 2023).

    Attributes:
        codes: (items, levels) int64, from 0 within each level; no two rows are equal.
    """

    codes: IntArray

    @classmethod
    def atomic(cls, items: int) -> ItemIds:
        """A token for each item."""
        return cls(np.arange(items, dtype=np.int64)[:, None])

    @classmethod
    def load(cls, path: Path, items: int) -> ItemIds:
        """Read what ``save`` wrote.

        Raises:
            DataError: the file is missing or damaged, or of another catalogue.
        """
        try:
            codes = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise damaged(path, error) from None
        whole = isinstance(codes, np.ndarray) and codes.dtype == np.int64 and codes.ndim == 2
        if not whole or len(codes) != items or codes.min(initial=0) < 0 or len(np.unique(codes, axis=0)) != items:
            raise damaged(path, f"it holds no distinct ids of {items} items")
        return cls(codes)

    def save(self, path: Path) -> None:
        np.save(path, self.codes, allow_pickle=False)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def levels(self) -> int:
        """Tokens of an id."""
        return int(self.codes.shape[1])

    @cached_property
    def bounds(self) -> IntArray:
        """(levels + 1,) the first token of each level, and how many tokens there are."""
        sizes = self.codes.max(axis=0, initial=-1) + 1
        return np.concatenate([[0], np.cumsum(sizes)])

    @property
    def size(self) -> int:
        """Tokens of all levels."""
        return int(self.bounds[-1])

    def tokens(self, items: IntArray) -> IntArray:
        """The tokens of some items, counted from 0, (..., levels) int64."""
        tokens: IntArray = self.codes[items] + self.bounds[:-1]
        return tokens

    def name(self, token: int) -> str:
        """What a token is called: ``item_<n>``, or ``id<level>_<code>`` and ``idlast_<code>``."""
        level = int(np.searchsorted(self.bounds, token, side="right")) - 1
        code = token - int(self.bounds[level])
        if self.levels == 1:
            return f"item_{code}"
        return f"idlast_{code}" if level == self.levels - 1 else f"id{level}_{code}"
