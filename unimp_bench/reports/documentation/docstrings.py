"""Reads the docstrings of this project: words, and sections such as ``Attributes:`` in Google's style."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from itertools import pairwise

_HEADING = re.compile(r"(Attributes|Args|Returns|Raises):")
_ENTRY = re.compile(r" {4}(\S[^:]*): (.*)")


@dataclass(frozen=True)
class Entry:
    """What a section says of one name, or of several (``id_levels, id_codes``) together."""

    names: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Section:
    """One section, by its heading without the colon; its ``text`` where it does not list names."""

    heading: str
    entries: tuple[Entry, ...]
    text: str


@dataclass(frozen=True)
class Docstring:
    """A docstring taken apart.

    Attributes:
        summary: the first paragraph, on one line.
        text: all that stands before the first section.
        sections: in their order.
    """

    summary: str
    text: str
    sections: tuple[Section, ...]

    @property
    def attributes(self) -> dict[str, str]:
        """What section ``Attributes`` says, by name; names that share an entry share its text."""
        listed = [section for section in self.sections if section.heading == "Attributes"]
        return {name: entry.text for section in listed for entry in section.entries for name in entry.names}


def docstring(text: str | None) -> Docstring:
    """Take the docstring of a module, class or function apart; of None, an empty one."""
    lines = inspect.cleandoc(text or "").split("\n")
    begins = [number for number, line in enumerate(lines) if _HEADING.fullmatch(line)]
    body = "\n".join(lines[: begins[0]] if begins else lines).rstrip()
    sections = tuple(_section(lines[begin:end]) for begin, end in pairwise([*begins, len(lines)]))
    return Docstring(" ".join(body.partition("\n\n")[0].split()), body, sections)


def _section(lines: list[str]) -> Section:
    heading = lines[0].removesuffix(":")
    found: list[tuple[str, list[str]]] = []
    for line in lines[1:]:
        entry = _ENTRY.fullmatch(line)
        if entry:
            found.append((entry[1], [entry[2]]))
        elif found:
            found[-1][1].append(line.strip())
    entries = tuple(
        Entry(tuple(name.strip() for name in names.split(",")), " ".join(filter(None, parts))) for names, parts in found
    )
    return Section(heading, entries, "" if entries else " ".join(line.strip() for line in lines[1:]).strip())
