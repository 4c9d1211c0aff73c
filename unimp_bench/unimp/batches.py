"""Training data of an epoch: drawn examples, their sentences, and batches as tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unimp_bench.corpus.features.pictures import PictureFeatures
from unimp_bench.ragged import spans
from unimp_bench.records import Examples, IntArray
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.pieces import FIRST_ITEM_PIECE, NONE, Pieces
from unimp_bench.unimp.sentences import Branches, Sentences, is_next_item, sentences
from unimp_bench.unimp.tokens import Vocabulary


@dataclass(frozen=True)
class TrainingExamples:
    """The training examples of all tasks of a fit.

    Attributes:
        pieces: of their branches.
        branches: of each task.
        rehearsed: tasks of an earlier fit, not of this one: an epoch draws ``config.rehearsal`` of their examples.
    """

    pieces: Pieces
    branches: Sequence[Branches]
    vocabulary: Vocabulary
    config: UniMPConfig
    rehearsed: tuple[str, ...]

    def draw(self, seed: int) -> Sentences:
        """The sentences of an epoch; a function of the seed."""
        drawn = [self._examples(part, seed) for part in self.branches]
        starts = [drawn_starts(part.examples, self.config.history, seed) for part in drawn]
        if self.config.next_item:
            ends = [_window_ends(part, start) for part, start in zip(drawn, starts, strict=True)]
            drawn = [part.select(rows) for part, rows in zip(drawn, ends, strict=True)]
            starts = [start[rows] for start, rows in zip(starts, ends, strict=True)]
        weights = [
            self.config.recommendation_weight if part.examples.task == "recommendation" else 1.0 for part in drawn
        ]
        return sentences(
            self.pieces, drawn, starts, self.vocabulary, next_item=self.config.next_item, task_weights=weights
        )

    def _examples(self, part: Branches, seed: int) -> Branches:
        if part.examples.task in self.rehearsed:
            chance = np.random.default_rng(seed).random(len(part))
            part = part.select(np.flatnonzero(chance < self.config.rehearsal))
        # The prompts and answers of the other kinds are long.
        return part if part.kind in ("ranking", "rating") else drawn_examples(part, self.config.draws, seed)


def _window_ends(part: Branches, starts: IntArray) -> IntArray:
    """Of a task that ranks without a query the last example of each window: its items predict the others."""
    if not is_next_item(part.examples, part.kind):
        return np.arange(len(part))
    return window_ends(starts, part.examples.users, part.examples.ends)


def drawn_starts(examples: Examples, history: int, seed: int) -> IntArray:
    """(n,) rows where the items that training reads of each history begin: at most ``history`` before its end.

    A user's examples are cut into windows of ``history`` consecutive ones, the first cut drawn at random, and those of
    one window begin at one item. So they share a sentence, and an example has another length of history in every epoch.
    (The authors' code draws one window per user and epoch, and learns its last item alone.)
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


def drawn_examples(branches: Branches, limit: int, seed: int) -> Branches:
    """At most ``limit`` examples of each user, drawn at random, in their order."""
    users = branches.examples.users
    order = np.lexsort((np.random.default_rng(seed).random(len(users)), users))
    rank = np.arange(len(order)) - np.searchsorted(users[order], users[order])
    return branches.select(np.sort(order[rank < limit]))


@dataclass(frozen=True)
class ResampledPictures:
    """The visual embeddings of pictures, computed once for sentences that are read without training.

    Attributes:
        rows: (items,) int64 row of each item's picture in ``tokens``, -1 for items without one here.
        tokens: (pictures, latents, width) float32.
    """

    rows: IntArray
    tokens: npt.NDArray[np.float32]

    def of(self, items: IntArray) -> npt.NDArray[np.float32]:
        """(items, latents, width) of items that have a picture."""
        return self.tokens[self.rows[items]]


@dataclass(frozen=True)
class Batch:
    """Some sentences, ready for the model. B sentences of N tokens, U distinct pictures, M items with a picture.

    Attributes:
        tokens: (B, N) int64.
        marks: (B, N) int64, a marker token whose embedding is added to a token's own, -1 for none.
        lengths: (B,) int64, tokens of each sentence without padding.
        positions: (B, N) int64; a branch continues those of its trunk.
        attends: (B, 1, N, N) bool, row attends to column.
        pictures: (U, patches, encoder width) float32, or (U, latents, encoder width) where they are ``resampled``.
        resampled: whether the pictures went through the resampler.
        chunk_pictures: (M,) int64, the picture of each item of a sentence, in its history or a prompt, that has one.
        chunk_rows: (M, T) int64, positions of that item's tokens in the flattened (B * N), padded with 0.
        chunk_places: (B * N,) int64, position of a token in the flattened (M * T), M * T for none.
        answer_rows: (labels,) int64, flattened positions that predict a label.
        labels: (labels,) int64 token numbers.
        naming: (3, K) int64: a label, the token of a candidate's position, and a token of the id of the candidate that
            it names there (see ``UniMPModel.logits``).
        weights: (labels,) float32, summed over the examples that read the label.
        readers: (labels,) int64, number of examples that read it.
        is_task: (labels,) bool, false for labels of the context loss.
        examples: (labels,) int64 example numbers, -1 for labels of the context loss.
    """

    tokens: Tensor
    marks: Tensor
    lengths: Tensor
    positions: Tensor
    attends: Tensor
    pictures: Tensor
    resampled: bool
    chunk_pictures: Tensor
    chunk_rows: Tensor
    chunk_places: Tensor
    answer_rows: Tensor
    labels: Tensor
    naming: Tensor
    weights: Tensor
    readers: Tensor
    is_task: Tensor
    examples: Tensor

    def to(self, device: torch.device) -> Batch:
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        moved: dict[str, Any] = {name: v.to(device) if isinstance(v, Tensor) else v for name, v in values.items()}
        return Batch(**moved)


def collate(
    source: Sentences, chosen: IntArray, features: PictureFeatures | ResampledPictures | None, vocabulary: Vocabulary
) -> Batch:
    """The chosen sentences as one batch, padded on the right.

    Args:
        source: all sentences.
        chosen: (B,) sentence numbers.
        features: of the items' pictures, or their visual embeddings; None without pictures.
    """
    pieces = source.pieces
    sentence, run = spans(source.offsets[chosen], source.offsets[chosen + 1])
    piece, branch = source.runs[run], source.branches[run]
    owner, row = spans(pieces.offsets[piece], pieces.offsets[piece + 1])
    size = np.bincount(owner, minlength=len(piece))
    start = np.cumsum(size) - size
    sentence_length = np.bincount(sentence, weights=size, minlength=len(chosen)).astype(np.int64)
    width = int(sentence_length.max())
    first = np.cumsum(sentence_length) - sentence_length
    flat = np.arange(len(row)) - first[sentence[owner]] + width * sentence[owner]

    tokens = _padded(pieces.tokens[row], flat, (len(chosen), width), vocabulary.pad)
    branches = _padded(branch[owner], flat, (len(chosen), width), -1)
    marks = np.maximum(source.marks[run][owner], pieces.marks[row])  # of the run or of its tokens
    begin = _first_positions(sentence, branch, size)
    positions = _padded(begin[owner] + np.arange(len(row)) - start[owner], flat, (len(chosen), width), 0)

    item = piece - FIRST_ITEM_PIECE
    item[item >= vocabulary.items] = NONE
    labelled_token, in_trunk = pieces.labels[row] >= 0, branch[owner] == 0
    context, task = (
        np.flatnonzero(labelled_token & in_trunk),
        np.flatnonzero(labelled_token & ~in_trunk & (item[owner] < 0)),
    )
    labelled = np.concatenate([context, task])
    runs_with_next = np.flatnonzero(source.nexts[run] >= 0)
    last = (start + size - 1)[runs_with_next]
    chunks = _chunks(item, size, flat[start], features, len(chosen) * width)
    return Batch(
        tokens=torch.from_numpy(tokens),
        marks=torch.from_numpy(_padded(marks, flat, (len(chosen), width), NONE)),
        lengths=torch.from_numpy(sentence_length),
        positions=torch.from_numpy(positions),
        attends=_attends(torch.from_numpy(branches)),
        pictures=chunks[0],
        resampled=isinstance(features, ResampledPictures),
        chunk_pictures=chunks[1],
        chunk_rows=chunks[2],
        chunk_places=chunks[3],
        answer_rows=torch.from_numpy(np.concatenate([flat[labelled], flat[last]])),
        labels=torch.from_numpy(
            np.concatenate([pieces.labels[row][labelled].astype(np.int64), source.nexts[run][runs_with_next]])
        ),
        naming=torch.from_numpy(_naming(source, run, item, owner[labelled], vocabulary)),
        weights=torch.from_numpy(source.weights[run][np.concatenate([owner[labelled], runs_with_next])]),
        readers=torch.from_numpy(source.readers[run][np.concatenate([owner[labelled], runs_with_next])]),
        is_task=torch.from_numpy(np.repeat([False, True], [len(context), len(task) + len(last)])),
        examples=torch.from_numpy(source.examples[run][np.concatenate([owner[labelled], runs_with_next])]),
    )


def plan_batches(source: Sentences, budget: int, seed: int | None) -> Iterator[IntArray]:
    """Batches of sentence numbers of like length, at most ``budget`` tokens each, padding included.

    Args:
        seed: shuffles the sentences of like length and the order of the batches; None sorts by length.
    """
    lengths = source.lengths()
    draw = np.arange(len(lengths)) if seed is None else np.random.default_rng(seed).permutation(len(lengths))
    order = draw[np.argsort(lengths[draw], kind="stable")]
    cuts, begin = [], 0
    for number, length in enumerate(lengths[order]):
        if number > begin and (number + 1 - begin) * length > budget:
            cuts.append(number)
            begin = number
    batches = np.split(order, cuts)
    places = np.arange(len(batches)) if seed is None else np.random.default_rng(seed).permutation(len(batches))
    return (batches[place] for place in places)


def _padded(values: IntArray, flat: IntArray, shape: tuple[int, int], pad: int) -> IntArray:
    table = np.full(shape[0] * shape[1], pad, dtype=np.int64)
    table[flat] = values
    return table.reshape(shape)


def _attends(branches: Tensor) -> Tensor:
    """(B, 1, N, N) bool: each token attends to the trunk and its own branch, never ahead."""
    row, column = branches[:, :, None], branches[:, None, :]
    allowed = (column == 0) | (column == row)
    return allowed.tril()[:, None]


def _naming(source: Sentences, run: IntArray, item: IntArray, labelled: IntArray, vocabulary: Vocabulary) -> IntArray:
    """What the position tokens name at each label (see ``Batch``): the candidates of the label's own example."""
    examples, marks = source.examples[run], source.marks[run]
    candidates = np.flatnonzero((item >= 0) & (marks >= 0))
    candidates = candidates[np.argsort(examples[candidates], kind="stable")]
    bounds = (np.searchsorted(examples[candidates], examples[labelled], side) for side in ("left", "right"))
    label, which = spans(*bounds)
    named = vocabulary.item_tokens(item[candidates][which])
    beside = np.stack([label, marks[candidates][which]]).repeat(named.shape[1], axis=1)
    return np.concatenate([beside, named.reshape(1, -1)])


def _first_positions(sentence: IntArray, branch: IntArray, size: IntArray) -> IntArray:
    """(runs,) position of the first token of each run: after the trunk before it and after its own branch's runs."""
    trunk = _running(np.where(branch == 0, size, 0), sentence)
    fresh = np.ones(len(branch), dtype=np.bool_)
    fresh[1:] = (np.diff(branch) != 0) | (np.diff(sentence) != 0)
    own = _running(size, np.cumsum(fresh) - 1)
    begin: IntArray = trunk + np.where(branch == 0, 0, own)
    return begin


def _running(values: IntArray, group: IntArray) -> IntArray:
    """The sum of the values before each, within its group; groups are consecutive and numbered from 0."""
    before = np.cumsum(values) - values
    first = np.searchsorted(group, np.arange(group[-1] + 1))
    running: IntArray = before - before[first][group]
    return running


def _chunks(
    item: IntArray,
    size: IntArray,
    begin: IntArray,
    features: PictureFeatures | ResampledPictures | None,
    cells: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The pictures of a batch, and the tokens that each is exclusive to (see ``Batch``)."""
    chunk = np.flatnonzero(item >= 0) if features is not None else np.empty(0, dtype=np.int64)
    if features is not None:
        chunk = chunk[features.rows[item[chunk]] >= 0]
    if features is None or not len(chunk):
        empty = torch.empty(0, dtype=torch.int64)
        return torch.empty(0, 1, 1), empty, empty.reshape(0, 1), torch.zeros(cells, dtype=torch.int64)
    distinct, which = np.unique(item[chunk], return_inverse=True)
    longest = int(size[chunk].max())
    step = np.arange(longest)
    inside = step < size[chunk][:, None]
    rows = np.where(inside, begin[chunk][:, None] + step, 0)
    places = np.full(cells, rows.size, dtype=np.int64)
    places[rows[inside]] = np.flatnonzero(inside)
    return (
        torch.from_numpy(features.of(distinct)),
        torch.from_numpy(which),
        torch.from_numpy(rows),
        torch.from_numpy(places),
    )
