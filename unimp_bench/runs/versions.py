"""Versions of what decides a number beside settings and data: models, feature extractors, selection rules and tasks.

They stand in the specification of a fit or run, so that what an earlier version made keeps its own name: it is never
found in place of a new one, stays readable, and tables show it as older.
"""

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
    """The present versions of what a fit of a model on some tasks depends on."""
    kinds = {registry.task_cards()[task].kind for task in tasks} if card.validated else set()
    rules = {f"{name}/{protocol}": number for name in kinds for protocol, number in kind_of(name).selection.items()}
    return Versions(
        card.version,
        {name: features.VERSIONS[name] for name in sorted(card.features) if features.VERSIONS[name] != 1},
        {rule: number for rule, number in sorted(rules.items()) if number != 1},
    )


def outdated(result: Result) -> tuple[str, ...]:
    """What was of an earlier version when a result was made, in words; nothing for a result of the present versions.

    A selection rule counts for the results of its own kind and protocol alone: the others were selected as they are
    now. A model that is not registered here has no present version.
    """
    return tuple(dict.fromkeys(_earlier(result)))


def _earlier(result: Result) -> Iterator[str]:
    spec = result.spec
    card = registry.task_cards()[spec.task]
    kind, now = card.kind, registry.load(card.factory).version
    if now != spec.task_version:
        yield f"version {spec.task_version} of the task, now {now}"
    for stage in spec.fit.stages:
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
