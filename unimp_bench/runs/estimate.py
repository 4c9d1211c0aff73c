"""Estimates the time of a run from earlier results of the same model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from unimp_bench import registry
from unimp_bench.runs.results import GIVEN, Cost, Result

if TYPE_CHECKING:
    from unimp_bench.runs.runner import RunRequest


@dataclass(frozen=True)
class Wanted:
    """What the time of a run depends on, besides its corpus; as in ``RunRequest``."""

    task: str
    model: str
    preset: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, request: RunRequest) -> Wanted:
        return cls(request.task, request.model, request.preset, request.settings, request.features)


@dataclass(frozen=True)
class TimeEstimate:
    """Estimated wall time.

    Attributes:
        fit_seconds, predict_seconds: of the two parts of a run; the first is nothing where the fit is there already.
        source: the result it is scaled from, by the ratio of interactions.
        same: the result is of the same preset and settings.
    """

    fit_seconds: float
    predict_seconds: float
    source: Result
    same: bool

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return self.fit_seconds + self.predict_seconds

    @property
    def origin(self) -> str:
        """The result in words."""
        spec, corpus = self.source.spec, self.source.corpus
        changed = "" if self.same else ", other settings"
        return f"{spec.task} on {corpus.name}{changed}, {corpus.interactions:,} interactions"


def estimate(wanted: Wanted, interactions: int, results: Iterable[Result]) -> TimeEstimate | None:
    """The time of a run on this machine or one like that of the results; None without a result of the model.

    Of the results of the model, those of the same preset and settings come first, then those of the same preset, then
    the corpus of the most similar size, then those of the same task, then the latest. Costs grow faster than linearly
    in some models: an estimate from a much smaller corpus is too low. A fit beside other processes of a crowded machine
    counts by its processor time, since its wall time says as much of the others.
    """
    preset = wanted.preset or registry.default_preset(wanted.model)
    settings = {key: str(value) for key, value in wanted.settings.items()}
    settings |= {f"{GIVEN}{modality}": name for modality, name in wanted.features.items()}

    def is_same(result: Result) -> bool:
        return result.model.preset == preset and result.model.settings == settings

    def order(result: Result) -> tuple[bool, bool, float, bool, str]:
        distance = -abs(math.log(max(1, interactions) / max(1, result.corpus.interactions)))
        same_preset, same_task = result.model.preset == preset, result.spec.task == wanted.task
        return is_same(result), same_preset, distance, same_task, result.provenance.time

    known = [each for each in results if each.model.name == wanted.model and each.cost is not None]
    if not known:
        return None
    best = max(known, key=order)
    assert best.cost is not None
    scale = interactions / max(1, best.corpus.interactions)
    return TimeEstimate(_alone(best.cost) * scale, best.cost.predict_seconds * scale, best, is_same(best))


def _alone(cost: Cost) -> float:
    """About the seconds that a fit takes with its threads to itself."""
    if not cost.is_crowded or cost.cpu_seconds is None or cost.threads is None:
        return cost.fit_seconds
    return min(cost.fit_seconds, cost.cpu_seconds / cost.threads)
