"""Finds tasks, models and corpora by name, built in or from entry points; imports one only when it is used."""

from __future__ import annotations

import dataclasses
import importlib
import math
import re
import sys
from collections.abc import Collection, Mapping
from functools import cache
from importlib import metadata
from typing import Any, get_type_hints

from unimp_bench.contracts import Model, ModelCard, Task, TaskCard
from unimp_bench.errors import DependencyError, UsageError, find
from unimp_bench.guard import blamed, is_ours, reason
from unimp_bench.machine import helping

GROUPS = ("unimp_bench.tasks", "unimp_bench.models", "unimp_bench.corpora")
"""Entry point groups, each of cards."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}")
_PLACE = re.compile(r"[\w.]+:\w+")


def outside_cards(group: str, ours: Collection[Any], tasks: Collection[str] | None = None) -> list[Any]:
    """The cards that installed packages offer in an entry point group, each of the type of ``ours``.

    One that cannot be loaded, breaks the rules of a card or takes a name that is taken is left out, with a warning on
    standard error.

    Args:
        group: name of the entry point group.
        ours: the project's own cards of that type.
        tasks: names of all tasks, for cards that name some.
    """
    taken = {card.name for card in ours}
    cards = []
    for point in _points():
        if point.group != group:
            continue
        try:
            card = point.load()
            _check(card, type(next(iter(ours))), tasks)
            if card.name in taken:
                raise ValueError(f"the name {card.name!r} is taken")
        except (Exception, SystemExit) as error:
            name = point.dist.metadata["Name"] if point.dist is not None else None
            _warn(name or point.module, f"{group} {point.value}", error)
            continue
        taken.add(card.name)
        cards.append(card)
    return cards


def _check(card: Any, wanted: type[Any], tasks: Collection[str] | None) -> None:
    """Refuse what is no card, or one that lists, tables and commands could not show.

    Raises:
        ValueError: it breaks a rule, with the rule.
    """
    from pydantic import TypeAdapter, ValidationError

    if not isinstance(card, wanted):
        raise ValueError(f"it names a {type(card).__name__}, not a {wanted.__name__}")
    types = get_type_hints(wanted)
    values = {field.name: getattr(card, field.name) for field in dataclasses.fields(wanted)}
    for key, value in values.items():
        try:
            TypeAdapter(types[key]).validate_python(value, strict=True)
        except ValidationError as error:
            raise ValueError(f"{key} = {value!r}: {error.errors()[0]['msg']}") from None
    if not _NAME.fullmatch(card.name):
        raise ValueError(f"{card.name!r} is no name: at most 40 letters, digits and ._+-, a letter or digit first")
    for key, value in values.items():
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and not text.isprintable():
                raise ValueError(f"{key} = {text!r} is not one line of printable text")
    if "factory" in values and not _PLACE.fullmatch(card.factory):
        raise ValueError(f"factory = {card.factory!r} is not of the form module:Class")
    if tasks is not None and not (card.tasks and set(card.tasks) <= set(tasks)):
        unknown = ", ".join(repr(name) for name in card.tasks if name not in tasks)
        raise ValueError(f"tasks: there is no task {unknown}" if unknown else "it serves no task")


@cache
def _points() -> list[metadata.EntryPoint]:
    """All entry points that are for us; one damaged file of entry points hides no other."""
    try:
        return [point for group in GROUPS for point in metadata.entry_points(group=group)]
    except Exception:  # of whatever kind the damage is
        found: list[metadata.EntryPoint] = []
        for package in metadata.distributions():
            try:
                found += package.entry_points
            except Exception as error:
                _warn(package.metadata["Name"], "its entry points", error)
        return [point for point in found if point.group in GROUPS]


def _warn(package: str, place: str, error: BaseException) -> None:
    if helping():  # the main process says the same
        return
    said = str(error) if type(error) is ValueError else reason(error)
    print(f"warning: package {package} is left out: {place}: {said}", file=sys.stderr)


@cache
def task_cards() -> dict[str, TaskCard]:
    """All tasks by name."""
    return _catalogue(("tasks",), "unimp_bench.tasks")


@cache
def model_cards() -> dict[str, ModelCard]:
    """All models and families of models by name."""
    return _catalogue(("baselines", "unimp_bench.unimp"), "unimp_bench.models", task_cards())


@cache
def corpus_cards() -> dict[str, Any]:
    """All kinds of corpora that can be built, by name (``data_prep.CorpusCard``)."""
    return _catalogue(("data_prep",), "unimp_bench.corpora")


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
        raise UsageError(f"model {family!r} has no variants: write it without ':{variant}'")
    if card.variant is not None and not variant:
        raise UsageError(f"{family!r} is a family: name one of its models, as in '{family}:SASRec'")
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
            raise UsageError(f"{owner}: {name} = {value}: a setting is a finite number")
    return configured


def _listed(value: Any) -> Any:
    """A list typed on a command line, its parts between commas."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _preset(model_class: type[Model[Any]], name: str, preset: str | None) -> Any:
    if preset is not None and preset != "default":
        return find(model_class.presets, preset, f"preset of {name}")
    return next(iter(model_class.presets.values()), None) or model_class.Config()


def _catalogue(packages: tuple[str, ...], group: str, tasks: Collection[str] | None = None) -> dict[str, Any]:
    cards = [card for package in packages for card in importlib.import_module(package).CATALOGUE]
    return {card.name: card for card in (*cards, *outside_cards(group, cards, tasks))}


def load(factory: str) -> Any:
    """What ``module:name`` names.

    Raises:
        DependencyError: the module needs a package that is not installed, or it is not ours and cannot be used.
    """
    module, _, name = factory.partition(":")
    ours = is_ours(module)
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if ours and error.name and module.startswith(error.name):
            raise
        remedy = "; run 'make install'" if ours else ""
        raise DependencyError(f"{factory} needs the package {error.name!r}, which is not installed{remedy}") from None
    except (Exception, SystemExit) as error:
        if ours:
            raise
        raise DependencyError(f"{factory} cannot be used: {reason(error)}") from None


def _class(factory: str, base: type[Any]) -> Any:
    """The class that a card names.

    Raises:
        DependencyError: as ``load``, or it is no class derived from ``base``.
    """
    found = load(factory)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise DependencyError(
            f"{factory} cannot be used: it is not a class derived from {base.__module__}.{base.__name__}"
        )
    return found
