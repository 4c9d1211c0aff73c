"""Rankers that select: a candidate is chosen by its score, against a threshold that validation chooses.

    absolute   s(c) >= t                          relative   s(c) >= max over the candidates of s - t

with the best candidate always chosen. The UniMP paper (section 4.1) says that recommenders select "by threshold" and
no more; an absolute one suits scores that mean the same for every user, as binary losses teach them, a relative one
those of a softmax, which are free up to a constant of each user's own. Rule and threshold have the best F1 on the
validation part, whose examples have one positive each.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from baselines.learning.interactions import TASK as RECOMMENDATION
from baselines.learning.ranker import LearnedRanker
from baselines.learning.reading import reading
from baselines.learning.settings import TrainingSettings
from baselines.selection.candidates import TASK, mean_f1
from unimp_bench.contracts import FitData, Selector
from unimp_bench.corpus import Items
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray, Protocol, Shown

FILE = "threshold.json"

_BLOCK = 1024
_TRIED = 100

SettingsT = TypeVar("SettingsT", bound=TrainingSettings)


@dataclass(frozen=True)
class Threshold:
    """How scores become a selection.

    Attributes:
        relative: whether a score is first set against the best of its example.
        least: the smallest score, or the smallest difference to the best one, that is chosen.
    """

    relative: bool
    least: float

    @classmethod
    def best(cls, scores: FloatArray, examples: Examples) -> Threshold:
        """The one with the highest mean F1 over examples with answers; scores are (shown rows,)."""
        shown = examples.shown
        assert shown is not None
        shares = np.linspace(0, 1, _TRIED)
        tried = [
            cls(relative, float(least))
            for relative in (False, True)
            for least in np.unique(np.quantile(_asked(scores, shown, relative), shares, method="nearest"))
        ]
        return max(tried, key=lambda threshold: mean_f1(threshold.chosen(scores, shown), examples))

    def chosen(self, scores: FloatArray, shown: Shown) -> BoolArray:
        """(shown rows,) what it selects, and always the best of each example."""
        best = _asked(scores, shown, relative=True) == 0
        chosen: BoolArray = best | (_asked(scores, shown, self.relative) >= self.least)
        return chosen


def _asked(scores: FloatArray, shown: Shown, relative: bool) -> FloatArray:
    if not relative:
        return scores
    owners = shown.owners()
    highest = np.full(len(shown.offsets) - 1, -np.inf)
    np.maximum.at(highest, owners, scores)
    below: FloatArray = scores - highest[owners]
    return below


class SelectingRanker(LearnedRanker[SettingsT], Selector[SettingsT]):
    """A recommender that also selects, where it is fitted on selection.

    Fitted on recommendation too, its epoch is chosen by that; else by F1, each epoch at its own best threshold.
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

    def choose(self, examples: Examples) -> BoolArray:
        assert self._threshold is not None, "it was not fitted on selection"
        assert examples.shown is not None
        return self._threshold.chosen(self._shown_scores(examples), examples.shown)

    def _choose_threshold(self, data: FitData) -> None:
        validation = data.examples[TASK].validation
        self._threshold = Threshold.best(self._shown_scores(validation.hidden()), validation)

    def _shown_scores(self, examples: Examples) -> FloatArray:
        """Scores of the candidates, (shown rows,)."""
        found = []
        for block in examples.blocks(_BLOCK):
            assert block.shown is not None
            items: IntArray = np.unique(block.shown.items)
            scores = self.score(block, items)
            found.append(scores[block.shown.owners(), np.searchsorted(items, block.shown.items)])
        return np.concatenate(found).astype(np.float64)
