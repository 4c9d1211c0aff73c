"""The nouns that travel between rooms: histories, examples, and one rendered example.

Everything that is long is a flat array with CSR offsets; a user's history is a slice, never a list of its own.
Users and items are numbered 0..n-1 in the order of the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from typing import Protocol as Interface

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

Split = Literal["loo", "new-user", "new-domain", "global-time"]
Part = Literal["train", "validation", "test"]
Protocol = Literal["paper", "masked"]

PAPER_SPLITS: tuple[Split, ...] = ("loo", "new-user", "new-domain")
SPLITS: tuple[Split, ...] = (*PAPER_SPLITS, "global-time")
PROTOCOLS: tuple[Protocol, ...] = ("paper", "masked")


def learned_from(split: Split) -> Split:
    """The split whose training part models are fitted on when they are asked about ``split`` unprepared."""
    return "global-time" if split == "global-time" else "loo"


def slices(starts: IntArray, stops: IntArray) -> tuple[IntArray, IntArray]:
    """The rows ``starts[i]:stops[i]`` of all slices, one slice after the other: the slice of each row, and the rows."""
    lengths = stops - starts
    owners = np.repeat(np.arange(len(starts)), lengths)
    return owners, np.arange(len(owners)) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)


@dataclass(frozen=True)
class Histories:
    """Interactions of all users in time order, as CSR.

    Attributes:
        offsets: (users + 1,) int64; user ``u`` owns rows ``offsets[u]:offsets[u + 1]``.
        items: (rows,) int32 item numbers.
        ratings: (rows,) float32, NaN where the source has none.
        times: (rows,) int64, seconds since 1970 or the position in the user's sequence, as the source has it.
        reviews: (rows,) what the user wrote of each item, its summary on a line before it; None where the source has
            no reviews.
    """

    offsets: IntArray
    items: IntArray
    ratings: FloatArray
    times: IntArray
    reviews: Texts | None = None

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
        return Histories(
            kept_before[self.offsets],
            self.items[keep],
            self.ratings[keep],
            self.times[keep],
            None if self.reviews is None else self.reviews.select(keep),
        )


class TextSource(Interface):
    """Where texts are read from when they are asked for."""

    def take(self, numbers: IntArray) -> list[str]:
        """The texts of the given numbers."""


@dataclass(frozen=True)
class Texts:
    """One text an example or row, left on disk until it is read: (n,) numbers into ``source``."""

    source: TextSource
    numbers: IntArray

    def __len__(self) -> int:
        return len(self.numbers)

    def read(self) -> list[str]:
        """All texts, in their order."""
        return self.source.take(self.numbers)

    def select(self, rows: IntArray | BoolArray | slice) -> Texts:
        """Some of them, still on disk."""
        return Texts(self.source, self.numbers[rows])


@dataclass(frozen=True)
class Shown:
    """Items that an instruction itself names, as CSR over the examples: the one to judge, candidates, retrieved ones.

    Attributes:
        offsets: (n + 1,) int64.
        items: (rows,) int32 item numbers.
    """

    offsets: IntArray
    items: IntArray

    @classmethod
    def one_each(cls, items: IntArray) -> Shown:
        """One item an example."""
        return cls(np.arange(len(items) + 1), items)

    def owners(self) -> IntArray:
        """(rows,) the example of each row."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def rows_of(self, examples: IntArray | slice) -> tuple[IntArray, IntArray]:
        """Of some examples: the offsets of a CSR of their own, and their rows here."""
        starts, stops = self.offsets[:-1][examples], self.offsets[1:][examples]
        return np.concatenate([[0], np.cumsum(stops - starts)]), slices(starts, stops)[1]


@dataclass(frozen=True)
class PictureCodes:
    """The pictures of the catalogue as tokens of one tokenizer.

    Attributes:
        size: number of different codes.
        rows: (items,) int64 row of each item in ``codes``, -1 for an item without a picture.
        codes: (pictures, length) integer codes, row-major over the picture.
    """

    size: int
    rows: IntArray
    codes: IntArray

    @property
    def length(self) -> int:
        return int(self.codes.shape[1])

    def of(self, items: IntArray) -> IntArray:
        """(n, length) codes of items that have a picture."""
        picked: IntArray = self.codes[self.rows[items]]
        return picked


