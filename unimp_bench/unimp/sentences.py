"""User sentences as arrays: items are tokenised once, sentences are joined from them without touching a string.

A *piece* is a run of tokens that always stand together: ``[CLS]``, an item, or a prompt (query, instruction and
``<answer>``). Examples whose histories begin at the same item share one sentence, a *trunk* of items with a *branch*
for each prompt: a branch sees the items before it and itself, and nobody sees a branch, so every example reads
exactly what it would read in a sentence of its own while shared items are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from unimp_bench.corpus import Items
from unimp_bench.records import Examples, FloatArray, IntArray
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.prompt import TASK_WEIGHTS, attribute_values, instruction, known_attributes, plain
from unimp_bench.unimp.tokens import Vocabulary


@dataclass(frozen=True)
class Pieces:
    """Runs of tokens as CSR.

    Attributes:
        offsets: (pieces + 1,) int64.
        tokens: (rows,) int32 token numbers.
        labels: (rows,) int32, the token that the context loss asks for at a token, -1 for none.
    """

    offsets: IntArray
    tokens: IntArray
    labels: IntArray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lengths(self) -> IntArray:
        return np.diff(self.offsets)

    def followed_by(self, other: Pieces) -> Pieces:
        """These pieces, then those of ``other``."""
        return Pieces(
            np.concatenate([self.offsets, self.offsets[-1] + other.offsets[1:]]),
            np.concatenate([self.tokens, other.tokens]),
            np.concatenate([self.labels, other.labels]),
        )


CLS_PIECE = 0
FIRST_ITEM_PIECE = 1
NONE = -1


def item_pieces(items: Items, vocabulary: Vocabulary, config: UniMPConfig) -> Pieces:
    """Piece 0 is ``[CLS]``, piece ``1 + n`` is item ``n``."""
    keys, values = [], []
    for attribute in known_attributes(items, config.attributes):
        keys.append(vocabulary.phrase(attribute.capitalize()))
        values.append(vocabulary.encode(attribute_values(items, attribute, config.attribute_words)))
    runs = [[vocabulary.cls]]
    labels = [[NONE]]
    for item, has_picture in enumerate(items.has_picture):
        token = vocabulary.words + item
        run, asked = _Run(), config.context
        if has_picture:
            run.add([vocabulary.img], then=token if "picture" in asked else NONE)
        for key, texts in zip(keys, values, strict=True):
            run.add(key)
            run.add(texts[item], labelled="attributes" in asked)
        run.add([vocabulary.answer])
        run.add([token], labelled="item" in asked)
        run.add([vocabulary.eoc])
        runs.append(run.tokens)
        labels.append(run.labels)
    return _pieces(runs, labels)


def prompt_pieces(examples: Examples, vocabulary: Vocabulary) -> tuple[Pieces, IntArray]:
    """The distinct prompts of some examples, and the number of each example's among them, (n,) int64."""
    asked = [*vocabulary.phrase(instruction(examples.task)), vocabulary.answer]
    queries: list[list[int]] = [[]]
    numbers = np.zeros(len(examples), dtype=np.int64)
    if examples.queries is not None:
        queries = vocabulary.encode([plain(text) for text in examples.query_texts])
        numbers = examples.queries.astype(np.int64)
    prompts = [[*query, *asked] for query in queries]
    return _pieces(prompts, [[NONE] * len(prompt) for prompt in prompts]), numbers


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


def sentences(
    parts: Sequence[Examples], starts: Sequence[IntArray], items: Pieces, vocabulary: Vocabulary, shared: bool = True
) -> Sentences:
    """The sentences of the examples of one or more tasks over the same histories.

    Args:
        parts: examples, a task each; example numbers count through them.
        starts: for each task, (n,) rows where the items begin that are read of each history.
        items: from ``item_pieces``.
        shared: let a user's examples that begin at the same item share a sentence; else each has its own.
    """
    pieces, asked = items, []
    for part in parts:
        prompts, numbers = prompt_pieces(part, vocabulary)
        asked.append(len(pieces) + numbers)
        pieces = pieces.followed_by(prompts)
    histories = parts[0].histories
    prompt, start = np.concatenate(asked), np.concatenate(starts)
    ends = np.concatenate([part.ends for part in parts])
    users = np.concatenate([part.users for part in parts])
    targets = np.concatenate([np.full(len(part), -1) if part.targets is None else part.targets for part in parts])
    weights = np.concatenate([np.full(len(part), TASK_WEIGHTS.get(part.task, 1.0)) for part in parts])

    order = np.lexsort((ends, start, users)) if shared else np.arange(len(ends))
    fresh = np.ones(len(order), dtype=np.bool_)
    if shared:
        fresh[1:] = (np.diff(start[order]) != 0) | (np.diff(users[order]) != 0)
    group, first = np.cumsum(fresh) - 1, np.flatnonzero(fresh)
    begin, longest = start[order][first], np.maximum.reduceat((ends - start)[order], first)

    trunk_group = np.repeat(np.arange(len(first)), longest)
    trunk_step = np.arange(len(trunk_group)) - np.repeat(np.cumsum(longest) - longest, longest)
    trunk_item = histories.items[begin[trunk_group] + trunk_step]
    branch_step = (ends - start)[order]
    # An item is read by the examples of its group that end after it.
    stride = int(longest.max()) + 1
    readers_from = np.searchsorted(group * stride + branch_step, trunk_group * stride + trunk_step, side="right")
    readers_to = np.append(first[1:], len(order))[trunk_group]
    summed = np.concatenate([[0.0], np.cumsum(weights[order])])
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


class _Run:
    """Tokens and labels of a piece as it grows."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.labels: list[int] = []

    def add(self, tokens: list[int], labelled: bool = False, then: int = NONE) -> None:
        """Append tokens; ``labelled`` ones are each asked for at the token before, ``then`` at the last of them."""
        if labelled:
            self.labels[-1:] = tokens[:1]
        self.tokens += tokens
        self.labels += [*(tokens[1:] if labelled else [NONE] * (len(tokens) - 1)), then]


def _pieces(runs: Sequence[list[int]], labels: Sequence[list[int]]) -> Pieces:
    return Pieces(
        np.concatenate([[0], np.cumsum([len(run) for run in runs])]).astype(np.int64),
        np.fromiter(chain.from_iterable(runs), dtype=np.int32),
        np.fromiter(chain.from_iterable(labels), dtype=np.int32),
    )
