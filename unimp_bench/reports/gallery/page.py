"""A gallery of generated pictures: its folder, its HTML page and its Markdown page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jinja2 import Environment, StrictUndefined
from PIL import Image
from pydantic import ValidationError

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.pictures import open_picture
from unimp_bench.errors import DataError
from unimp_bench.files import locked
from unimp_bench.generative.picture_tokens.pictures import UInt8Array, to_png
from unimp_bench.generative.picture_tokens.tokenizer import PictureTokenizer
from unimp_bench.interchange.dataset import replacing
from unimp_bench.interchange.page import one_line
from unimp_bench.kinds.rendering import item_words
from unimp_bench.markdown import plain
from unimp_bench.records import Examples, IntArray
from unimp_bench.reports.gallery.queries import LAST, Drawings
from unimp_bench.settings import Strict

SIDE = 80
"""The catalogue's pictures are scaled down to this many pixels a side, so that a gallery stays light."""


@dataclass(frozen=True)
class Figure:
    """A picture with its title.

    Attributes:
        label: what it is to the user.
        title: of the item; empty for what was generated.
        file: name of its PNG, None for an item without a picture.
    """

    label: str
    title: str
    file: str | None


@dataclass(frozen=True)
class Panel:
    """All about one user; ``earlier`` items of the history are not shown.

    Attributes:
        outcome: the retrieved items, the generated picture and, where it is known, the truth with its ceiling.
    """

    user: str
    domain: str
    earlier: int
    history: tuple[Figure, ...]
    outcome: tuple[Figure, ...]


@dataclass(frozen=True)
class Hanging:
    """Writes the PNG files of a gallery into ``folder``; ``files`` are their names so far."""

    corpus: Corpus
    tokenizer: PictureTokenizer
    folder: Path
    files: list[str] = field(default_factory=list)

    def panels(self, wishes: Examples, bought: IntArray, drawings: Drawings) -> list[Panel]:
        """A panel for each example; ``bought`` (n,) is -1 where the truth is not known.

        Raises:
            DataError: a picture cannot be decoded.
        """
        titled = "title" in self.corpus.items.attributes
        titles = self.corpus.items.text("title") if titled else item_words(self.corpus)
        users = self.corpus.users
        generated = self.tokenizer.decode(drawings.codes)
        panels = []
        for number, user in enumerate(wishes.users.tolist()):
            name = f"user-{number + 1}"
            history = wishes.history(number)

            def shown(label: str, item: int, kind: str, name: str = name) -> Figure:
                return Figure(label, one_line(titles[item]), self._item(item, f"{name}-{kind}.png"))

            outcome = [
                shown(_retrieved(place, item == bought[number]), item, f"retrieved-{place}")
                for place, item in enumerate(drawings.retrieved[number].tolist(), start=1)
            ]
            outcome.append(Figure("generated", "", self._png(generated[number], f"{name}-generated.png")))
            if bought[number] >= 0:
                outcome += self._truth(shown("really bought", int(bought[number]), "bought"), int(bought[number]), name)
            panels.append(
                Panel(
                    one_line(users.names[user]),
                    self.corpus.manifest.domains[users.domains[user]],
                    max(0, len(history) - LAST),
                    tuple(
                        shown("", item, f"history-{at}") for at, item in enumerate(history[-LAST:].tolist(), start=1)
                    ),
                    tuple(outcome),
                )
            )
        return panels

    def _truth(self, bought: Figure, item: int, name: str) -> list[Figure]:
        """What was bought, and its picture put through the tokenizer: as good as a generated picture can be."""
        path = self.corpus.items.picture(item)
        if path is None:
            return [bought]
        again = self.tokenizer.decode(self.tokenizer.encode([path]))[0]
        return [
            bought,
            Figure("reconstruction by the tokenizer (upper bound)", "", self._png(again, f"{name}-ceiling.png")),
        ]

    def _item(self, item: int, file: str) -> str | None:
        path = self.corpus.items.picture(item)
        if path is None:
            return None
        picture = open_picture(path)
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        return self._png(np.asarray(picture), file)

    def _png(self, picture: UInt8Array, file: str) -> str:
        to_png(picture, self.folder / file)
        self.files.append(file)
        return file


def _retrieved(place: int, is_bought: bool) -> str:
    return f"retrieved {place}, really bought" if is_bought else f"retrieved {place}"


HTML_NAME, MARKDOWN_NAME = "gallery.html", "gallery.md"
WIDTH = 112
"""Pixels of a picture on the Markdown page."""


@dataclass(frozen=True)
class Sheet:
    """What both pages say.

    Attributes:
        query: the same for all users.
        about: sentences on what is to be seen.
        command: that gives the gallery.
    """

    query: str
    about: tuple[str, ...]
    command: str
    panels: Sequence[Panel]


_HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'">
<title>Generated pictures: {{ sheet.query }}</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem; }
section { border-top: 2px solid; margin-top: 2rem; }
h1, h2, code { overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; }
h3 { font-size: 1rem; margin: 1rem 0 .3rem; }
ol { list-style: none; padding: 0; margin: 0; display: flex; flex-wrap: wrap; gap: .8rem; }
li { width: 9rem; padding: .3rem; border: 1px solid #8888; border-radius: .3rem; }
li.generated { outline: 3px solid #2a7d2a; }
img, .none { display: block; width: 100%; height: 8rem; object-fit: contain; background: #fff; }
.none { color: #555; text-align: center; line-height: 8rem; }
.label { font-size: .85rem; font-weight: 600; }
.title { font-size: .85rem; overflow-wrap: anywhere; }
</style>
</head>
<body>
{%- macro figures(row) %}
<ol>
{%- for figure in row %}
<li{% if figure.label == "generated" %} class="generated"{% endif %}>
{%- if figure.file is none %}<span class="none">no picture</span>
{%- else %}<img src="{{ figure.file }}" alt="Picture: {{ figure.title or figure.label }}">{% endif %}
{%- if figure.label %}<div class="label">{{ figure.label }}</div>{% endif %}
{%- if figure.title %}<div class="title">{{ figure.title }}</div>{% endif %}
</li>
{%- endfor %}
</ol>
{%- endmacro %}
<main>
<h1>Query: <q>{{ sheet.query }}</q></h1>
{%- for sentence in sheet.about %}
<p>{{ sentence }}</p>
{%- endfor %}
<p><code>{{ sheet.command }}</code></p>
{%- for panel in sheet.panels %}
<section aria-labelledby="user-{{ loop.index }}">
<h2 id="user-{{ loop.index }}">User {{ panel.user }}, {{ panel.domain }}</h2>
<h3>History{% if panel.earlier %}, after {{ panel.earlier }} earlier{% endif %}</h3>
{{- figures(panel.history) }}
<h3>Answer</h3>
{{- figures(panel.outcome) }}
</section>
{%- endfor %}
</main>
</body>
</html>
"""

_MARKDOWN = """\
# Query: {{ sheet.query|plain }}
{% for sentence in sheet.about %}

{{ sentence|plain }}
{% endfor %}

    {{ sheet.command }}
{% for panel in sheet.panels %}

## User {{ panel.user|plain }}, {{ panel.domain|plain }}

History{% if panel.earlier %}, after {{ panel.earlier }} earlier{% endif %}:

{{ table(panel.history) }}

Answer:

{{ table(panel.outcome) }}
{% endfor %}
"""


def html_page(sheet: Sheet) -> str:
    """For a browser; all text is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(_HTML).render(sheet=sheet)


def markdown_page(sheet: Sheet) -> str:
    """The same in Markdown; all text is plain."""
    # Nothing here is written without ``plain``, which escapes HTML too, but the command, a line of indented code.
    environment = Environment(autoescape=False, undefined=StrictUndefined, trim_blocks=True)  # noqa: S701
    environment.filters["plain"] = plain
    return environment.from_string(_MARKDOWN).render(sheet=sheet, table=_table) + "\n"


def _table(figures: Sequence[Figure]) -> str:
    """Figures side by side: labels, pictures, titles."""
    pictures = [f'<img src="{figure.file}" width="{WIDTH}" alt="">' if figure.file else "none" for figure in figures]
    rows = [
        [plain(figure.label) for figure in figures],
        ["---"] * len(figures),
        pictures,
        [plain(figure.title) for figure in figures],
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


RECORD_NAME = "gallery.json"


class Record(Strict):
    """What a gallery shows and what it was made by. A folder that has it and these files alone is ours to replace.

    Attributes:
        command: that gives this gallery.
        fit: key of the fitted model.
        fingerprint: of the corpus.
        query: the same for all users.
        users: by name.
        retrieved: items of each user by name.
        codes: of each user's picture.
        files: names of all files beside this one.
    """

    format: Literal["unimp-bench-gallery"] = "unimp-bench-gallery"
    version: Literal[1] = 1
    command: str
    fit: str
    fingerprint: str
    query: str
    users: tuple[str, ...]
    retrieved: tuple[tuple[str, ...], ...]
    codes: tuple[tuple[int, ...], ...]
    files: tuple[str, ...]


def check_free(folder: Path) -> None:
    """Refuse a folder that is neither free nor a gallery of ours.

    Raises:
        DataError: it is something else, or holds something beside a gallery.
    """
    if not folder.is_symlink() and not folder.exists():
        return
    if folder.is_symlink() or not folder.is_dir():
        raise DataError(f"{folder} is not a folder; use another path for --out")
    there = {path.name for path in folder.iterdir()}
    strange = sorted(there - _ours(folder))
    if strange:
        raise DataError(f"{folder} holds {strange[0]!r}, which is not part of a gallery; use another folder for --out")


@contextmanager
def filling(folder: Path, cache: Path) -> Iterator[Path]:
    """An empty folder that takes the place of ``folder`` when the block ends well, and else goes.

    Args:
        cache: where one process at a time is let through.

    Raises:
        DataError: ``folder`` holds something that is not ours.
        UsageError: another process is writing a gallery.
    """
    with locked(cache / "galleries"):
        check_free(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder) as partial:
            yield partial


def _ours(folder: Path) -> set[str]:
    try:
        record = Record.model_validate_json((folder / RECORD_NAME).read_bytes())
    except (OSError, ValidationError):
        return set()
    return {RECORD_NAME, *record.files}
