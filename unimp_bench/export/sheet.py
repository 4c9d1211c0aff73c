"""One example as a person reads it: items by title, the last of the history, what is shown and what is the answer."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unimp_bench.corpus import Corpus
from unimp_bench.records import Example, Examples
from unimp_bench.rendering import Renderer, item_words, picture_paths, rating_words

LAST = 6
"""Items of a history that a reader sees."""

WIDTH = 100
_LABEL = 13


@dataclass(frozen=True)
class Entry:
    """An item in a list.

    Attributes:
        item: its name.
        title: its title, or its words where the corpus has no titles.
        picture: its file.
        rating: the user's, for items of the history.
        chosen: it is among the answers, for candidates.
    """

    item: str
    title: str
    picture: Path | None
    rating: float | None = None
    chosen: bool | None = None


@dataclass(frozen=True)
class Sheet:
    """An example with its items; ``earlier`` items of the history are not listed."""

    example: Example
    earlier: int
    history: tuple[Entry, ...]
    shown: tuple[Entry, ...]
    answers: tuple[Entry, ...]

    @property
    def told(self) -> bool:
        """The shown items tell already which the answers are."""
        return self.example.shown == self.example.target_items or any(entry.chosen for entry in self.shown)


def sheets(corpus: Corpus, examples: Examples) -> Iterator[Sheet]:
    """A sheet for each of some examples."""
    numbers = {name: number for number, name in enumerate(corpus.items.names)}
    has_titles = "title" in corpus.items.attributes
    titles = corpus.items.text("title") if has_titles else item_words(corpus)
    pictures = picture_paths(corpus)

    def entry(name: str, rating: float | None = None, chosen: bool | None = None) -> Entry:
        picture = pictures[numbers[name]]
        path = None if picture is None else corpus.folder / picture
        return Entry(name, one_line(titles[numbers[name]]), path, rating, chosen)

    for example in Renderer(corpus, examples.instruction).render(examples):
        rated = list(zip(example.history, example.ratings, strict=True))[-LAST:]
        marked = examples.suits is not None
        yield Sheet(
            example,
            len(example.history) - len(rated),
            tuple(entry(name, None if rating != rating else rating) for name, rating in rated),
            tuple(entry(name, chosen=name in example.target_items if marked else None) for name in example.shown),
            tuple(entry(name) for name in example.target_items),
        )


def one_line(text: str) -> str:
    """Text from outside on one line, without characters that steer a terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def as_text(sheet: Sheet) -> str:
    """A sheet for a terminal, ``WIDTH`` columns wide."""
    example = sheet.example
    lines = [_field("id", example.id), _field("user", f"{example.user}, {example.domain}")]
    before = f"{sheet.earlier:,} earlier, then" if sheet.earlier else ""
    lines += [_field("history", before), *(_item(entry) for entry in sheet.history)]
    if example.query is not None:
        lines.append(_field("query", example.query))
    lines.append(_field("instruction", example.instruction))
    if sheet.shown:
        lines += [_field("shown", ""), *(_item(entry) for entry in sheet.shown)]
    named = example.target == " ".join(example.target_items)
    lines.append(_field("answer", "" if named and not sheet.told else example.target))
    return "\n".join([*lines, *(() if sheet.told else map(_item, sheet.answers))])


def _field(label: str, text: str) -> str:
    indent = " " * _LABEL
    return textwrap.fill(one_line(text), WIDTH, initial_indent=label.ljust(_LABEL), subsequent_indent=indent) or label


def _item(entry: Entry) -> str:
    mark = {None: "", True: "[x] ", False: "[ ] "}[entry.chosen]
    rating = "" if entry.rating is None else f"  rated {rating_words(entry.rating)}"
    line = f"  {mark}{one_line(entry.item).ljust(10)}  {entry.title}"
    room = WIDTH - len(rating)
    return (line if len(line) <= room else line[: room - 4] + " ...") + rating
