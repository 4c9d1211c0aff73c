"""Examples of a dataset with their pictures as one static HTML page without network access."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from PIL import Image

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.pictures import open_picture
from unimp_bench.kinds import kind_of
from unimp_bench.kinds.rating import rating_words
from unimp_bench.kinds.rendering import Renderer, item_words, picture_paths
from unimp_bench.records import Example, Examples

LAST = 6
"""Number of history items listed."""

WIDTH = 100
_LABEL = 13


@dataclass(frozen=True)
class Entry:
    """A listed item.

    Attributes:
        item: its name.
        title: its title, or its words if the corpus has no titles.
        picture: its file.
        rating: the user's rating, for items of the history.
        chosen: whether a candidate is an answer.
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
    def answers_shown(self) -> bool:
        """Whether the shown items already include the answers."""
        return self.example.shown == self.example.target_items or any(entry.chosen for entry in self.shown)


def sheets(corpus: Corpus, examples: Examples) -> Iterator[Sheet]:
    """A sheet per example."""
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
        marked = examples.has_candidates
        yield Sheet(
            example,
            len(example.history) - len(rated),
            tuple(entry(name, None if rating != rating else rating) for name, rating in rated),
            tuple(entry(name, chosen=name in example.target_items if marked else None) for name in example.shown),
            tuple(entry(name) for name in example.target_items),
        )


def one_line(text: str) -> str:
    """External text on one line, without control characters."""
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
    lines.append(_field("answer", "" if named and not sheet.answers_shown else example.target))
    return "\n".join([*lines, *(() if sheet.answers_shown else map(_item, sheet.answers))])


def _field(label: str, text: str) -> str:
    indent = " " * _LABEL
    return textwrap.fill(one_line(text), WIDTH, initial_indent=label.ljust(_LABEL), subsequent_indent=indent) or label


def _item(entry: Entry) -> str:
    mark = {None: "", True: "[x] ", False: "[ ] "}[entry.chosen]
    rating = "" if entry.rating is None else f"  rated {rating_words(entry.rating)}"
    line = f"  {mark}{one_line(entry.item).ljust(10)}  {entry.title}"
    width = WIDTH - len(rating)
    return (line if len(line) <= width else line[: width - 4] + " ...") + rating


SIDE = 160
"""Maximum width and height of embedded pictures, in pixels."""

STYLE = """\
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem; }
article { border-top: 2px solid; margin-top: 2rem; }
h2, .name { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; }
h3 { font-size: 1rem; margin: 1rem 0 .3rem; }
ul, ol { list-style: none; padding: 0; margin: 0; display: flex; flex-wrap: wrap; gap: .8rem; }
li { width: 9rem; padding: .3rem; border: 1px solid #8888; border-radius: .3rem; }
li.chosen { outline: 3px solid #2a7d2a; }
img, .none { display: block; width: 100%; height: 8rem; object-fit: contain; background: #fff; }
.none { color: #555; text-align: center; line-height: 8rem; }
.name { font-size: .75rem; }
.title { font-size: .85rem; overflow-wrap: anywhere; }
blockquote, .target { margin: 0; padding: .5rem .8rem; border-left: 3px solid; overflow-wrap: anywhere; }
"""
"""Of pages with rows of items: pictures, titles, names."""

_TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ heading }}</title>
<style>
{{ style|safe }}</style>
</head>
<body>
{%- macro gallery(entries, tag) %}
<{{ tag }}>
{%- for entry in entries %}
<li{% if entry.chosen %} class="chosen"{% endif %}>
{%- if entry.picture is none %}<span class="none">no picture</span>
{%- else %}<img src="{{ picture(entry.picture) }}" alt="Picture of {{ entry.title }}">{% endif %}
<div class="title">{{ entry.title }}</div>
<div class="name">{{ line(entry.item) }}{% if entry.rating is not none %}, rated {{ "%g"|format(entry.rating) }}
{%- endif %}</div>
{%- if entry.chosen is not none %}<div>{{ "to be chosen" if entry.chosen else "not suitable" }}</div>{% endif %}
</li>
{%- endfor %}
</{{ tag }}>
{%- endmacro %}
<main>
<h1>{{ heading }}</h1>
<p>{{ about }}</p>
{%- for sheet in sheets %}
<article aria-labelledby="example-{{ loop.index }}">
<h2 id="example-{{ loop.index }}">{{ sheet.example.id }}</h2>
<p>User {{ sheet.example.user }}, {{ sheet.example.domain }}.
{%- if sheet.example.query is not none %} Query: <q>{{ sheet.example.query }}</q>{% endif %}</p>
<h3>History{% if sheet.earlier %}, after {{ "{:,}".format(sheet.earlier) }} earlier{% endif %}</h3>
{{- gallery(sheet.history, "ol") }}
<h3>Instruction</h3>
<blockquote>{{ sheet.example.instruction }}</blockquote>
{%- if sheet.shown %}
<h3>{{ shown }}</h3>
{{- gallery(sheet.shown, "ul") }}
{%- endif %}
<h3>Answer</h3>
<p class="target">{{ sheet.example.target }}</p>
{%- if not sheet.answers_shown %}
{{- gallery(sheet.answers, "ul") }}
{%- endif %}
</article>
{%- endfor %}
</main>
</body>
</html>
"""


def page(heading: str, about: str, kind: str, sheets: Iterable[Sheet]) -> str:
    """The page of examples of one task; all text is escaped, pictures are embedded.

    Args:
        kind: kind of the task.

    Raises:
        DataError: a picture cannot be decoded.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(_TEMPLATE).render(
        heading=heading,
        about=about,
        sheets=sheets,
        shown=kind_of(kind).shown,
        line=one_line,
        picture=embedded,
        style=STYLE,
    )


def embedded(path: Path) -> str:
    """A picture as a ``data:`` address, re-encoded without other content of the file.

    Raises:
        DataError: it cannot be decoded.
    """
    picture = open_picture(path)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
