"""Selections that know no user: one candidate at random, all of them, and the popular ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from unimp_bench.contracts import FitData, NoOptions, Selector
from unimp_bench.corpus import Items
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray, Shown

TASK = "selection"
SHARES = tuple(step / 20 for step in range(21))
"""Thresholds that are tried: shares of the highest score among an example's candidates."""


class PickOne(Selector[NoOptions]):
    """One candidate, drawn uniformly by a generator that is seeded with the fit's seed, the user and the candidates."""

    Config = NoOptions

    def fit(self, data: FitData) -> None:
        self._seed = data.seed

    def save(self, folder: Path) -> None:
        np.save(folder / "seed.npy", np.array(self._seed), allow_pickle=False)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._seed = int(np.load(folder / "seed.npy", allow_pickle=False))

    def choose(self, examples: Examples) -> BoolArray:
        assert examples.shown is not None
        offsets, items = examples.shown.offsets, examples.shown.items
        chosen = np.zeros(len(items), dtype=np.bool_)
        for user, start, end in zip(examples.users, offsets[:-1], offsets[1:], strict=True):
            if start < end:
                rng = np.random.default_rng([self._seed, int(user), *items[start:end].tolist()])
                chosen[start + rng.integers(end - start)] = True
        return chosen


class SelectAll(Selector[NoOptions]):
    """Every candidate."""

    Config = NoOptions

    def fit(self, data: FitData) -> None:
        """Nothing to learn."""

    def save(self, folder: Path) -> None:
        """Nothing to keep."""

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        """Nothing to read."""

    def choose(self, examples: Examples) -> BoolArray:
        assert examples.shown is not None
        return np.ones(len(examples.shown.items), dtype=np.bool_)


class PopularCandidates(Selector[NoOptions]):
    """The candidates with at least a share of the training interactions of the most popular one among them.

    The share has the best F1 on the validation part, whose examples have one positive each.
    """

    Config = NoOptions

    def fit(self, data: FitData) -> None:
        part = data.examples[TASK]
        self._counts = np.bincount(part.train.histories.items, minlength=len(data.items)).astype(np.float64)
        self._share = best_share(self._scores(part.validation), part.validation)

    def save(self, folder: Path) -> None:
        np.save(folder / "counts.npy", self._counts, allow_pickle=False)
        np.save(folder / "share.npy", np.array(self._share), allow_pickle=False)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._counts = np.load(folder / "counts.npy", allow_pickle=False)
        self._share = float(np.load(folder / "share.npy", allow_pickle=False))

    def choose(self, examples: Examples) -> BoolArray:
        assert examples.shown is not None
        return near_best(self._scores(examples), examples.shown, self._share)

    def _scores(self, examples: Examples) -> FloatArray:
        assert examples.shown is not None
        scores: FloatArray = self._counts[examples.shown.items]
        return scores


def best_share(scores: FloatArray, examples: Examples, shares: Iterable[float] = SHARES) -> float:
    """The first of the shares for ``near_best`` with the highest F1, averaged over examples with answers."""
    assert examples.shown is not None
    shown = examples.shown
    return max(shares, key=lambda share: mean_f1(near_best(scores, shown, share), examples))


def mean_f1(chosen: BoolArray, examples: Examples) -> float:
    """F1 of a selection, averaged over examples with answers."""
    assert examples.shown is not None and examples.suits is not None
    owners = examples.shown.owners()
    hits, taken = np.bincount(owners, chosen & examples.suits), np.bincount(owners, chosen)
    return float(np.mean(2 * hits / np.maximum(taken + np.bincount(owners, examples.suits), 1)))


def near_best(scores: FloatArray, shown: Shown, share: float) -> BoolArray:
    """(shown rows,) whether a score, none of them negative, is at least ``share`` of the highest of its example.

    So the best candidate is always chosen, and equal ones are chosen together.
    """
    owners: IntArray = shown.owners()
    highest = np.zeros(len(shown.offsets) - 1)
    np.maximum.at(highest, owners, scores)
    chosen: BoolArray = scores >= share * highest[owners]
    return chosen
