"""Docstrings and configurations as Markdown, with all other markup escaped."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from docstring_parser.common import DocstringMeta
from docstring_parser.google import parse

from unimp_bench.markdown import table_head, table_row

_SECTIONS = {"attribute": "Attributes", "param": "Args", "returns": "Returns", "raises": "Raises"}
_HEADING = re.compile(rf"^(?:{'|'.join(_SECTIONS.values())}):$", re.MULTILINE)
_MULTILINE = re.compile(r"\s*\n\s*")
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


@dataclass(frozen=True)
class Entry:
    """An entry of a section: one name or several (``id_levels, id_codes``) with their text; no name for plain text."""

    names: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Docstring:
    """A parsed docstring.

    Attributes:
        text: everything before the first section.
        sections: entries by heading, in order.
    """

    text: str
    sections: dict[str, tuple[Entry, ...]]

    @property
    def summary(self) -> str:
        """The first paragraph, on one line."""
        return " ".join(self.text.partition("\n\n")[0].split())

    @property
    def attributes(self) -> dict[str, str]:
        """Texts of section ``Attributes`` by name; names of one entry share its text."""
        return {name: entry.text for entry in self.sections.get("Attributes", ()) for name in entry.names}


def docstring(text: str | None) -> Docstring:
    """Parse the docstring of a module, class or function in Google's style; empty for None."""
    whole = inspect.cleandoc(text or "")
    groups = groupby(parse(whole).meta, key=lambda part: part.args[0])
    sections = {_SECTIONS[key]: tuple(map(_entry, parts)) for key, parts in groups}
    return Docstring(
        _HEADING.split(whole, maxsplit=1)[0].rstrip(), sections
    )  # the parser would remove the indentation of equations


def _entry(part: DocstringMeta) -> Entry:
    """The entry of a part such as ``["attribute", "low, high"]``; returns have no name."""
    names = () if part.args[0] == "returns" else part.args[1].split(",")
    return Entry(tuple(map(str.strip, names)), _MULTILINE.sub(" ", part.description or "").strip())


@dataclass(frozen=True)
class Setting:
    """One field of a configuration.

    Attributes:
        kind: its type in words, with the values of a choice.
        default: as on the command line.
        about: from the docstring of the class or the nearest base class that documents it; else empty.
    """

    name: str
    kind: str
    default: str
    about: str


def settings_of(config: Any) -> tuple[Setting, ...]:
    """The fields of a configuration (an instance of a dataclass), with its values as defaults."""
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
    """The fields in which two configurations of one class differ, with values as on the command line."""
    return {
        field.name: typed(getattr(config, field.name))
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != getattr(base, field.name)
    }


def typed(value: Any) -> str:
    """A value as typed after ``--set KEY=``."""
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
    """The bounds of pydantic's ``Field`` in words."""
    parts = getattr(extra, "metadata", [extra])
    found = [(words, getattr(part, key, None)) for part in parts for key, words in _BOUNDS.items()]
    return [f"{words} {typed(bound)}" for words, bound in found if bound is not None]


_CODE = re.compile(r"(``.+?``|`[^`]+`)", re.DOTALL)
_MARKUP = re.compile(r"([\\<>\[\]$*_{}~^#])")
_ITEM = re.compile(r"^(\* )", re.MULTILINE)
_FALSE_ITEM = re.compile(r"^(\d+)([.)] )|^([-+] )", re.MULTILINE)


def words(text: str) -> str:
    """Text as Markdown: code between backticks is kept, all other markup escaped."""
    return "".join(part if number % 2 else _escaped(part) for number, part in enumerate(_CODE.split(text)))


def code(text: str) -> str:
    """Text as inline code; empty for empty text."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}" if text else ""


def prose(text: str) -> str:
    """Paragraphs of a docstring; those indented by four spaces, such as equations, are kept as they are."""
    paragraphs = re.split(r"\n{2,}", text)
    return "\n\n".join(part if part.startswith("    ") else words(part) for part in paragraphs)


def documented(found: Docstring) -> list[str]:
    """A docstring with its sections as lists."""
    lines = [prose(found.text)]
    for heading, entries in found.sections.items():
        lines += ["", f"**{heading}**", ""]
        for each in entries:
            names = ", ".join(map(code, each.names))
            lines.append(f"* {names}: {words(each.text)}" if names else words(each.text))
    return lines


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table whose cells are Markdown."""
    return [*table_head(heads), *(table_row([" ".join(cell.split()) for cell in row]) for row in rows)]


def facts(found: dict[str, str]) -> list[str]:
    """A table of two columns of plain text, without empty values."""
    return table(("", ""), [(f"**{words(name)}**", words(value)) for name, value in found.items() if value])


def settings_list(found: Iterable[Setting]) -> list[str]:
    """The fields of a configuration as a list, since a table would be too wide for a phone."""
    lines = []
    for each in found:
        default = f"default {code(each.default)}" if each.default else "empty by default"
        about = f": {words(each.about)}" if each.about else ""
        lines.append(f"* {code(each.name)} ({words(each.kind)}; {default}){about}")
    return lines


def further(name: str, root: Path) -> list[str]:
    """A link to the hand-written page of the same name in ``docs``, if there is one."""
    return [f"More: [docs/{name}.md](../../{name}.md).", ""] if (root / "docs" / f"{name}.md").is_file() else []


def contents(names: Iterable[str]) -> list[str]:
    """The pages of a folder for the navigation."""
    return ["```{toctree}", ":hidden:", "", *names, "```"]


def _escaped(text: str) -> str:
    items = _ITEM.split(text)
    escaped = [part if part == "* " else _MARKUP.sub(r"\\\1", part) for part in items]
    return _FALSE_ITEM.sub(lambda found: f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}", "".join(escaped))
