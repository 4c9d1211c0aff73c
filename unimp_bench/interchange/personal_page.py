"""What a model recommends to one user, with titles and pictures, as one static HTML page without network access."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from unimp_bench.interchange.page import STYLE, embedded, one_line
from unimp_bench.runs.personal import Recommended

HISTORY = 12
"""Last items of a history that are shown."""

_TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ heading }}</title>
<style>
{{ style|safe }}h2 { font-family: inherit; }
</style>
</head>
<body>
{%- macro items(row, target) %}
<ol>
{%- for item in row %}
<li{% if item.name == target %} class="chosen"{% endif %}>
{%- if not item.picture %}<span class="none">no picture</span>
{%- else %}<img src="{{ picture(item.picture) }}" alt="Picture of {{ line(item.title or item.name) }}">{% endif %}
<div class="title">{{ line(item.title) }}</div>
<div class="name">{{ line(item.name) }}</div>
{%- if item.score is not none %}<div>{% if target %}{{ loop.index }}, {% endif %}score {{ "%.4g"|format(item.score) }}
{%- if item.seen %}, in the history{% endif %}{% if item.name == target %}, target{% endif %}</div>{% endif %}
</li>
{%- endfor %}
</ol>
{%- endmacro %}
<main>
<h1>{{ heading }}</h1>
{%- for each in answers %}
<article aria-label="Example {{ loop.index }}">
{%- if each.query %}<p>Query: <q>{{ line(each.query) }}</q></p>{% endif %}
<h2>History{% if each.history|length > limit %}, the last {{ limit }} of {{ each.history|length }} items{% endif %}</h2>
{{- items(each.history[-limit:], none) }}
<h2>Recommended</h2>
{{- items(each.items, each.target.name) }}
<h2>Target: rank {{ "{:,}".format(each.rank) }} of {{ "{:,}".format(each.of) }}</h2>
{{- items([each.target], none) }}
</article>
{%- endfor %}
</main>
</body>
</html>
"""


def personal_page(heading: str, answers: Sequence[Recommended]) -> str:
    """The page of the test examples of one user; all text is escaped, pictures are embedded.

    Raises:
        DataError: a picture cannot be decoded.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(_TEMPLATE).render(
        heading=one_line(heading),
        answers=answers,
        limit=HISTORY,
        line=one_line,
        picture=lambda path: embedded(Path(path)),
        style=STYLE,
    )
