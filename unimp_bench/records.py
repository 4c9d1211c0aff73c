"""Histories, examples and one rendered example: the records that all packages exchange.

Large data are flat arrays with offsets; a user's history is a slice, never a separate list.
Users and items are numbered 0..n-1 in the order of the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self
from typing import Protocol as Interface

import numpy as np
import numpy.typing as npt

from unimp_bench.ragged import Grouped, Ragged, offsets_of

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

Split = Literal["loo", "new-user", "new-domain", "global-time", "public"]
Part = Literal["train", "validation", "test"]
Protocol = Literal["paper", "masked"]

PAPER_SPLITS: tuple[Split, ...] = ("loo", "new-user", "new-domain")
DRAWN_SPLITS: tuple[Split, ...] = (*PAPER_SPLITS, "global-time")
"""The splits that are drawn from the interactions of a corpus without a public split of its own."""
SPLITS: tuple[Split, ...] = (*DRAWN_SPLITS, "public")
MAIN_SPLITS: tuple[Split, ...] = ("loo", "public")
"""The default split of a corpus is one of these; settings are tuned on its validation part."""
PROTOCOLS: tuple[Protocol, ...] = ("paper", "masked")


def learned_from(split: Split) -> Split:
    """The split whose training part models are fitted on when they are evaluated on ``split`` without adaptation."""
    return split if split in ("global-time", "public") else "loo"


@dataclass(frozen=True)
class Histories(Grouped):
    """Interactions of all users in time order, one row per interaction.

    Attributes:
        offsets: (users + 1,) int64; user ``u`` owns rows ``offsets[u]:offsets[u + 1]``.
        items: (rows,) int32 item numbers.
        ratings: (rows,) float32, NaN where the source has none.
        times: (rows,) int64, seconds since 1970 or positions in the user's sequence, whichever the source has.
        reviews: (rows,) the review of each item, a summary line first; None where the source has no reviews.
    """

    items: IntArray
    ratings: FloatArray
    times: IntArray
    reviews: Texts | None = None

    @property
    def users(self) -> int:
        return len(self.offsets) - 1

    def __len__(self) -> int:
        return len(self.items)

    def take(self, keep: BoolArray) -> Histories:
        """The same users with only the rows where ``keep`` (rows,) holds."""
        return Histories(
            offsets_of(keep)[self.offsets],
            self.items[keep],
            self.ratings[keep],
            self.times[keep],
            None if self.reviews is None else self.reviews.select(keep),
        )


class TextSource(Interface):
    """Where texts are read from on demand."""

    def take(self, numbers: IntArray) -> list[str]:
        """The texts of the given numbers."""


@dataclass(frozen=True)
class Texts:
    """One text per example or row, left on disk until it is read: (n,) numbers into ``source``."""

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
class Shown(Ragged):
    """(examples, varying) int32 items that each instruction itself names: one to judge, candidates, retrieved ones."""

    @property
    def items(self) -> IntArray:
        """(n,) the items of all examples."""
        return self.values


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


PER_EXAMPLE = MappingProxyType({"per": "example"})
PER_SHOWN = MappingProxyType({"per": "shown item"})
ANSWER = MappingProxyType({"per": "example", "answer": True})
ANSWER_PER_SHOWN = MappingProxyType({"per": "shown item", "answer": True})
"""Metadata of fields of examples: what a column has a value for, and whether models that predict do not see it."""


@dataclass(frozen=True)
class Examples:
    """Supervised examples of one task, as columns over shared histories.

    Rankings use this class; other kinds of tasks derive one with further columns, each marked by ``PER_EXAMPLE``,
    ``PER_SHOWN``, ``ANSWER`` or ``ANSWER_PER_SHOWN``. Answers are None once hidden.

    ``histories`` holds only what a model may know in this part, so a model cannot reach a target by accident:
    in ``train`` it is the training part, in ``validation`` and ``test`` it ends before the target. The history
    of example ``e`` is rows ``histories.offsets[users[e]]:ends[e]``.

    Attributes:
        task, split, part: origin of the examples.
        instruction: the task's template with the fields ``{query}`` and ``{items}``.
        histories: see above.
        users: (n,) int32 user numbers.
        ends: (n,) int64 row where each history ends (exclusive).
        targets: (n,) int32 item numbers: the item to rank, judge or draw; None once hidden.
        rows: (n,) int64 rows of the targets in the histories of the corpus, where their ratings and reviews are; None
            once hidden.
        queries: (n,) int32 rows of ``query_texts``, or None for tasks without a query.
        query_texts: distinct query strings.
        query_items: how many items have each of them as their query; empty where that is unknown.
        shown: the items that the instruction names, or None.
    """

    has_candidates: ClassVar[bool] = False
    """The answer is some of the shown items."""

    task: str
    split: Split
    part: Part
    histories: Histories
    users: IntArray = field(metadata=PER_EXAMPLE)
    ends: IntArray = field(metadata=PER_EXAMPLE)
    targets: IntArray | None = field(metadata=ANSWER)
    instruction: str = ""
    rows: IntArray | None = field(default=None, metadata=ANSWER)
    queries: IntArray | None = field(default=None, metadata=PER_EXAMPLE)
    query_texts: tuple[str, ...] = ()
    shown: Shown | None = field(default=None, metadata=PER_EXAMPLE)
    query_items: tuple[int, ...] = ()

    @classmethod
    def of(cls, examples: Examples, **columns: Any) -> Self:
        """Examples of a derived class from those of its base class and further ``columns``."""
        return cls(**{each.name: getattr(examples, each.name) for each in fields(examples)} | columns)

    def __len__(self) -> int:
        return len(self.users)

    def starts(self) -> IntArray:
        """Row where each history begins, (n,)."""
        return self.histories.offsets[self.users]

    def history(self, example: int) -> IntArray:
        """Items of one example's history, oldest first."""
        return self.histories.items[self.histories.offsets[self.users[example]] : self.ends[example]]

    def hidden(self) -> Self:
        """The same examples without their answers, as a model sees them for prediction."""
        answers: dict[str, Any] = {each.name: None for each in fields(self) if each.metadata.get("answer")}
        return replace(self, **answers)

    def asking(self, texts: Sequence[str]) -> Self:
        """The same examples, each with the text of its target (``texts`` holds one for every item) as its query."""
        if self.targets is None:
            raise ValueError("hidden examples have no target to make a query of")
        distinct, query_of_item, counts = np.unique(
            np.array(texts, dtype=object), return_inverse=True, return_counts=True
        )
        queries = query_of_item.astype(np.int32)[self.targets]
        names = tuple(str(text) for text in distinct)
        return replace(self, queries=queries, query_texts=names, query_items=tuple(counts.tolist()))

    def select(self, examples: IntArray | slice) -> Self:
        """A subset of the examples, by their numbers, over the same histories."""
        chosen = {"example": examples}
        if self.shown is not None:
            chosen["shown item"] = self.shown.positions_of(examples)[1]
        columns: dict[str, Any] = {}
        for each in fields(self):
            column, rows = getattr(self, each.name), chosen.get(each.metadata.get("per", ""))
            if column is not None and rows is not None:
                match column:
                    case np.ndarray():
                        columns[each.name] = column[rows]
                    case Shown():
                        columns[each.name] = column.take(rows)
                    case _:
                        columns[each.name] = column.select(rows)
        return replace(self, **columns)

    def answer_items(self) -> Shown:
        """The items that are the answer to each example, or its subject."""
        assert self.targets is not None
        return Shown.single(self.targets)

    def answer_words(self, names: Callable[[IntArray], list[str]]) -> list[str]:
        """(n,) the answers as text; ``names`` returns the names of items."""
        items = self.answer_items()
        words, cuts = names(items.items), items.offsets.tolist()
        return [" ".join(words[start:stop]) for start, stop in pairwise(cuts)]

    def answer_columns(self) -> dict[str, IntArray | FloatArray]:
        """Columns of an example table specific to this kind of task, by name, (n,) each."""
        return {}

    def blocks(self, size: int) -> Iterator[Self]:
        """Consecutive subsets of at most ``size`` examples."""
        for start in range(0, len(self), size):
            yield self.select(slice(start, start + size))

    def distinct_queries(self) -> tuple[list[str], IntArray]:
        """The distinct queries, and the index of each example's query among them, (n,)."""
        if self.queries is None:
            raise ValueError("these examples have no queries")
        distinct, query_of_example = np.unique(self.queries, return_inverse=True)
        return [self.query_texts[query] for query in distinct], query_of_example

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
        query: the user's query, or None.
        shown: items that the instruction names.
        instruction: the rendered instruction, items written as ``[IMG] key value ... [EOC]``.
        target: the answer as text: an item, a rating, a sentence, the chosen items, or picture codes.
        target_items: the items that are the answer, or its subject.
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
