"""Which items are near-duplicates in one respect, without a list of all pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from unimp_bench.audit.corpus.history import in_history
from unimp_bench.audit.corpus.measures import Copies, Duplicates, Group
from unimp_bench.audit.corpus.shares import mean, share
from unimp_bench.records import BoolArray, Examples, IntArray

_LARGEST = 5
_NAMED = 4


@dataclass(frozen=True)
class Likeness:
    """Near-duplicates by title, or by picture.

    Attributes:
        contents: (items,) number of the item's content, equal where contents are; -1 for nothing to compare.
        groups: (contents,) number of the group of each content, near-duplicates of near-duplicates in one.
        near: whether each of some contents is another or a near-duplicate of it, (n,) and (n,) to (n,) bool.
        left_out: items that have something which says nothing.
    """

    contents: IntArray
    groups: IntArray
    near: Callable[[IntArray, IntArray], BoolArray]
    left_out: int = 0

    def copies(self, items: IntArray, others: IntArray) -> BoolArray:
        """(n,) whether two different items are near-duplicates."""
        a, b = self.contents[items], self.contents[others]
        pairs = np.flatnonzero((items != others) & (a >= 0) & (b >= 0))
        pairs = pairs[self.groups[a[pairs]] == self.groups[b[pairs]]]
        found = np.zeros(len(items), dtype=np.bool_)
        found[pairs] = self.near(a[pairs], b[pairs])
        return found


def chained(count: int, pairs: Iterable[tuple[IntArray, IntArray]]) -> IntArray:
    """(count,) number of each content's group, from blocks of pairs that are seen once and not kept."""
    groups: IntArray = np.arange(count)
    for a, b in pairs:
        if len(a):
            merged = coo_array((np.ones(len(a), dtype=np.bool_), (groups[a], groups[b])), shape=(count, count))
            groups = connected_components(merged, directed=False)[1][groups]
    return groups


def duplicates(likeness: Likeness | None, names: Sequence[str]) -> Duplicates | None:
    """How many items are alike; None where there is nothing to compare. ``names`` are those of all items."""
    if likeness is None:
        return None
    items = np.flatnonzero(likeness.contents >= 0)
    contents = likeness.contents[items]
    groups = likeness.groups[contents]
    sizes = np.bincount(groups)
    order = np.argsort(-sizes, kind="stable")[:_LARGEST]
    return Duplicates(
        items=len(items),
        left_out=likeness.left_out,
        exact=share((np.bincount(contents)[contents] > 1).sum(), len(items)),
        near=share((sizes[groups] > 1).sum(), len(items)),
        groups=int((sizes > 1).sum()),
        largest=tuple(
            Group(items=int(sizes[group]), examples=tuple(names[item] for item in items[groups == group][:_NAMED]))
            for group in order
            if sizes[group] > 1
        ),
    )


def copied(test: Examples, titles: Likeness | None, pictures: Likeness | None) -> BoolArray | None:
    """(n,) whether another item of the history is a near-duplicate of the target; None where nothing can be."""
    found = [in_history(test, likeness.copies) for likeness in (titles, pictures) if likeness is not None]
    return np.logical_or.reduce(found) if found else None


def copies(test: Examples, titles: Likeness | None, pictures: Likeness | None) -> Copies | None:
    """Share of the targets that ``copied`` finds, by title, by picture and by either."""
    either = copied(test, titles, pictures)
    if either is None:
        return None
    alone = [None if each is None else mean(in_history(test, each.copies)) for each in (titles, pictures)]
    return Copies(titles=alone[0], pictures=alone[1], either=mean(either))
