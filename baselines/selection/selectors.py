"""Selection: non-personalised baselines, and recommenders that select with a threshold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from baselines.learning.files import reading
from baselines.learning.interactions import TASK as RECOMMENDATION
from baselines.learning.model import LearnedRanker
from baselines.learning.network import TrainingSettings
from unimp_bench.contracts import FitData, NoOptions, Parameters, Selector
from unimp_bench.corpus import Items
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.kinds.selection import SelectionExamples
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray, Protocol, Shown

TASK = "selection"
SHARES = tuple(step / 20 for step in range(21))
"""Candidate thresholds: shares of the highest score among the candidates of an example."""

FILE = "threshold.json"

_BLOCK = 1024
_TRIED = 100

SettingsT = TypeVar("SettingsT", bound=TrainingSettings)


class PickOne(Selector[NoOptions]):
    """One candidate, drawn uniformly, seeded by the seed of the fit, the user and the candidates."""

    Config = NoOptions

    def fit(self, data: FitData) -> None:
        self._seed = data.seed

    def save(self, folder: Path) -> None:
        np.save(folder / "seed.npy", np.array(self._seed), allow_pickle=False)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._seed = int(np.load(folder / "seed.npy", allow_pickle=False))

    def choose(self, examples: SelectionExamples) -> BoolArray:
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

    def choose(self, examples: SelectionExamples) -> BoolArray:
        return np.ones(len(examples.shown.items), dtype=np.bool_)


class PopularCandidates(Selector[NoOptions]):
    """The candidates with at least a given share of the training interactions of the most popular candidate.

    The share is chosen by F1 on the validation part, where each example has one positive.
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

    def parameters(self) -> Parameters:
        """The counts, and the share."""
        return Parameters(total=len(self._counts) + 1)

    def choose(self, examples: SelectionExamples) -> BoolArray:
        return near_best(self._scores(examples), examples.shown, self._share)

    def _scores(self, examples: Examples) -> FloatArray:
        assert examples.shown is not None
        scores: FloatArray = self._counts[examples.shown.items]
        return scores


@dataclass(frozen=True)
class Threshold:
    """Selects candidates by a score threshold chosen on validation, always including the best candidate.

        absolute   s(c) >= t                          relative   s(c) >= max over the candidates of s - t

    The UniMP paper (section 4.1) says only that recommenders select "by threshold". An absolute threshold suits scores
    that are comparable across users, such as those of binary losses; a relative one suits scores of a softmax, which
    are defined up to a constant per user. Rule and threshold are chosen by F1 on the validation part, where each
    example has one positive.

    Attributes:
        relative: whether the best score of the example is subtracted from scores.
        least: minimum score to be selected.
    """

    relative: bool
    least: float

    @classmethod
    def best(cls, scores: FloatArray, examples: SelectionExamples) -> Threshold:
        """The threshold with the highest mean F1 over examples with targets; scores are (shown rows,)."""
        shown = examples.shown
        shares = np.linspace(0, 1, _TRIED)
        tried = [
            cls(relative, float(least))
            for relative in (False, True)
            for least in np.unique(np.quantile(_compared(scores, shown, relative), shares, method="nearest"))
        ]
        return max(tried, key=lambda threshold: mean_f1(threshold.chosen(scores, shown), examples))

    def chosen(self, scores: FloatArray, shown: Shown) -> BoolArray:
        """(shown rows,) bool, the selected candidates."""
        best = _compared(scores, shown, relative=True) == 0
        chosen: BoolArray = best | (_compared(scores, shown, self.relative) >= self.least)
        return chosen


def _compared(scores: FloatArray, shown: Shown, relative: bool) -> FloatArray:
    below: FloatArray = scores - _highest(scores, shown) if relative else scores
    return below


class SelectingRanker(LearnedRanker[SettingsT], Selector[SettingsT]):
    """A recommender that also selects, if fitted on selection.

    The epoch is chosen by recommendation if the fit includes it; else by F1, with the best threshold of each epoch.
    """

    def __init__(self, config: SettingsT) -> None:
        super().__init__(config)
        self._threshold: Threshold | None = None

    def validated_by(self, data: FitData) -> str:
        return RECOMMENDATION if RECOMMENDATION in data.examples else TASK

    def quality(self, data: FitData) -> Scores:
        if RECOMMENDATION not in data.examples:
            self._choose_threshold(data)
        return super().quality(data)

    def settle(self, protocol: Protocol, data: FitData, best: float) -> None:
        if TASK in data.examples:
            self._choose_threshold(data)

    def save(self, folder: Path) -> None:
        super().save(folder)
        if self._threshold is not None:
            (folder / FILE).write_text(json.dumps(asdict(self._threshold)), encoding="utf-8")

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        super().load(folder, items, cache)
        path = folder / FILE
        if path.is_file():
            with reading(path):
                self._threshold = Threshold(**json.loads(path.read_text(encoding="utf-8")))

    def choose(self, examples: SelectionExamples) -> BoolArray:
        assert self._threshold is not None, "it was not fitted on selection"
        return self._threshold.chosen(self._shown_scores(examples), examples.shown)

    def _choose_threshold(self, data: FitData) -> None:
        validation = data.examples[TASK].validation
        self._threshold = Threshold.best(self._shown_scores(validation.hidden()), validation)

    def _shown_scores(self, examples: Examples) -> FloatArray:
        """The scores of the candidates, (shown rows,)."""
        parts = []
        for block in examples.blocks(_BLOCK):
            assert block.shown is not None
            items: IntArray = np.unique(block.shown.items)
            scores = self.score(block, items)
            parts.append(scores[block.shown.owners(), np.searchsorted(items, block.shown.items)])
        return np.concatenate(parts).astype(np.float64)


def best_share(scores: FloatArray, examples: SelectionExamples, shares: Iterable[float] = SHARES) -> float:
    """The share for ``near_best`` with the highest mean F1 over examples with targets; ties go to the first."""
    shown = examples.shown
    return max(shares, key=lambda share: mean_f1(near_best(scores, shown, share), examples))


def mean_f1(chosen: BoolArray, examples: SelectionExamples) -> float:
    """F1 of a selection, averaged over examples with targets."""
    owners = examples.shown.owners()
    hits, taken = np.bincount(owners, chosen & examples.suits), np.bincount(owners, chosen)
    return float(np.mean(2 * hits / np.maximum(taken + np.bincount(owners, examples.suits), 1)))


def near_best(scores: FloatArray, shown: Shown, share: float) -> BoolArray:
    """(shown rows,) bool, whether a non-negative score is at least ``share`` of the highest in its example.

    The best candidate is always chosen, and equal candidates are chosen together.
    """
    chosen: BoolArray = scores >= share * _highest(scores, shown)
    return chosen


def _highest(scores: FloatArray, shown: Shown) -> FloatArray:
    """(shown rows,) the highest score in the example of each row."""
    owners = shown.owners()
    highest = np.full(len(shown.offsets) - 1, -np.inf)
    np.maximum.at(highest, owners, scores)
    best: FloatArray = highest[owners]
    return best
