"""Turns a model's scores into the rank of each target, from which all ranking metrics follow.

The rank is ``1 + #(score > target) + #(other items with the target's score)``, less the seen items among them
under protocol ``masked``: ties count against the model, so constant scores earn nothing. It takes one comparison
per score, without sorting and without a mask over the catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unimp_bench.errors import DataError, ModelError
from unimp_bench.guard import blamed, read_only, untouched
from unimp_bench.progress import progress
from unimp_bench.ragged import Ragged, spans
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray, Protocol

if TYPE_CHECKING:
    from unimp_bench.kinds.ranking import Ranker

_GROUP = 64
_GROUPS = 4
"""The best items are looked for in groups of at most so many columns, at least so many groups for each of them."""


@dataclass(frozen=True)
class Ranking:
    """One model's ranking of each example of a set.

    Attributes:
        ranks: (n,) int64 rank of each target, 1 is best.
        top: (n, k) int64 item numbers of the best items, best first; -1 where the catalogue has no more.
        depth: of rankings that are read from lists, the length of the lists: a target outside has the worst rank, so
            metrics at larger cutoffs are not known. None where all ranks are known.
    """

    ranks: IntArray
    top: IntArray
    depth: int | None = None


def rank_targets(scores: FloatArray, targets: IntArray, seen: Ragged | None = None) -> IntArray:
    """Rank of the target in each row, (rows,) int64.

    Args:
        scores: (rows, columns), finite.
        targets: (rows,) column of each target; it counts even where it is seen.
        seen: (rows, varying) distinct columns that are not competitors.
    """
    bars = scores[np.arange(len(scores)), targets]
    # The target reaches its own bar, which is the 1 of the formula. One row at a time stays in the cache.
    ranks = np.array([np.count_nonzero(row >= bar) for row, bar in zip(scores, bars, strict=True)], dtype=np.int64)
    if seen is not None:
        owners, columns = seen.owners(), seen.values
        above = (scores[owners, columns] >= bars[owners]) & (columns != targets[owners])
        ranks -= np.bincount(owners[above], minlength=len(scores))
    return ranks


def top_items(scores: FloatArray, k: int, seen: Ragged | None = None) -> IntArray:
    """Columns of the ``k`` best scores of each row, best first, equal scores by lower column.

    Args:
        scores: (rows, columns), finite.
        k: length of the lists.
        seen: (rows, varying) columns to leave out.

    Returns:
        (rows, k) int64, -1 where fewer than ``k`` columns are left.
    """
    top = np.full((len(scores), k), -1, dtype=np.int64)
    for number, row in enumerate(scores):
        if seen is not None and len(columns := seen[number]):
            row = row.copy()
            row[columns] = -np.inf
        best = _best_columns(row, k)
        top[number, : len(best)] = best
    return top


def rank_examples(
    model: Ranker[Any],
    examples: Examples,
    catalogue: IntArray,
    protocol: Protocol,
    *,
    top: int = 10,
    byte_budget: int = 256 << 20,
    label: str,
) -> Ranking:
    """Rank the targets under one protocol; see ``rank_under``."""
    return rank_under((protocol,), model, examples, catalogue, top=top, byte_budget=byte_budget, label=label)[protocol]


def rank_under(
    protocols: Sequence[Protocol],
    model: Ranker[Any],
    examples: Examples,
    catalogue: IntArray,
    *,
    top: int = 10,
    byte_budget: int = 256 << 20,
    label: str,
    unknown: BoolArray | None = None,
) -> dict[Protocol, Ranking]:
    """Let a fitted model score all examples once, block by block, and rank their targets under each protocol.

    Args:
        protocols: ``masked`` excludes the items of an example's history from the candidates; ``paper`` keeps them.
        model: sees the examples without their targets.
        examples: with targets.
        catalogue: sorted item numbers, the candidates.
        top: length of the lists to keep; 0 for none.
        byte_budget: bytes that one block of float64 scores may take.
        label: the model's name, for errors and the progress bar.
        unknown: (users,) bool, users that the model cannot score: it does not receive their examples, and their
            targets rank last, with no list.

    Raises:
        DataError: a target is not in the catalogue.
        ModelError: the scores have a wrong shape or type, or are not all finite, or the model modified its input.
    """
    if unknown is not None and unknown[examples.users].any():
        known = np.flatnonzero(~unknown[examples.users])
        rankings = rank_under(
            protocols, model, examples.select(known), catalogue, top=top, byte_budget=byte_budget, label=label
        )
        return {protocol: _spread(each, known, len(examples), len(catalogue)) for protocol, each in rankings.items()}
    targets = _target_columns(examples, catalogue)
    catalogue = read_only(catalogue)
    hidden = read_only(examples.hidden())
    size = max(1, byte_budget // (8 * max(1, len(catalogue))))
    rankings = {
        protocol: Ranking(np.empty(len(examples), dtype=np.int64), np.empty((len(examples), top), dtype=np.int64))
        for protocol in protocols
    }
    starts = range(0, len(examples), size)
    with untouched(label, hidden, catalogue):
        for start in progress(starts, f"{label}: ranking", unit="block"):
            rows = slice(start, min(start + size, len(examples)))
            block = hidden.select(rows)
            with blamed(model, label, "score"):
                scores = model.score(block, catalogue)
            check_scores(scores, (len(block), len(catalogue)), label)
            for protocol, ranking in rankings.items():
                seen = seen_columns(block, catalogue) if protocol == "masked" else None
                ranking.ranks[rows] = rank_targets(scores, targets[rows], seen)
                if top:
                    columns = top_items(scores, top, seen)
                    ranking.top[rows] = np.where(columns >= 0, catalogue[columns], -1)
    return rankings


def _spread(ranking: Ranking, rows: IntArray, examples: int, last: int) -> Ranking:
    """The ranking of all examples, of which only some ``rows`` were given to the model; the others rank ``last``."""
    ranks = np.full(examples, last, dtype=np.int64)
    top = np.full((examples, ranking.top.shape[1]), -1, dtype=np.int64)
    ranks[rows], top[rows] = ranking.ranks, ranking.top
    return Ranking(ranks, top)


def seen_columns(examples: Examples, catalogue: IntArray) -> Ragged:
    """(examples, varying) the distinct columns of ``catalogue`` in each example's history, ascending."""
    owners, rows = spans(examples.starts(), examples.ends)
    columns, known = _columns(examples.histories.items[rows], catalogue)
    pairs = np.unique(owners[known] * len(catalogue) + columns[known])
    owners, columns = np.divmod(pairs, len(catalogue))
    return Ragged(np.searchsorted(owners, np.arange(len(examples) + 1)), columns)


