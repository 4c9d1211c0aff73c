"""Docstrings and the fields of configurations, as the reference shows them."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from docstring_parser.common import DocstringMeta
from docstring_parser.google import parse

_SECTIONS = {"attribute": "Attributes", "param": "Args", "returns": "Returns", "raises": "Raises"}
_HEADING = re.compile(rf"^(?:{'|'.join(_SECTIONS.values())}):$", re.MULTILINE)
_MULTILINE = re.compile(r"\s*\n\s*")
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


@dataclass(frozen=True)
class Entry:
    """What a section says of one name, or of several (``id_levels, id_codes``) together; of none where it is text."""

    names: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Docstring:
    """A docstring by parts.

    Attributes:
        text: all that precedes the first section.
        sections: entries by heading, in their order.
    """

    text: str
    sections: dict[str, tuple[Entry, ...]]

    @property
    def summary(self) -> str:
        """The first paragraph, on one line."""
        return " ".join(self.text.partition("\n\n")[0].split())

    @property
    def attributes(self) -> dict[str, str]:
        """What section ``Attributes`` says, by name; names that share an entry share its text."""
        return {name: entry.text for entry in self.sections.get("Attributes", ()) for name in entry.names}


def docstring(text: str | None) -> Docstring:
    """The docstring of a module, class or function (in Google's style) by parts; of None, an empty one."""
    whole = inspect.cleandoc(text or "")
    groups = groupby(parse(whole).meta, key=lambda part: part.args[0])
    sections = {_SECTIONS[key]: tuple(map(_entry, parts)) for key, parts in groups}
    return Docstring(_HEADING.split(whole, maxsplit=1)[0].rstrip(), sections)  # parsed, an equation loses its margin


def _entry(part: DocstringMeta) -> Entry:
    """Of a part such as ``["attribute", "low, high"]``; what returns has no name."""
    names = () if part.args[0] == "returns" else part.args[1].split(",")
    return Entry(tuple(map(str.strip, names)), _MULTILINE.sub(" ", part.description or "").strip())


@dataclass(frozen=True)
class Setting:
    """One field of a configuration.

    Attributes:
        kind: its type in words; a choice names what can be chosen.
        default: as a user types it.
        about: from the class that declares it, or the nearest base class that says it; empty where none does.
    """

    name: str
    kind: str
    default: str
    about: str


def settings_of(config: Any) -> tuple[Setting, ...]:
    """The fields of a configuration (an instance of a dataclass), its values as defaults."""
    owner = type(config)
    hints = get_type_hints(owner, include_extras=True)
    about: dict[str, str] = {}
    for base in reversed(owner.__mro__):
        about |= docstring(base.__dict__.get("__doc__")).attributes
    return tuple(
        Setting(
            field.name, type_words(hints[field.name]), typed(getattr(config, field.name)), about.get(field.name, "")
        )
        for field in dataclasses.fields(config)
    )


def differences(config: Any, base: Any) -> dict[str, str]:
    """The fields in which a configuration differs from another one of its class, as a user would type them."""
    return {
        field.name: typed(getattr(config, field.name))
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != getattr(base, field.name)
    }


def typed(value: Any) -> str:
    """A value as it is typed behind ``--set KEY=``."""
    if isinstance(value, tuple):
        return ",".join(map(typed, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def type_words(hint: Any) -> str:
    """A type in words: ``int, at least 1``; ``one of ce, original``; ``list of str``."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return ", ".join([type_words(arguments[0]), *(bound for extra in arguments[1:] for bound in _bounds(extra))])
    if origin is Literal:
        return "one of " + ", ".join(typed(value) or '""' for value in arguments)
    if origin is tuple:
        return f"list of {type_words(arguments[0])}"
    if origin in (Union, types.UnionType):
        return " or ".join("none" if part is types.NoneType else type_words(part) for part in arguments)
    return getattr(hint, "__name__", str(hint))


def _bounds(extra: Any) -> list[str]:
    """What pydantic's ``Field`` asks of a value."""
    parts = getattr(extra, "metadata", [extra])
    found = [(words, getattr(part, key, None)) for part in parts for key, words in _BOUNDS.items()]
    return [f"{words} {typed(bound)}" for words, bound in found if bound is not None]
