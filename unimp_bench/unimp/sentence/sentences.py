"""User sentences as arrays of pieces: ``[CLS]``, the items of a history, and what follows it.

Examples whose histories begin at the same item share one sentence, a *trunk* of items with a *branch* for each prompt
and its answer: a branch sees the items before it and itself, and nobody sees a branch, so every example reads exactly
what it would read in a sentence of its own while shared items are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unimp_bench.records import Examples, FloatArray, Histories, IntArray, slices
from unimp_bench.unimp.sentence.branches import Branches
from unimp_bench.unimp.sentence.pieces import CLS_PIECE, FIRST_ITEM_PIECE, Pieces
from unimp_bench.unimp.sentence.tokens import Vocabulary


@dataclass(frozen=True)
class Sentences:
    """Sentences as runs of pieces, CSR.

    Attributes:
        pieces: what the numbers in ``runs`` stand for.
        offsets: (sentences + 1,) int64.
        runs: (rows,) piece numbers.
        branches: (rows,) 0 for the trunk, 1, 2... for a sentence's branches.
        marks: (rows,) token whose embedding is added to every token of a piece, -1 for none.
        weights: (rows,) float32 weight of the labelled tokens of a piece: that of its branch's example, or in the
            trunk the sum of those of the examples that read it.
        readers: (rows,) int64, how many examples read a piece.
        examples: (rows,) number of the example that a branch stands for, -1 in trunks.
        nexts: (rows,) token that is asked for at the last token of a piece beside its own labels; -1 for none.
    """

    pieces: Pieces
    offsets: IntArray
    runs: IntArray
    branches: IntArray
    marks: IntArray
    weights: FloatArray
    readers: IntArray
    examples: IntArray
    nexts: IntArray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lengths(self) -> IntArray:
        """Tokens of each sentence, (sentences,)."""
        before = np.concatenate([[0], np.cumsum(self.pieces.lengths()[self.runs])])
        return np.diff(before[self.offsets])


def last_starts(examples: Examples, history: int) -> IntArray:
    """(n,) rows where the last ``history`` items of each example's history begin."""
    return np.maximum(examples.starts(), examples.ends - history)


def drawn_starts(examples: Examples, history: int, seed: int) -> IntArray:
    """(n,) rows where the items that training reads of each history begin: at most ``history`` before its end.

    A user's examples are cut into windows of ``history`` consecutive ones, the first cut drawn at random, and those of
    one window begin at one item. So they share a sentence, and every epoch's draw shows an example another length of
    its history. (The authors' code draws one window a user and epoch, and learns its last item alone.)
    """
    first = examples.starts()
    shift = np.random.default_rng(seed).integers(history, size=examples.histories.users)[examples.users]
    window = (examples.ends - 1 - first + shift) // history
    return np.maximum(first, first + window * history - shift)


def window_ends(starts: IntArray, users: IntArray, ends: IntArray) -> IntArray:
    """Numbers of the examples with the longest history of all that begin at their item, ascending."""
    order = np.lexsort((ends, starts, users))
    last = np.ones(len(order), dtype=np.bool_)
    last[:-1] = (np.diff(starts[order]) != 0) | (np.diff(users[order]) != 0)
    return np.sort(order[last])


def drawn_examples(branches: Branches, most: int, seed: int) -> Branches:
    """At most ``most`` examples of each user, drawn at random, in their order."""
    users = branches.examples.users
    order = np.lexsort((np.random.default_rng(seed).random(len(users)), users))
    place = np.arange(len(order)) - np.searchsorted(users[order], users[order])
    return branches.select(np.sort(order[place < most]))


