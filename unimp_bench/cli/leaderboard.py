"""``unimp-bench leaderboard``: tables of published results or of runs."""

from __future__ import annotations

from pathlib import Path

import click

from unimp_bench import registry
from unimp_bench.errors import UsageError, find
from unimp_bench.files import Workspace
from unimp_bench.progress import stage
from unimp_bench.runs.suites import SUITES

DEFAULT = "-"
"""Value of the option ``--html`` without a path."""


@click.command("leaderboard")
@click.argument("topic", required=False)
@click.option("--corpus", help="Show only this corpus.")
@click.option(
    "--runs", is_flag=True, help="Use the finished runs in runs/, published or not; pages go to runs/leaderboards."
)
@click.option("--csv", "as_csv", is_flag=True, help="Show TOPIC as CSV: every metric of every row, one per line.")
@click.option("--write", is_flag=True, help="Show TOPIC and write all pages.")
@click.option(
    "--html",
    "page",
    is_flag=False,
    flag_value=DEFAULT,
    metavar="[PATH]",
    help="Write all tables as one HTML page instead (default PATH: leaderboards/index.html).",
)
def command(topic: str | None, corpus: str | None, runs: bool, as_csv: bool, write: bool, page: str | None) -> None:
    """Show the tables of TOPIC, a task or suite; without TOPIC, write all pages and their plots."""
    if page is not None:
        if topic or corpus or runs or as_csv or write:
            raise UsageError("--html writes all published tables: omit TOPIC and other options")
        _write_page(page)
        return
    if corpus is not None and topic is None:
        raise UsageError("--corpus needs a TOPIC")
    if as_csv and topic is None:
        raise UsageError("--csv shows the tables of a TOPIC; name one")
    shown = None if topic is None else find({**SUITES, **registry.task_cards()}, topic, "leaderboard")

    from unimp_bench.reports.pages.write import show, tables_of, write_pages
    from unimp_bench.reports.store import Contents
    from unimp_bench.reports.tables.text import tables_csv

    workspace = Workspace.here()
    contents = Contents.of_runs(workspace) if runs else Contents.published(workspace.leaderboards)
    if write or shown is None:
        written = write_pages(contents)
        click.echo(f"wrote {len(written)} pages and their plots; {contents.home / 'README.md'} is their index")
    if shown is not None:
        with stage(f"making the tables of {topic}"):
            text = tables_csv(tables_of(contents, shown, corpus)) if as_csv else show(contents, shown, corpus)
        click.echo(text.rstrip("\n"))


def _write_page(page: str) -> None:
    from unimp_bench.reports.pages.html import HTML_NAME, write_page

    folder = Workspace.here().leaderboards
    path = folder / HTML_NAME if page == DEFAULT else Path(page)
    if path.suffix != ".html":
        raise UsageError(f"--html needs a path that ends with .html, not {page!r}")
    with stage(f"making {path}"):
        write_page(folder, path)
    click.echo(f"wrote {path}")
