"""A gallery as a page for browsers and one in Markdown, beside its pictures; neither asks a network for anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, StrictUndefined

from unimp_bench.gallery.panels import Figure, Panel
from unimp_bench.markdown import plain

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
