"""User sentences as arrays: items are tokenised once, sentences are joined from them without touching a string.

A *piece* is a run of tokens that always stand together: ``[CLS]``, an item, or a prompt (query, instruction and
``<answer>``). Examples whose histories begin at the same item share one sentence, a *trunk* of items with a *branch*
for each prompt: a branch sees the items before it and itself, and nobody sees a branch, so every example reads
exactly what it would read in a sentence of its own while shared items are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unimp_bench.corpus import Items
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.prompt import TASK_WEIGHTS, attribute_values, instruction, known_attributes, plain
from unimp_bench.unimp.tokens import Vocabulary


@dataclass(frozen=True)
class Pieces:
    """Runs of tokens as CSR.

    Attributes:
        offsets: (pieces + 1,) int64.
        tokens: (rows,) int32 token numbers.
        labelled: (rows,) bool, tokens that the context loss reconstructs.
    """

    offsets: IntArray
    tokens: IntArray
    labelled: BoolArray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lengths(self) -> IntArray:
        return np.diff(self.offsets)

    def followed_by(self, other: Pieces) -> Pieces:
        """These pieces, then those of ``other``."""
        return Pieces(
            np.concatenate([self.offsets, self.offsets[-1] + other.offsets[1:]]),
            np.concatenate([self.tokens, other.tokens]),
            np.concatenate([self.labelled, other.labelled]),
        )


CLS_PIECE = 0
FIRST_ITEM_PIECE = 1


def item_pieces(items: Items, vocabulary: Vocabulary, config: UniMPConfig) -> Pieces:
    """Piece 0 is ``[CLS]``, piece ``1 + n`` is item ``n``."""
    keys, values = [], []
    for attribute in known_attributes(items, config.attributes):
        keys.append(vocabulary.phrase(attribute.capitalize()))
        values.append(vocabulary.encode(attribute_values(items, attribute, config.attribute_words)))
    reads_item = config.context in ("item", "both")
    reads_values = config.context in ("attributes", "both")
    runs: list[list[tuple[list[int], bool]]] = [[([vocabulary.cls], False)]]
    for item, has_picture in enumerate(items.has_picture):
        run = [([vocabulary.img] if has_picture else [], False)]
        for key, texts in zip(keys, values, strict=True):
            run += [(key, False), (texts[item], reads_values)]
        run += [([vocabulary.answer], False), ([vocabulary.words + item], reads_item), ([vocabulary.eoc], False)]
        runs.append(run)
    return _pieces(runs)


def prompt_pieces(examples: Examples, vocabulary: Vocabulary) -> tuple[Pieces, IntArray]:
    """The distinct prompts of some examples, and the number of each example's among them, (n,) int64."""
    asked = [*vocabulary.phrase(instruction(examples.task)), vocabulary.answer]
    if examples.queries is None:
        return _pieces([[(asked, False)]]), np.zeros(len(examples), dtype=np.int64)
    queries = vocabulary.encode([plain(text) for text in examples.query_texts])
    return _pieces([[([*query, *asked], False)] for query in queries]), examples.queries.astype(np.int64)


@dataclass(frozen=True)
class Sentences:
    """Sentences as runs of pieces, CSR.

    Attributes:
        pieces: what the numbers in ``runs`` stand for.
        offsets: (sentences + 1,) int64.
        runs: (rows,) piece numbers.
        branches: (rows,) 0 for the trunk, 1, 2... for a sentence's branches.
        targets: (rows,) item number that follows a branch, -1 where there is none.
        weights: (rows,) float32 weight of the target of a branch, or of the labelled tokens of a trunk piece: the
            sum of the weights of the examples that read it.
        readers: (rows,) int64, how many examples read a piece.
        examples: (rows,) number of the example that a branch stands for, -1 in trunks.
    """

    pieces: Pieces
    offsets: IntArray
    runs: IntArray
    branches: IntArray
    targets: IntArray
    weights: FloatArray
    readers: IntArray
    examples: IntArray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lengths(self) -> IntArray:
        """Tokens of each sentence, (sentences,)."""
        before = np.concatenate([[0], np.cumsum(self.pieces.lengths()[self.runs])])
        return np.diff(before[self.offsets])


