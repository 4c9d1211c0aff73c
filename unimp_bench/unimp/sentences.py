"""User sentences as arrays of pieces: ``[CLS]``, the items of a history, and a prompt with its answer.

Examples whose histories begin at the same item share one sentence, a *trunk* of items with a *branch* per prompt and
answer. A branch attends to the items before it and to itself, and nothing attends to a branch, so every example reads
exactly what it would read in a sentence of its own while shared items are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unimp_bench.kinds.picture import PictureExamples
from unimp_bench.ragged import Grouped, offsets_of, spans
from unimp_bench.records import Examples, FloatArray, Histories, IntArray
from unimp_bench.unimp.config import Read
from unimp_bench.unimp.pieces import (
    CLS_PIECE,
    FIRST_ITEM_PIECE,
    NONE,
    Kind,
    Pieces,
    answer_pieces,
    candidate_names,
    code_names,
    kind_of,
    open_answer,
    picture_position_names,
)
from unimp_bench.unimp.tokens import ITEMS, QUERY, Vocabulary, plain, segments


@dataclass(frozen=True)
class Branches(Grouped):
    """Examples of one task with the pieces of their prompts and answers, in groups of varying length.

    An example without pieces is answered at the last item of its history.

    Attributes:
        offsets: (n + 1,) int64.
        examples: the n examples.
        kind: of their task.
        runs: (rows,) int64 piece numbers.
        marks: (rows,) int64 marker token that is added to every token of a candidate, that of its position; -1 for
            other pieces.
    """

    examples: Examples
    kind: Kind
    runs: IntArray
    marks: IntArray

    def __len__(self) -> int:
        return len(self.examples)

    def select(self, rows: IntArray) -> Branches:
        """Some of the examples, by their numbers."""
        offsets, taken = self.positions_of(rows)
        return Branches(offsets, self.examples.select(rows), self.kind, self.runs[taken], self.marks[taken])


def answered(
    parts: Sequence[Examples], catalogue: Pieces, vocabulary: Vocabulary, read: Read = "prompt"
) -> tuple[Pieces, list[Branches]]:
    """Branches of the examples of some tasks with their answers, and the pieces of all."""
    pieces, branches = catalogue, []
    for part in parts:
        kind = kind_of(part)
        if read == "item" and is_next_item(part, kind):
            branch = _no_branches(part, kind)
        else:
            pieces, branch = _branches(part, kind, pieces, vocabulary, answer_pieces(part, vocabulary))
        branches.append(branch)
    return pieces, branches


def unanswered(
    examples: Examples, kind: Kind, catalogue: Pieces, vocabulary: Vocabulary, read: Read = "prompt"
) -> tuple[Pieces, list[Branches]]:
    """Branches that end at ``<answer>``, or have no pieces, and the pieces of all."""
    if read == "item" and is_next_item(examples, kind):
        return catalogue, [_no_branches(examples, kind)]
    pieces, branches = _branches(examples, kind, catalogue, vocabulary, open_answer(examples, vocabulary))
    return pieces, [branches]


def is_next_item(examples: Examples, kind: Kind) -> bool:
    """Whether the answer is the item that follows the history."""
    return kind == "ranking" and examples.queries is None


def _no_branches(examples: Examples, kind: Kind) -> Branches:
    none = np.empty(0, dtype=np.int64)
    return Branches(np.zeros(len(examples) + 1, dtype=np.int64), examples, kind, none, none)


def _branches(
    examples: Examples, kind: Kind, pieces: Pieces, vocabulary: Vocabulary, answers: tuple[Pieces, IntArray]
) -> tuple[Pieces, Branches]:
    each, unmarked = np.arange(len(examples)), np.full(len(examples), NONE)
    owners, runs, marks = [], [], []
    for part in segments(examples.instruction, examples.task):
        if part == ITEMS:
            pieces, owner, run, mark = _shown(examples, kind, pieces, vocabulary)
            owners.append(owner)
            runs.append(run)
            marks.append(mark)
        elif part == QUERY:
            if examples.queries is not None:
                owners.append(each)
                runs.append(len(pieces) + examples.queries.astype(np.int64))
                marks.append(unmarked)
                pieces = pieces.followed_by(Pieces.of(vocabulary.encode([plain(t) for t in examples.query_texts])))
        else:
            owners.append(each)
            runs.append(np.full(len(examples), len(pieces)))
            marks.append(unmarked)
            pieces = pieces.followed_by(Pieces.of([vocabulary.phrase(part)]))
    owners.append(each)
    runs.append(len(pieces) + answers[1])
    marks.append(unmarked)
    pieces = pieces.followed_by(answers[0])
    owner = np.concatenate(owners)
    offsets = offsets_of(np.bincount(owner, minlength=len(examples)))
    order = np.argsort(owner, kind="stable")
    return pieces, Branches(offsets, examples, kind, np.concatenate(runs)[order], np.concatenate(marks)[order])


def _shown(
    examples: Examples, kind: Kind, pieces: Pieces, vocabulary: Vocabulary
) -> tuple[Pieces, IntArray, IntArray, IntArray]:
    """The shown items: all pieces, then the owner, the piece and the mark of each run.

    A candidate follows the token of its position and is marked with it, since a decoder of few layers could not look
    it up from thirty tokens away. A source item of image generation is followed by its picture's codes.
    """
    shown = examples.shown
    if shown is None:
        empty = np.empty(0, dtype=np.int64)
        return pieces, empty, empty, empty
    owner, runs = shown.owners(), FIRST_ITEM_PIECE + shown.items.astype(np.int64)
    unmarked = np.full(len(runs), NONE)
    if kind == "selection":
        position = shown.positions()
        names = np.array(vocabulary.named(candidate_names(int(position.max(initial=-1)) + 1)), dtype=np.int64)
        runs = np.stack([len(pieces) + position, runs], axis=1).ravel()
        marks = np.stack([unmarked, names[position]], axis=1).ravel()
        return pieces.followed_by(Pieces.of([[name] for name in names])), owner.repeat(2), runs, marks
    if isinstance(examples, PictureExamples):
        pictures = examples.pictures
        distinct, number = np.unique(shown.items, return_inverse=True)
        tokens = np.array(vocabulary.named(code_names(pictures.size)), dtype=np.int64)
        codes = [tokens[pictures.codes[row]].tolist() if row >= 0 else [] for row in pictures.rows[distinct]]
        runs = np.stack([runs, len(pieces) + number], axis=1).ravel()
        markers = vocabulary.named(picture_position_names(pictures.length))
        drawn = Pieces.of(codes, marks=[markers[: len(row)] for row in codes])
        return pieces.followed_by(drawn), owner.repeat(2), runs, unmarked.repeat(2)
    return pieces, owner, runs, unmarked


@dataclass(frozen=True)
class Sentences:
    """Sentences as runs of pieces, rows of different lengths.

    Attributes:
        pieces: what ``runs`` number.
        offsets: (sentences + 1,) int64.
        runs: (rows,) piece numbers.
        branches: (rows,) 0 for the trunk, 1, 2... for a sentence's branches.
        marks: (rows,) marker token that is added to every token of a piece, -1 for none.
        weights: (rows,) float32 weight of the labelled tokens of a piece: that of its branch's example, or in the
            trunk the sum of those of the examples that read it.
        readers: (rows,) int64 number of examples that read a piece.
        examples: (rows,) number of a branch's example, -1 in trunks.
        nexts: (rows,) token to be predicted at the last token of a piece besides its own labels; -1 for none.
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
        return np.diff(offsets_of(self.pieces.lengths()[self.runs])[self.offsets])


