"""The folder of a gallery: pictures, record, HTML page and Markdown page."""

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
from unimp_bench.settings import Strict

SIDE = 80
"""Maximum width and height in pixels of the catalogue's pictures, which are scaled down to keep a gallery small."""

HISTORY = 5
"""Last items of a history that are compared and shown."""


@dataclass(frozen=True)
class Drawings:
    """The outputs of a model for n queries.

    Attributes:
        retrieved: (n, k) item numbers, best first.
        codes: (n, length) of the generated pictures.
    """

    retrieved: IntArray
    codes: IntArray


@dataclass(frozen=True)
class Figure:
    """A picture with its title.

    Attributes:
        label: its relation to the user.
        title: of the item; empty for generated pictures.
        file: name of its PNG; None for an item without a picture.
    """

    label: str
    title: str
    file: str | None


@dataclass(frozen=True)
class Panel:
    """The figures of one user.

    Attributes:
        earlier: number of earlier items of the history, which are not shown.
        outcome: the retrieved items, the generated picture and, if known, the target with its upper bound.
    """

    user: str
    domain: str
    earlier: int
    history: tuple[Figure, ...]
    outcome: tuple[Figure, ...]


@dataclass(frozen=True)
class PictureWriter:
    """Writes the PNG files of a gallery into ``folder``; ``files`` are the names of those written."""

    corpus: Corpus
    tokenizer: PictureTokenizer
    folder: Path
    files: list[str] = field(default_factory=list)

    def panels(self, queries: Examples, bought: IntArray, drawings: Drawings) -> list[Panel]:
        """One panel per example of ``queries``; ``bought`` (n,) are the targets, -1 if unknown.

        Raises:
            DataError: a picture cannot be decoded.
        """
        titled = "title" in self.corpus.items.attributes
        titles = self.corpus.items.text("title") if titled else item_words(self.corpus)
        users = self.corpus.users
        generated = self.tokenizer.decode(drawings.codes)
        panels = []
        for number, user in enumerate(queries.users.tolist()):
            name = f"user-{number + 1}"
            history = queries.history(number)

            def figure(label: str, item: int, kind: str, name: str = name) -> Figure:
                return Figure(label, one_line(titles[item]), self._item(item, f"{name}-{kind}.png"))

            outcome = [
                figure(_retrieved(rank, item == bought[number]), item, f"retrieved-{rank}")
                for rank, item in enumerate(drawings.retrieved[number].tolist(), start=1)
            ]
            outcome.append(Figure("generated", "", self._png(generated[number], f"{name}-generated.png")))
            if bought[number] >= 0:
                outcome += self._target(figure("purchased", int(bought[number]), "bought"), int(bought[number]), name)
            panels.append(
                Panel(
                    one_line(users.names[user]),
                    self.corpus.manifest.domains[users.domains[user]],
                    max(0, len(history) - HISTORY),
                    tuple(
                        figure("", item, f"history-{at}")
                        for at, item in enumerate(history[-HISTORY:].tolist(), start=1)
                    ),
                    tuple(outcome),
                )
            )
        return panels

    def _target(self, bought: Figure, item: int, name: str) -> list[Figure]:
        """The purchased item, and its picture as reconstructed by the tokenizer: an upper bound."""
        path = self.corpus.items.picture(item)
        if path is None:
            return [bought]
        decoded = self.tokenizer.decode(self.tokenizer.encode([path]))[0]
        return [
            bought,
            Figure("reconstruction by the tokenizer (upper bound)", "", self._png(decoded, f"{name}-ceiling.png")),
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


def _retrieved(rank: int, is_bought: bool) -> str:
    return f"retrieved {rank}, purchased" if is_bought else f"retrieved {rank}"


HTML_NAME, MARKDOWN_NAME = "gallery.html", "gallery.md"
WIDTH = 112
"""Width in pixels of a picture on the Markdown page."""


@dataclass(frozen=True)
class Sheet:
    """The content of both pages.

    Attributes:
        query: the same for all users.
        about: sentences of explanation.
        command: reproduces the gallery.
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
    """The HTML page; all text is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(_HTML).render(sheet=sheet)


def markdown_page(sheet: Sheet) -> str:
    """The Markdown page; all text is plain."""
    # All text passes ``plain``, which also escapes HTML, except the command, a line of indented code.
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
    """The content and origin of a gallery. A folder with a record and its files alone may be replaced.

    Attributes:
        command: reproduces the gallery.
        fit: key of the fitted model.
        fingerprint: of the corpus.
        query: the same for all users.
        users: by name.
        retrieved: names of the items retrieved for each user.
        codes: of each user's picture.
        files: names of all other files.
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
    """Check that a path is free or holds a gallery that may be replaced.

    Raises:
        DataError: the path is not a folder, or contains files that are not part of a gallery.
    """
    if not folder.is_symlink() and not folder.exists():
        return
    if folder.is_symlink() or not folder.is_dir():
        raise DataError(f"{folder} is not a folder; use another path for --out")
    others = sorted({path.name for path in folder.iterdir()} - _files_of(folder))
    if others:
        raise DataError(f"{folder} has {others[0]!r}, which is not part of a gallery; use another folder for --out")


@contextmanager
def filling(folder: Path, cache: Path) -> Iterator[Path]:
    """An empty temporary folder that replaces ``folder`` when the block succeeds, and is removed otherwise.

    Args:
        cache: folder of the lock against concurrent processes.

    Raises:
        DataError: ``folder`` contains files that are not part of a gallery.
        UsageError: another process is writing a gallery.
    """
    with locked(cache / "galleries"):
        check_free(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder) as partial:
            yield partial


def _files_of(folder: Path) -> set[str]:
    """The files of a gallery by its record; empty without a valid one."""
    try:
        record = Record.model_validate_json((folder / RECORD_NAME).read_bytes())
    except (OSError, ValidationError):
        return set()
    return {RECORD_NAME, *record.files}
