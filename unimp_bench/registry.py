"""Finds tasks, models and corpora by name, built in or from entry points; imports one only when it is used."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

from unimp_bench.cards import catalogue, derived
from unimp_bench.cards import load as load
from unimp_bench.contracts import Model, ModelCard, Task, TaskCard
from unimp_bench.errors import UsageError, find
from unimp_bench.guard import blamed
from unimp_bench.kinds import kind_cards
from unimp_bench.kinds.judging import Judge

JUDGE = "baselines.llm.judge:LanguageJudge"


@cache
def task_cards() -> dict[str, TaskCard]:
    """All tasks by name."""
    return catalogue("unimp_bench.tasks", "tasks", known={"kind": kind_cards()})


@cache
def model_cards() -> dict[str, ModelCard]:
    """All models and families of models by name."""
    return catalogue("unimp_bench.models", "baselines", "unimp_bench.unimp", known={"tasks": task_cards()})


@cache
def corpus_cards() -> dict[str, Any]:
    """All kinds of corpora that can be built, by name (``data_prep.CorpusCard``)."""
    return catalogue("unimp_bench.corpora", "data_prep")


@cache
def public_corpora() -> dict[str, Any]:
    """Published corpora that are built from public files, by name (``data_prep.public.PublicCorpus``)."""
    return {corpus.name: corpus for corpus in load("data_prep.public.catalogue:PUBLIC")}


def make_task(name: str, settings: Mapping[str, Any] | None = None) -> Task:
    """An instance of the named task.

    Args:
        settings: options that differ from the task's own, as typed values or as text.

    Raises:
        UsageError: no such task or option (the nearest name is given), or a value that does not fit.
    """
    task_class: type[Task] = _class(find(task_cards(), name, "task").factory, Task)
    with blamed(task_class, f"task {name!r}", "its configuration"):
        return task_class(configure(task_class.Config(), settings or {}, name))


def model_card(name: str) -> ModelCard:
    """The card of a model; ``family:Variant`` gives the family's card under the full name."""
    family, _, variant = name.partition(":")
    card: ModelCard = find(model_cards(), family, "model")
    if variant and card.variant is None:
        raise UsageError(f"model {family!r} has no variants: omit ':{variant}'")
    if card.variant is not None and not variant:
        raise UsageError(f"{family!r} is a family: give one of its models, such as '{family}:SASRec'")
    return dataclasses.replace(card, name=name) if variant else card


def make_model(name: str, preset: str | None = None, settings: Mapping[str, Any] | None = None) -> Model[Any]:
    """An unfitted instance of the named model.

    Args:
        name: a model, or ``family:Variant``.
        preset: one of the model's presets; None for its first, or for the configuration's defaults.
        settings: fields of its configuration that differ from the preset, as typed values or as text.

    Raises:
        UsageError: an unknown model, preset or field (the nearest name is given), or a value that does not fit.
        DependencyError: the model needs a package that is not installed.
    """
    card = model_card(name)
    model_class: type[Model[Any]] = _class(card.factory, Model)
    settings = dict(settings or {})
    if card.variant is not None:
        settings[card.variant] = name.partition(":")[2]
    with blamed(model_class, f"model {name!r}", "its configuration"):
        return model_class(configure(_preset(model_class, name, preset), settings, name))


def make_judge(settings: Mapping[str, Any] | None = None) -> Judge:
    """The judge of texts.

    Args:
        settings: fields of its configuration that differ from the defaults, as typed values or as text.

    Raises:
        UsageError: an unknown field (the nearest name is given), or a value that does not fit.
    """
    judge: type[Any] = _class(JUDGE, Judge)
    made: Judge = judge(configure(judge.Config(), settings or {}, "the judge"))
    return made


def default_preset(name: str) -> str:
    """What tables call the configuration that runs when none is named."""
    presets = load(model_card(name).factory).presets
    return str(next(iter(presets), "default"))


def configure(base: Any, settings: Mapping[str, Any], owner: str) -> Any:
    """A copy of the dataclass ``base`` with ``settings`` applied, each checked against its field's type."""
    from pydantic import TypeAdapter, ValidationError

    fields = {field.name: field for field in dataclasses.fields(base)}
    for key in settings:
        find(fields, key, f"setting of {owner}")
    values = {name: getattr(base, name) for name in fields}
    values |= {key: _listed(value) if isinstance(values[key], tuple) else value for key, value in settings.items()}
    try:
        configured = TypeAdapter(type(base)).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"].removeprefix("Value error, ")
        place = ".".join(str(part) for part in first["loc"])  # nowhere for what the fields together break
        told = f"{place} = {first['input']!r}: {reason}" if place else reason
        raise UsageError(f"{owner}: {told}") from None
    except ValueError as error:
        raise UsageError(f"{owner}: {error}") from None
    for name in fields:
        value = getattr(configured, name)
        if isinstance(value, float) and not math.isfinite(value):  # no range excludes nan
            raise UsageError(f"{owner}: {name} = {value}: must be a finite number")
    return configured


def _listed(value: Any) -> Any:
    """A list typed on a command line, its parts between commas."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _preset(model_class: type[Model[Any]], name: str, preset: str | None) -> Any:
    if preset is not None and preset != "default":
        return find(model_class.presets, preset, f"preset of {name}")
    return next(iter(model_class.presets.values()), None) or model_class.Config()


def _class(factory: str, base: type[Any]) -> Any:
    return derived(load(factory), base, factory)