def last_starts(examples: Examples, history: int) -> IntArray:
    """(n,) rows where the last ``history`` items of each example's history begin."""
    return np.maximum(examples.starts(), examples.ends - history)


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
        pieces: of the branches.
        parts: of each task; examples are numbered through them.
        starts: per task, (n,) rows where the items begin that are read of each history.
        shared: a user's examples that begin at the same item share a sentence; else each has its own.
        next_item: predict the next item of the history at each item of a trunk but the last; at that too where it
            answers an example.
        task_weights: per task, the weight of its examples in the loss; None for 1 everywhere.
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
    counts = np.concatenate([part.lengths() for part in parts])
    begin, longest = start[order][first], np.maximum.reduceat((ends - start)[order], first)

    trunk_group, trunk_step = spans(np.zeros_like(longest), longest)
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
        at_item = counts == 0
        known = np.maximum.reduceat((ends - start + at_item)[order], first)
        # A prediction that is read has seen the rating of the item too.
        place = np.diff(trunk, append=-1) != 0 if at_item.any() else trunk_piece < FIRST_ITEM_PIECE + vocabulary.items
        has_next = (trunk_step + 1 < known[trunk_group])[trunk] & place
        trunk_next[has_next] = vocabulary.item_tokens(histories.items[trunk_row[trunk[has_next]] + 1])[:, 0]

    stops = np.cumsum(counts)[order]
    branch, taken = spans(stops - counts[order], stops)
    prompt = np.concatenate([part.runs for part in parts])[taken]
    marks = np.concatenate([part.marks for part in parts])[taken]

    heads = np.full(len(first), -1)
    none = np.full(len(trunk), -1)
    owner = np.concatenate([np.arange(len(first)), trunk_group[trunk], group[branch]])
    order_in_sentence = np.concatenate([heads, 2 * trunk_step[trunk] + 1, 2 * branch_step[branch]])
    rows = np.lexsort((order_in_sentence, owner))
    read = (readers_to - readers_from)[trunk]
    weighed = (summed[readers_to] - summed[readers_from])[trunk]
    return Sentences(
        pieces=pieces,
        offsets=offsets_of(np.bincount(owner, minlength=len(first))),
        runs=np.concatenate([heads + CLS_PIECE + 1, trunk_piece, prompt])[rows],
        branches=np.concatenate([heads + 1, none + 1, (np.arange(len(order)) - first[group] + 1)[branch]])[rows],
        marks=np.concatenate([heads, none, marks])[rows],
        weights=np.concatenate([heads * 0.0, weighed, weights[order][branch]])[rows].astype(np.float32),
        readers=np.concatenate([heads * 0, read, branch * 0 + 1])[rows],
        examples=np.concatenate([heads, none, order[branch]])[rows],
        nexts=np.concatenate([heads, trunk_next, branch * 0 - 1])[rows],
    )


