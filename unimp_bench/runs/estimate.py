"""Estimates the time of a run from earlier results of the same model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.runs.results import GIVEN, Result
from unimp_bench.runs.runner import RunRequest


@dataclass(frozen=True)
class TimeEstimate:
    """Estimated wall time.

    Attributes:
        seconds: of fit and prediction.
        source: the result it is scaled from, by the ratio of interactions.
        same: the result is of the same preset and settings.
    """

    seconds: float
    source: Result
    same: bool

    @property
    def origin(self) -> str:
        """The result in words."""
        spec, corpus = self.source.spec, self.source.corpus
        changed = "" if self.same else ", other settings"
        return f"{spec.task} on {corpus.name}{changed}, {corpus.interactions:,} interactions"


def estimate(request: RunRequest, corpus: Corpus, results: Iterable[Result]) -> TimeEstimate | None:
    """The time of a run on this machine or one like that of the results; None without a result of the model.

    Of the results of the model, those of the same preset and settings come first, then those of the same task, then the
    corpus of the most similar size, then the latest. Costs grow faster than linearly in some models: an estimate from a
    much smaller corpus is too low.
    """
    preset = request.preset or registry.default_preset(request.model)
    settings = {key: str(value) for key, value in request.settings.items()}
    settings |= {f"{GIVEN}{modality}": name for modality, name in request.features.items()}
    size = corpus.manifest.counts.interactions

    def is_same(result: Result) -> bool:
        return result.model.preset == preset and result.model.settings == settings

    def order(result: Result) -> tuple[bool, bool, float, str]:
        distance = -abs(math.log(size / max(1, result.corpus.interactions)))
        return is_same(result), result.spec.task == request.task, distance, result.provenance.time

    known = [each for each in results if each.model.name == request.model and each.cost is not None]
    if not known:
        return None
    best = max(known, key=order)
    assert best.cost is not None
    seconds = (best.cost.fit_seconds + best.cost.predict_seconds) * size / max(1, best.corpus.interactions)
    return TimeEstimate(seconds, best, is_same(best))
