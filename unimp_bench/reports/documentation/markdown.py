"""Puts pages together: Markdown from the words of docstrings and cards, nothing in them taken for markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from unimp_bench.markdown import table_head, table_row
from unimp_bench.reports.documentation.settings import Docstring, Setting

_CODE = re.compile(r"(``.+?``|`[^`]+`)", re.DOTALL)
_MARKUP = re.compile(r"([\\<>\[\]$*_{}~^#])")
_ITEM = re.compile(r"^(\* )", re.MULTILINE)
_FALSE_ITEM = re.compile(r"^(\d+)([.)] )|^([-+] )", re.MULTILINE)


def words(text: str) -> str:
    """Text as Markdown that shows it: code between backticks stays, and what only looks like markup is escaped."""
    return "".join(part if number % 2 else _escaped(part) for number, part in enumerate(_CODE.split(text)))


def code(text: str) -> str:
    """Text as code within a line; empty for none."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}" if text else ""


def prose(text: str) -> str:
    """Paragraphs of a docstring; lines set off by four spaces, such as equations, stay as they are."""
    paragraphs = re.split(r"\n{2,}", text)
    return "\n\n".join(part if part.startswith("    ") else words(part) for part in paragraphs)


def documented(found: Docstring) -> list[str]:
    """A whole docstring, its sections as lists."""
    lines = [prose(found.text)]
    for heading, entries in found.sections.items():
        lines += ["", f"**{heading}**", ""]
        for each in entries:
            names = ", ".join(map(code, each.names))
            lines.append(f"* {names}: {words(each.text)}" if names else words(each.text))
    return lines


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of cells that are Markdown already."""
    return [*table_head(heads), *(table_row([" ".join(cell.split()) for cell in row]) for row in rows)]


def facts(found: dict[str, str]) -> list[str]:
    """A table of two columns, of plain text; what is empty is left out."""
    return table(("", ""), [(f"**{words(name)}**", words(value)) for name, value in found.items() if value])


def settings_list(found: Iterable[Setting]) -> list[str]:
    """The fields of a configuration, a line each: a table of them would be too wide for a phone."""
    lines = []
    for each in found:
        default = f"default {code(each.default)}" if each.default else "empty by default"
        about = f": {words(each.about)}" if each.about else ""
        lines.append(f"* {code(each.name)} ({words(each.kind)}; {default}){about}")
    return lines


def further(name: str, root: Path) -> list[str]:
    """A link to the page that is written by hand on the same subject, where ``docs`` has one."""
    return [f"More: [docs/{name}.md](../../{name}.md).", ""] if (root / "docs" / f"{name}.md").is_file() else []


def contents(names: Iterable[str]) -> list[str]:
    """The pages of a folder, for the navigation."""
    return ["```{toctree}", ":hidden:", "", *names, "```"]


def _escaped(text: str) -> str:
    items = _ITEM.split(text)
    escaped = [part if part == "* " else _MARKUP.sub(r"\\\1", part) for part in items]
    return _FALSE_ITEM.sub(lambda found: f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}", "".join(escaped))