def sentences(
    pieces: Pieces,
    parts: Sequence[Branches],
    starts: Sequence[IntArray],
    vocabulary: Vocabulary,
    shared: bool = True,
    next_item: bool = False,
    task_weights: Sequence[float] | None = None,
) -> Sentences:
    """The sentences of the examples of one or more tasks over the same histories.

    Args:
        pieces: what the branches are made of.
        parts: a task each; example numbers count through them.
        starts: for each task, (n,) rows where the items begin that are read of each history.
        shared: let a user's examples that begin at the same item share a sentence; else each has its own.
        next_item: ask for the next item of the history at each item of a trunk but the last.
        task_weights: for each task, the weight of its examples in the loss; None for 1 everywhere.
    """
    histories = parts[0].examples.histories
    start = np.concatenate(starts)
    ends = np.concatenate([part.examples.ends for part in parts])
    users = np.concatenate([part.examples.users for part in parts])
    each = [1.0] * len(parts) if task_weights is None else task_weights
    weights = np.repeat(each, [len(part) for part in parts])

    order = np.lexsort((ends, start, users)) if shared else np.arange(len(ends))
    fresh = np.ones(len(order), dtype=np.bool_)
    if shared:
        fresh[1:] = (np.diff(start[order]) != 0) | (np.diff(users[order]) != 0)
    group, first = np.cumsum(fresh) - 1, np.flatnonzero(fresh)
    begin, longest = start[order][first], np.maximum.reduceat((ends - start)[order], first)

    trunk_group = np.repeat(np.arange(len(first)), longest)
    trunk_step = np.arange(len(trunk_group)) - np.repeat(np.cumsum(longest) - longest, longest)
    branch_step = (ends - start)[order]
    # An item is read by the examples of its group that end after it.
    stride = int(longest.max()) + 1
    readers_from = np.searchsorted(group * stride + branch_step, trunk_group * stride + trunk_step, side="right")
    readers_to = np.append(first[1:], len(order))[trunk_group]
    summed = np.concatenate([[0.0], np.cumsum(weights[order])])
    trunk_row = begin[trunk_group] + trunk_step
    trunk_piece, trunk = _trunk(histories, trunk_row, vocabulary)
    trunk_next = np.full(len(trunk), -1)
    if next_item:
        has_next = (trunk_step + 1 < longest[trunk_group])[trunk] & (trunk_piece < FIRST_ITEM_PIECE + vocabulary.items)
        trunk_next[has_next] = vocabulary.item_tokens(histories.items[trunk_row[trunk[has_next]] + 1])[:, 0]

    counts = np.concatenate([np.diff(part.offsets) for part in parts])
    stops = np.cumsum(counts)[order]
    branch, taken = slices(stops - counts[order], stops)
    prompt = np.concatenate([part.runs for part in parts])[taken]
    marks = np.concatenate([part.marks for part in parts])[taken]

    heads = np.full(len(first), -1)
    none = np.full(len(trunk), -1)
    owner = np.concatenate([np.arange(len(first)), trunk_group[trunk], group[branch]])
    place = np.concatenate([heads, 2 * trunk_step[trunk] + 1, 2 * branch_step[branch]])
    rows = np.lexsort((place, owner))
    read = (readers_to - readers_from)[trunk]
    weighed = (summed[readers_to] - summed[readers_from])[trunk]
    return Sentences(
        pieces=pieces,
        offsets=np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(first)))]),
        runs=np.concatenate([heads + CLS_PIECE + 1, trunk_piece, prompt])[rows],
        branches=np.concatenate([heads + 1, none + 1, (np.arange(len(order)) - first[group] + 1)[branch]])[rows],
        marks=np.concatenate([heads, none, marks])[rows],
        weights=np.concatenate([heads * 0.0, weighed, weights[order][branch]])[rows].astype(np.float32),
        readers=np.concatenate([heads * 0, read, branch * 0 + 1])[rows],
        examples=np.concatenate([heads, none, order[branch]])[rows],
        nexts=np.concatenate([heads, trunk_next, branch * 0 - 1])[rows],
    )


def _trunk(histories: Histories, rows: IntArray, vocabulary: Vocabulary) -> tuple[IntArray, IntArray]:
    """Pieces of some rows of the histories, and the place in ``rows`` that each belongs to.

    An item is followed by its rating where the model knows ratings and the source has one.
    """
    items = FIRST_ITEM_PIECE + histories.items[rows].astype(np.int64)
    if not vocabulary.ratings:
        return items, np.arange(len(rows))
    known = np.array(vocabulary.ratings)
    given = histories.ratings[rows]
    nearest = np.abs(np.where(np.isnan(given), known[0], given)[:, None] - known).argmin(axis=1)
    pieces = np.stack([items, FIRST_ITEM_PIECE + vocabulary.items + nearest], axis=1).ravel()
    there = np.stack([np.ones(len(rows), dtype=np.bool_), ~np.isnan(given)], axis=1).ravel()
    return pieces[there], np.arange(len(rows)).repeat(2)[there]
