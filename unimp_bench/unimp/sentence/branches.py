"""What follows the history of each example: the task's instruction with its query and items, and the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unimp_bench.contracts import Kind
from unimp_bench.records import Examples, IntArray, slices
from unimp_bench.unimp.sentence.answers import (
    answer_pieces,
    code_names,
    kind_of,
    open_answer,
    place_names,
    places,
    spot_names,
)
from unimp_bench.unimp.sentence.pieces import FIRST_ITEM_PIECE, NONE, Pieces
from unimp_bench.unimp.sentence.prompt import ITEMS, QUERY, plain, segments
from unimp_bench.unimp.sentence.tokens import Vocabulary


@dataclass(frozen=True)
class Branches:
    """Examples of one task with the pieces of their prompts and answers, CSR.

    Attributes:
        examples: the n examples.
        kind: of their task.
        offsets: (n + 1,) int64.
        runs: (rows,) int64 piece numbers.
        marks: (rows,) int64 token whose embedding is added to every token of a candidate, the one of its place; -1
            for other pieces.
    """

    examples: Examples
    kind: Kind
    offsets: IntArray
    runs: IntArray
    marks: IntArray

    def __len__(self) -> int:
        return len(self.examples)

    def select(self, rows: IntArray) -> Branches:
        """Some of the examples, by their numbers."""
        owner, taken = slices(self.offsets[:-1][rows], self.offsets[1:][rows])
        offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(rows)))])
        return Branches(self.examples.select(rows), self.kind, offsets, self.runs[taken], self.marks[taken])


def answered(parts: Sequence[Examples], catalogue: Pieces, vocabulary: Vocabulary) -> tuple[Pieces, list[Branches]]:
    """Branches of the examples of some tasks, with their answers, and all pieces that they are made of."""
    pieces, branches = catalogue, []
    for part in parts:
        pieces, branch = _branches(part, kind_of(part), pieces, vocabulary, answer_pieces(part, vocabulary))
        branches.append(branch)
    return pieces, branches


def unanswered(
    examples: Examples, kind: Kind, catalogue: Pieces, vocabulary: Vocabulary
) -> tuple[Pieces, list[Branches]]:
    """Branches that end at ``<answer>``, and all pieces that they are made of."""
    pieces, branches = _branches(examples, kind, catalogue, vocabulary, open_answer(examples, vocabulary))
    return pieces, [branches]


def _branches(
    examples: Examples, kind: Kind, pieces: Pieces, vocabulary: Vocabulary, answers: tuple[Pieces, IntArray]
) -> tuple[Pieces, Branches]:
    everyone, unmarked = np.arange(len(examples)), np.full(len(examples), NONE)
    owners, runs, marks = [], [], []
    for part in segments(examples.instruction, examples.task):
        if part == ITEMS:
            pieces, owner, run, mark = _shown(examples, kind, pieces, vocabulary)
            owners.append(owner)
            runs.append(run)
            marks.append(mark)
        elif part == QUERY:
            if examples.queries is not None:
                owners.append(everyone)
                runs.append(len(pieces) + examples.queries.astype(np.int64))
                marks.append(unmarked)
                pieces = pieces.followed_by(Pieces.of(vocabulary.encode([plain(t) for t in examples.query_texts])))
        else:
            owners.append(everyone)
            runs.append(np.full(len(examples), len(pieces)))
            marks.append(unmarked)
            pieces = pieces.followed_by(Pieces.of([vocabulary.phrase(part)]))
    owners.append(everyone)
    runs.append(len(pieces) + answers[1])
    marks.append(unmarked)
    pieces = pieces.followed_by(answers[0])
    owner = np.concatenate(owners)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(examples)))])
    order = np.argsort(owner, kind="stable")
    return pieces, Branches(examples, kind, offsets, np.concatenate(runs)[order], np.concatenate(marks)[order])


def _shown(
    examples: Examples, kind: Kind, pieces: Pieces, vocabulary: Vocabulary
) -> tuple[Pieces, IntArray, IntArray, IntArray]:
    """The shown items: pieces, then the owner, the piece and the mark of each run.

    A candidate stands behind the token of its place and bears its mark, which a decoder of few layers could not look
    up from thirty tokens away. An item to draw from stands before its picture's codes.
    """
    shown = examples.shown
    if shown is None:
        nothing = np.empty(0, dtype=np.int64)
        return pieces, nothing, nothing, nothing
    owner, runs = shown.owners(), FIRST_ITEM_PIECE + shown.items.astype(np.int64)
    unmarked = np.full(len(runs), NONE)
    if kind == "selection":
        place = places(shown)
        names = np.array(vocabulary.named(place_names(int(place.max(initial=-1)) + 1)), dtype=np.int64)
        runs = np.stack([len(pieces) + place, runs], axis=1).ravel()
        marks = np.stack([unmarked, names[place]], axis=1).ravel()
        return pieces.followed_by(Pieces.of([[name] for name in names])), owner.repeat(2), runs, marks
    if examples.pictures is not None:
        pictures = examples.pictures
        distinct, number = np.unique(shown.items, return_inverse=True)
        tokens = np.array(vocabulary.named(code_names(pictures.size)), dtype=np.int64)
        codes = [tokens[pictures.codes[row]].tolist() if row >= 0 else [] for row in pictures.rows[distinct]]
        runs = np.stack([runs, len(pieces) + number], axis=1).ravel()
        spots = vocabulary.named(spot_names(pictures.length))
        drawn = Pieces.of(codes, marks=[spots[: len(row)] for row in codes])
        return pieces.followed_by(drawn), owner.repeat(2), runs, unmarked.repeat(2)
    return pieces, owner, runs, unmarked