def _best_columns(row: FloatArray, k: int) -> IntArray:
    """At most ``k`` columns, best first, without those at minus infinity."""
    size = min(_GROUP, len(row) // (_GROUPS * k)) if k else 0
    columns = np.arange(len(row))
    if size > 1:
        # k groups have their maximum at or above the bar, so all of the best k columns do; few others can.
        groups = len(row) // size
        maxima = row[: groups * size].reshape(size, groups).max(axis=0)
        bar = np.partition(maxima, groups - k)[groups - k]
        columns = np.flatnonzero(row >= bar)
        level = row[columns] == bar
        columns = np.concatenate([columns[~level], columns[level][:k]])
    columns = columns[row[columns] > -np.inf]
    best: IntArray = columns[np.lexsort((columns, -row[columns]))[:k]]
    return best


def _columns(items: IntArray, catalogue: IntArray) -> tuple[IntArray, IntArray]:
    """Column of each item, and whether it is in the catalogue."""
    columns = np.minimum(np.searchsorted(catalogue, items), len(catalogue) - 1)
    return columns, catalogue[columns] == items


def _target_columns(examples: Examples, catalogue: IntArray) -> IntArray:
    assert examples.targets is not None
    if not len(catalogue):
        raise DataError(f"the catalogue of split {examples.split} is empty: there is nothing to rank")
    columns, known = _columns(examples.targets, catalogue)
    if not known.all():
        item = int(examples.targets[~known][0])
        raise DataError(
            f"{int((~known).sum())} targets are not in the catalogue of split {examples.split} "
            f"(first: item {item}); build the corpus again"
        )
    return columns


def check_scores(scores: FloatArray, shape: tuple[int, int], label: str) -> None:
    """Validate the scores that a model returned against the contract of ``Ranker.score``.

    Raises:
        ModelError: it has a wrong shape or type, or is not all finite.
    """
    if not isinstance(scores, np.ndarray) or scores.dtype not in (np.float32, np.float64):
        kind = getattr(scores, "dtype", type(scores).__name__)
        raise ModelError(f"{label} gave scores of type {kind}; a model gives a float32 or float64 array")
    if scores.shape != shape:
        raise ModelError(f"{label} gave scores of shape {scores.shape} for {shape[0]} examples and {shape[1]} items")
    # A finite sum has only finite terms and costs less than testing each; an overflowing sum only costs a second look.
    with np.errstate(over="ignore", invalid="ignore"):
        suspects = np.flatnonzero(~np.isfinite(scores.sum(axis=1)))
    bad = [row for row in suspects if not np.isfinite(scores[row]).all()]
    if bad:
        raise ModelError(
            f"{label} gave NaN or infinite scores for {len(bad)} of {shape[0]} examples; its training has diverged"
        )