@dataclass(frozen=True)
class Examples:
    """Supervised examples of one task, as columns over shared histories.

    ``histories`` holds only what a model may know in this part, so a model cannot reach a target by accident:
    in ``train`` it is the training part, in ``validation`` and ``test`` it ends before the target. The history
    of example ``e`` is rows ``histories.offsets[users[e]]:ends[e]``.

    Attributes:
        task, split, part: what the examples are for.
        instruction: the task's words, ``{query}`` and ``{items}`` standing for the query and the shown items.
        histories: see above.
        users: (n,) int32 user numbers.
        ends: (n,) int64 row where each history ends (exclusive).
        targets: (n,) int32 item numbers: the item to be found, judged or drawn; None once hidden.
        rows: (n,) int64 rows of the targets in the histories of the corpus, by which its rating and review are
            found; None once hidden.
        queries: (n,) int32 rows of ``query_texts``, or None for tasks without a query.
        query_texts: distinct query strings.
        shown: the items that the instruction names, or None for tasks that name none.
        pictures: the catalogue's pictures as tokens, for tasks that generate them.
        ratings: (n,) float32 true ratings, for ``rating`` tasks; None once hidden.
        scale: lowest and highest rating and the step between ratings, for ``rating`` tasks.
        suits: (shown rows,) bool, true for the items to be chosen, for ``selection`` tasks; None once hidden.
        texts: the sentences to be written, for ``text`` tasks; None once hidden.
    """

    task: str
    split: Split
    part: Part
    histories: Histories
    users: IntArray
    ends: IntArray
    targets: IntArray | None
    instruction: str = ""
    rows: IntArray | None = None
    queries: IntArray | None = None
    query_texts: tuple[str, ...] = ()
    shown: Shown | None = None
    pictures: PictureCodes | None = None
    ratings: FloatArray | None = None
    scale: tuple[float, float, float] | None = None
    suits: BoolArray | None = None
    texts: Texts | None = None

    def __len__(self) -> int:
        return len(self.users)

    def starts(self) -> IntArray:
        """Row where each history begins, (n,)."""
        return self.histories.offsets[self.users]

    def history(self, example: int) -> IntArray:
        """Items of one example's history, oldest first."""
        return self.histories.items[self.histories.offsets[self.users[example]] : self.ends[example]]

    def hidden(self) -> Examples:
        """The same examples without their answers: what a model sees when it predicts."""
        return replace(self, targets=None, rows=None, ratings=None, suits=None, texts=None)

    def asking(self, texts: Sequence[str]) -> Examples:
        """The same examples, each with the text of its target (``texts`` holds one for every item) as its query."""
        if self.targets is None:
            raise ValueError("hidden examples have no target to make a query of")
        distinct, query_of_item = np.unique(np.array(texts, dtype=object), return_inverse=True)
        queries = query_of_item.astype(np.int32)[self.targets]
        return replace(self, queries=queries, query_texts=tuple(str(text) for text in distinct))

    def select(self, examples: IntArray | slice) -> Examples:
        """A subset of the examples, by their numbers, over the same histories."""
        shown, suits = self.shown, self.suits
        if shown is not None:
            offsets, rows = shown.rows_of(examples)
            shown = Shown(offsets, shown.items[rows])
            suits = None if suits is None else suits[rows]
        return replace(
            self,
            users=self.users[examples],
            ends=self.ends[examples],
            targets=None if self.targets is None else self.targets[examples],
            rows=None if self.rows is None else self.rows[examples],
            queries=None if self.queries is None else self.queries[examples],
            shown=shown,
            ratings=None if self.ratings is None else self.ratings[examples],
            suits=suits,
            texts=None if self.texts is None else self.texts.select(examples),
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
    """One example, rendered for a reader or an instruction dataset.

    Attributes:
        id: ``task/split/part/user/place``, the place of the target in the user's sequence; unique.
        domain, user: by name.
        history, ratings, times: items before the target, oldest first, with their ratings (NaN for none) and times.
        query: what the user asks for, or None.
        shown: items that the instruction names.
        instruction: the words of the task, items written as ``[IMG] key value ... [EOC]``.
        target: the answer in words: an item, a rating, a sentence, the chosen items, or picture codes.
        target_items: the items that are the answer, or that it is about.
        target_rating: the true rating, for rating tasks.
    """

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
    shown: tuple[str, ...]
    instruction: str
    target: str
    target_items: tuple[str, ...]
    target_rating: float | None
