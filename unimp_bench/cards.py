"""Collects the cards of what is built in and of what installed packages add by entry points."""

from __future__ import annotations

import dataclasses
import importlib
import re
import sys
from collections.abc import Collection, Mapping
from functools import cache
from importlib import metadata
from typing import Any, get_type_hints

from unimp_bench.errors import DependencyError
from unimp_bench.guard import is_ours, reason
from unimp_bench.machine import helping

GROUPS = ("unimp_bench.kinds", "unimp_bench.tasks", "unimp_bench.models", "unimp_bench.corpora")
"""Entry point groups, each of cards."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}")
_PLACE = re.compile(r"[\w.]+:\w+")


def catalogue(group: str, *packages: str, known: Mapping[str, Collection[str]] | None = None) -> dict[str, Any]:
    """All cards of one type by name: the ``CATALOGUE`` of each of our packages, and those of an entry point group.

    Args:
        known: for fields that hold names of other cards, such as ``kind`` of a task, the names that there are.
    """
    cards = [card for package in packages for card in importlib.import_module(package).CATALOGUE]
    return {card.name: card for card in (*cards, *_outside_cards(group, cards, known or {}))}


def _outside_cards(group: str, ours: Collection[Any], known: Mapping[str, Collection[str]]) -> list[Any]:
    """The cards that installed packages offer in an entry point group, each of the type of ``ours``.

    One that cannot be loaded, breaks the rules of a card or takes a name that is taken is left out, with a warning on
    standard error.
    """
    taken = {card.name for card in ours}
    cards = []
    for point in _points():
        if point.group != group:
            continue
        try:
            card = point.load()
            _check(card, type(next(iter(ours))), known)
            if card.name in taken:
                raise ValueError(f"duplicate name {card.name!r}")
        except (Exception, SystemExit) as error:
            name = point.dist.metadata["Name"] if point.dist is not None else None
            _warn(name or point.module, f"{group} {point.value}", error)
            continue
        taken.add(card.name)
        cards.append(card)
    return cards


def _check(card: Any, wanted: type[Any], known: Mapping[str, Collection[str]]) -> None:
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
    for key, names in known.items():
        named = values[key] if isinstance(values[key], tuple) else (values[key],)
        if not named:
            raise ValueError(f"{key}: it names none")
        unknown = ", ".join(repr(name) for name in named if name not in names)
        if unknown:
            raise ValueError(f"{key}: unknown {key.removesuffix('s')} {unknown}")


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


def derived(found: Any, base: type[Any], factory: str) -> Any:
    """The class that a card's ``factory`` gave.

    Raises:
        DependencyError: it is no class derived from ``base``.
    """
    if not (isinstance(found, type) and issubclass(found, base)):
        raise DependencyError(
            f"{factory} cannot be used: it is not a class derived from {base.__module__}.{base.__name__}"
        )
    return found