def _trunk(histories: Histories, rows: IntArray, vocabulary: Vocabulary) -> tuple[IntArray, IntArray]:
    """Pieces of some rows of the histories, and the index in ``rows`` of each.

    An item is followed by its rating if the vocabulary has ratings and the source has one.
    """
    items = FIRST_ITEM_PIECE + histories.items[rows].astype(np.int64)
    if not vocabulary.ratings:
        return items, np.arange(len(rows))
    known = np.array(vocabulary.ratings)
    given = histories.ratings[rows]
    nearest = np.abs(np.where(np.isnan(given), known[0], given)[:, None] - known).argmin(axis=1)
    pieces = np.stack([items, FIRST_ITEM_PIECE + vocabulary.items + nearest], axis=1).ravel()
    exists = np.stack([np.ones(len(rows), dtype=np.bool_), ~np.isnan(given)], axis=1).ravel()
    return pieces[exists], np.arange(len(rows)).repeat(2)[exists]


def item_sentences(pieces: Pieces, items: IntArray) -> Sentences:
    """``[CLS]`` and one item, for each of some items."""
    runs = np.stack([np.full(len(items), CLS_PIECE), FIRST_ITEM_PIECE + items], axis=1).ravel()
    none, one = np.full(len(runs), NONE), np.ones(len(runs), dtype=np.int64)
    return Sentences(
        pieces=pieces,
        offsets=np.arange(0, len(runs) + 1, 2),
        runs=runs,
        branches=none + 1,
        marks=none,
        weights=one.astype(np.float32),
        readers=one,
        examples=none,
        nexts=none,
    )
