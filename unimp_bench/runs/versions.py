"""Versions of models, features, tasks and selection rules: whether a result is of the present ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from unimp_bench import registry
from unimp_bench.contracts import ModelCard
from unimp_bench.corpus import features
from unimp_bench.errors import UsageError
from unimp_bench.kinds import kind_of
from unimp_bench.runs.results import Result
from unimp_bench.runs.spec import FitSpec


@dataclass(frozen=True)
class Versions:
    """The fields of a ``FitSpec`` that hold versions."""

    version: int
    features: dict[str, int]
    selection: dict[str, int]


def versions_of(card: ModelCard, tasks: Iterable[str]) -> Versions:
    """The current versions that a fit of a model on some tasks depends on."""
    kinds = {registry.task_cards()[task].kind for task in tasks} if card.validated else set()
    rules = {f"{name}/{protocol}": number for name in kinds for protocol, number in kind_of(name).selection.items()}
    return Versions(
        card.version,
        {name: features.VERSIONS[name] for name in sorted(card.features) if features.VERSIONS[name] != 1},
        {rule: number for rule, number in sorted(rules.items()) if number != 1},
    )


def outdated(result: Result) -> tuple[str, ...]:
    """What has changed in version since a result was made, in words; empty for a result of the current versions.

    A selection rule only affects results of its kind and protocol. Models that are not registered have no current
    version.
    """
    return tuple(dict.fromkeys(_earlier(result)))


def _earlier(result: Result) -> Iterator[str]:
    spec = result.spec
    card = registry.task_cards()[spec.task]
    kind, now = card.kind, registry.load(card.factory).version
    if now != spec.task_version:
        yield f"version {spec.task_version} of the task, now {now}"
    parts = (stage for part in spec.fit.parts for stage in part.stages)
    for stage in (*spec.fit.stages, *parts):
        try:
            model = registry.model_card(stage.model)
        except UsageError:
            continue
        yield from _of_stage(stage, model, f"{kind}/{spec.protocol}")


def _of_stage(stage: FitSpec, card: ModelCard, rule: str) -> Iterator[str]:
    now = versions_of(card, [name for name, _ in stage.tasks])
    if stage.version != now.version:
        yield f"version {stage.version} of the model, now {now.version}"
    for name in card.features:
        before, after = stage.features.get(name, 1), now.features.get(name, 1)
        if before != after:
            yield f"version {before} of its features from {name}, now {after}"
    before, after = stage.selection.get(rule, 1), now.selection.get(rule, 1)
    if before != after:
        yield f"version {before} of the selection rule, now {after}"
