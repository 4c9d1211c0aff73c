"""What other packages bring through entry points: their cards, and what goes wrong in their code.

A package that cannot be used is left out with one line that names it; everything else goes on working.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from traceback import walk_tb
from typing import Any, get_type_hints

from unimp_bench.errors import BenchError, ModelError
from unimp_bench.files import disk_error
from unimp_bench.processes import helping

OURS = ("baselines", "data_prep", "tasks", "unimp_bench")
"""Top packages of the project itself."""

GROUPS = ("unimp_bench.tasks", "unimp_bench.models", "unimp_bench.corpora")
"""Entry point groups, each of cards."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}")
_PLACE = re.compile(r"[\w.]+:\w+")


def is_ours(module: str) -> bool:
    """Whether a module belongs to the project."""
    return module.partition(".")[0] in OURS


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


@contextmanager
def blamed(owner: object, label: str, doing: str) -> Iterator[None]:
    """Surrounds a call of code that may come from another package.

    Args:
        owner: whose method is called; a class where it is the class that is called.
        label: what it is called, as in ``model 'mine'``.
        doing: the method.

    Raises:
        ModelError: it tried to end the program, or raised anything but an error of the project; the line names it and
            its own place in the code. What our own code raises stays as it is: a defect keeps its traceback.
    """
    try:
        yield
    except SystemExit as error:
        if helping():  # the main process has ended, and said why
            raise
        raise ModelError(f"{label} ended the program (exit code {error.code}) in {doing}") from None
    except BenchError:
        raise
    except Exception as error:
        module = (owner if isinstance(owner, type) else type(owner)).__module__
        if is_ours(module) or disk_error(error) is not None:
            raise
        hint = "; what a model is given is read-only: copy it before changing it" if "read-only" in str(error) else ""
        raise ModelError(f"{label} failed in {doing}{_place(error, module)}: {reason(error)}{hint}") from error


def reason(error: BaseException) -> str:
    """The kind of an error and what it says, on one line."""
    said = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


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


def _place(error: BaseException, module: str) -> str:
    """Where in the owner's own package an error came up."""
    top = module.partition(".")[0]
    frames = walk_tb(error.__traceback__)
    named = ((str(frame.f_globals.get("__name__")), frame.f_code.co_filename, line) for frame, line in frames)
    own = [f" ({Path(file).name}, line {line})" for name, file, line in named if name.partition(".")[0] == top]
    return own[-1] if own else ""