def sentences(
    parts: Sequence[Examples], items: Pieces, vocabulary: Vocabulary, history: int, shared: bool = True
) -> Sentences:
    """The sentences of the examples of one or more tasks over the same histories.

    Args:
        parts: examples, a task each; example numbers count through them.
        items: from ``item_pieces``.
        history: items of a history that are read, the last ones.
        shared: let examples whose histories begin at the same item share a sentence; else each has its own.
    """
    pieces, prompts = items, []
    for part in parts:
        asked, numbers = prompt_pieces(part, vocabulary)
        prompts.append(len(pieces) + numbers)
        pieces = pieces.followed_by(asked)
    histories = parts[0].histories
    prompt = np.concatenate(prompts)
    ends = np.concatenate([part.ends for part in parts])
    starts = np.maximum(np.concatenate([part.starts() for part in parts]), ends - history)
    targets = np.concatenate([np.full(len(p), -1) if p.targets is None else p.targets for p in parts])
    weights = np.concatenate([np.full(len(part), TASK_WEIGHTS.get(part.task, 1.0)) for part in parts])

    # A user's window begins at one row, and rows belong to one user; an empty history begins where the next one does.
    order = np.lexsort((ends, starts)) if shared else np.arange(len(ends))
    fresh = np.ones(len(order), dtype=np.bool_)
    if shared:
        users = np.concatenate([part.users for part in parts])[order]
        fresh[1:] = (np.diff(starts[order]) != 0) | (np.diff(users) != 0)
    group = np.cumsum(fresh) - 1
    first = np.flatnonzero(fresh)
    begin, stop = starts[order][first], np.maximum.reduceat(ends[order], first)

    trunk_group = np.repeat(np.arange(len(first)), stop - begin)
    trunk_step = np.arange(len(trunk_group)) - np.repeat(np.cumsum(stop - begin) - (stop - begin), stop - begin)
    trunk_item = histories.items[begin[trunk_group] + trunk_step] if len(histories) else trunk_step
    branch_step = ends[order] - begin[group]
    # An item is read by the examples of its group that end after it.
    stride = history + 1
    summed = np.concatenate([[0.0], np.cumsum(weights[order])])
    readers_from = np.searchsorted(group * stride + branch_step, trunk_group * stride + trunk_step, side="right")
    readers_to = np.append(first[1:], len(order))[trunk_group]
    trunk_weight = summed[readers_to] - summed[readers_from]

    heads = np.full(len(first), -1)
    none = np.full(len(trunk_group), -1)
    owner = np.concatenate([np.arange(len(first)), trunk_group, group])
    place = np.concatenate([heads, 2 * trunk_step + 1, 2 * branch_step])
    rows = np.lexsort((place, owner))
    branch = np.arange(len(order)) - first[group] + 1
    return Sentences(
        pieces=pieces,
        offsets=np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(first)))]),
        runs=np.concatenate([heads + CLS_PIECE + 1, trunk_item + FIRST_ITEM_PIECE, prompt[order]])[rows],
        branches=np.concatenate([heads + 1, none + 1, branch])[rows],
        targets=np.concatenate([heads, none, targets[order]])[rows],
        weights=np.concatenate([heads * 0.0, trunk_weight, weights[order]])[rows].astype(np.float32),
        readers=np.concatenate([heads * 0, readers_to - readers_from, order * 0 + 1])[rows],
        examples=np.concatenate([heads, none, order])[rows],
    )


def _pieces(runs: Sequence[Sequence[tuple[list[int], bool]]]) -> Pieces:
    lengths = [sum(len(tokens) for tokens, _ in run) for run in runs]
    return Pieces(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.array([token for run in runs for tokens, _ in run for token in tokens], dtype=np.int32),
        np.array([labelled for run in runs for tokens, labelled in run for _ in tokens], dtype=np.bool_),
    )
