"""Prompts from template files, and items as words.

A template file is TOML, ``NAME-VERSION.toml`` in ``templates``: a ``system`` turn, and per task and way of answering a
text with fields, its lines, and the beginning of the answer.
"""

from __future__ import annotations

import html
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from baselines.llm.backend import Prompt
from unimp_bench.corpus import Items
from unimp_bench.corpus.reader import PATH_SEPARATOR
from unimp_bench.errors import UsageError, find

Way = Literal["likelihood", "generation"]

FOLDER = Path(__file__).parent / "templates"
NAMELESS = "an item without a name"
END = "\n"
"""Behind every continuation, and counted: else a title that is the beginning of another one would be the likelier."""


@dataclass(frozen=True)
class Template:
    """The prompt of a task.

    Attributes:
        text: with the fields ``{shots}``, ``{history}``, ``{query}``, ``{candidates}``, ``{shown}``, ``{low}`` and
            ``{high}``.
        line: of the history, with ``{item}`` and ``{rating}``.
        candidate: with ``{number}`` and ``{item}``.
        shot: a demonstration, with the fields of ``text`` and ``{answer}``; empty where the task has none.
        begun: beginning of the answer.
        system: the system's turn.
    """

    text: str
    line: str = ""
    candidate: str = ""
    shot: str = ""
    begun: str = ""
    system: str = ""

    def prompt(self, **fields: Any) -> Prompt:
        """The prompt with its fields filled in; those not given are empty."""
        usual = dict.fromkeys(("shots", "history", "query", "candidates", "shown", "low", "high"), "")
        filled = {**usual, **fields}
        return Prompt(self.text.format(**filled), self.begun.format(**filled), self.system)

    def history(self, names: Sequence[str], ratings: Sequence[str] | None = None) -> str:
        """The lines of a history, oldest first."""
        return "".join(
            self.line.format(item=name, rating=rating)
            for name, rating in zip(names, ratings or [""] * len(names), strict=True)
        )

    def candidates(self, names: Sequence[str]) -> str:
        """The numbered candidates, from 1."""
        return "".join(self.candidate.format(number=number, item=name) for number, name in enumerate(names, start=1))


class Templates(dict[tuple[str, Way], Template]):
    """The templates of a file by task and way.

    Raises:
        UsageError: at reading, the file has none for a task and way.
    """

    def __init__(self, name: str, held: Mapping[tuple[str, Way], Template]) -> None:
        super().__init__(held)
        self._name = name

    def __missing__(self, key: tuple[str, Way]) -> Template:
        raise UsageError(f"prompt template {self._name!r} has no words for {key[0]} by {key[1]}; name another")


def templates(name: str) -> Templates:
    """The templates of a file.

    Raises:
        UsageError: there is no such file.
    """
    files = {path.stem: path for path in FOLDER.glob("*.toml")}
    content = tomllib.loads(find(files, name, "prompt template").read_text(encoding="utf-8"))
    system = content.pop("system", "")
    held = {
        (task, way): Template(**fields, system=system) for task, ways in content.items() for way, fields in ways.items()
    }
    return Templates(name, held)


def item_names(items: Items, words: int) -> list[str]:
    """Each item as words: its title with its brand in brackets; without titles brand and category."""
    titles, brands, paths = (_column(items, name) for name in ("title", "brand", "category"))
    names = []
    for title, brand, path in zip(titles, brands, paths, strict=True):
        cut = " ".join(title.split()[:words])
        if cut and brand and brand.lower() not in title.lower():
            cut = f"{cut} ({brand})"
        names.append(cut or " ".join((brand, path.rpartition(PATH_SEPARATOR)[2])).strip() or NAMELESS)
    return names


def _column(items: Items, name: str) -> list[str]:
    if name not in items.attributes:
        return [""] * len(items)
    return [" ".join(html.unescape(text).split()) for text in items.text(name)]
