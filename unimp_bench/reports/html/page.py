"""The page's record to the bytes of one file: everything escaped, everything inline, the same bytes every time."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from unimp_bench.files import write_atomically
from unimp_bench.reports.html.gather import gather
from unimp_bench.reports.html.record import Page
from unimp_bench.reports.printed import MARKS

HTML_NAME = "index.html"
SCRIPTS = ("elements.js", "sorting.js", "filtering.js", "details.js", "start.js")


def write_page(folder: Path, path: Path) -> None:
    """Write the page of the leaderboards in ``folder`` to ``path``."""
    write_atomically(path, html_page(gather(folder)))


def html_page(page: Page) -> str:
    """The page as one file that asks a network for nothing.

    The content security policy names the one style and the one script by their hashes, so nothing that a label might
    smuggle in would run.
    """
    environment = Environment(
        loader=PackageLoader(__package__, "static"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = _static("page.css"), "\n".join(_static(name) for name in SCRIPTS)
    boards = (*page.tasks, *page.topics)
    tables = [table for board in boards for table in board.tables]
    return environment.get_template("page.html.j2").render(
        page=page,
        data={
            "sheets": [asdict(each) for each in page.sheets],
            "details": [asdict(each) for each in page.details],
            "runs": {key: asdict(each) for key, each in page.runs.items()},
        },
        choices={
            "task": [board.anchor for board in page.tasks],
            **{
                name: list(dict.fromkeys(getattr(table, name) for table in tables if getattr(table, name)))
                for name in ("corpus", "protocol", "split")
            },
            "reads": sorted({reads for table in tables for line in table.lines for reads in line.reads}),
        },
        marks=MARKS,
        style=Markup(style),  # noqa: S704 - both are files of this package
        script=Markup(script),  # noqa: S704
        policy=f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'",
    )


def _static(name: str) -> str:
    return resources.files(__package__).joinpath("static", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
