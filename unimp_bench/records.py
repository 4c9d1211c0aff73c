"""The nouns that travel between rooms: histories, examples, and one rendered example.

Everything that is long is a flat array with CSR offsets; a user's history is a slice, never a list of its own.
Users and items are numbered 0..n-1 in the order of the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

Split = Literal["loo", "new-user", "new-domain"]
Part = Literal["train", "validation", "test"]
Protocol = Literal["paper", "masked"]

SPLITS: tuple[Split, ...] = ("loo", "new-user", "new-domain")
PROTOCOLS: tuple[Protocol, ...] = ("paper", "masked")


@dataclass(frozen=True)
class Histories:
    """Interactions of all users in time order, as CSR.

    Attributes:
        offsets: (users + 1,) int64; user ``u`` owns rows ``offsets[u]:offsets[u + 1]``.
        items: (rows,) int32 item numbers.
        ratings: (rows,) float32, NaN where the source has none.
        times: (rows,) int64, seconds since 1970 or the position in the user's sequence, as the source has it.
    """

    offsets: IntArray
    items: IntArray
    ratings: FloatArray
    times: IntArray

    @property
    def users(self) -> int:
        return len(self.offsets) - 1

    def __len__(self) -> int:
        return len(self.items)

    def lengths(self) -> IntArray:
        """Interactions of each user, (users,)."""
        return np.diff(self.offsets)

    def take(self, keep: BoolArray) -> Histories:
        """The same users with only the rows where ``keep`` (rows,) holds."""
        kept_before = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])
        return Histories(kept_before[self.offsets], self.items[keep], self.ratings[keep], self.times[keep])


@dataclass(frozen=True)
class Examples:
    """Supervised examples of one task, as columns over shared histories.

    ``histories`` holds only what a model may know in this part, so a model cannot reach a target by accident:
    in ``train`` it is the training part, in ``validation`` and ``test`` it ends before the target. The history
    of example ``e`` is rows ``histories.offsets[users[e]]:ends[e]``.

    Attributes:
        task, split, part: what the examples are for.
        histories: see above.
        users: (n,) int32 user numbers.
        ends: (n,) int64 row where each history ends (exclusive).
        targets: (n,) int32 item numbers, or None once hidden.
        queries: (n,) int32 rows of ``query_texts``, or None for tasks without a query.
        query_texts: distinct query strings.
    """

    task: str
    split: Split
    part: Part
    histories: Histories
    users: IntArray
    ends: IntArray
    targets: IntArray | None
    queries: IntArray | None = None
    query_texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.users)

    def starts(self) -> IntArray:
        """Row where each history begins, (n,)."""
        return self.histories.offsets[self.users]

    def history(self, example: int) -> IntArray:
        """Items of one example's history, oldest first."""
        return self.histories.items[self.histories.offsets[self.users[example]] : self.ends[example]]

    def hidden(self) -> Examples:
        """The same examples without their targets: what a model sees when it predicts."""
        return replace(self, targets=None)

    def asking(self, texts: Sequence[str]) -> Examples:
        """The same examples, each with the text of its target (``texts`` holds one for every item) as its query."""
        if self.targets is None:
            raise ValueError("hidden examples have no target to make a query of")
        distinct, query_of_item = np.unique(np.array(texts, dtype=object), return_inverse=True)
        queries = query_of_item.astype(np.int32)[self.targets]
        return replace(self, queries=queries, query_texts=tuple(str(text) for text in distinct))

    def select(self, rows: IntArray | slice) -> Examples:
        """A subset of the examples over the same histories."""
        return replace(
            self,
            users=self.users[rows],
            ends=self.ends[rows],
            targets=None if self.targets is None else self.targets[rows],
            queries=None if self.queries is None else self.queries[rows],
        )

    def blocks(self, size: int) -> Iterator[Examples]:
        """Consecutive subsets of at most ``size`` examples."""
        for start in range(0, len(self), size):
            yield self.select(slice(start, start + size))

    def last_items(self, length: int, pad: int = -1) -> IntArray:
        """The last ``length`` history items of each example, (n, length) int64, right-aligned, ``pad`` before."""
        rows = self.ends[:, None] + np.arange(-length, 0)[None, :]
        inside = rows >= self.starts()[:, None]
        if not len(self.histories):
            return np.full(rows.shape, pad, dtype=np.int64)
        return np.where(inside, self.histories.items[np.where(inside, rows, 0)].astype(np.int64), pad)


@dataclass(frozen=True)
class Example:
    """One example, rendered for a reader or an instruction dataset."""

    id: str
    task: str
    split: Split
    part: Part
    domain: str
    user: str
    history: tuple[str, ...]
    ratings: tuple[float, ...]
    times: tuple[int, ...]
    query: str | None
    instruction: str
    target: str
