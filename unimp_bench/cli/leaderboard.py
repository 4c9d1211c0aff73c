"""``unimp-bench leaderboard``: the tables, from the published results and nothing else."""

from __future__ import annotations

from pathlib import Path

import click

from unimp_bench import registry
from unimp_bench.errors import UsageError
from unimp_bench.names import find
from unimp_bench.paths import Workspace
from unimp_bench.suites import SUITES, Suite

DEFAULT = "-"
"""What the option ``--html`` is without a path."""


@click.command("leaderboard")
@click.argument("topic", required=False)
@click.option("--corpus", help="Show only this corpus.")
@click.option(
    "--html",
    "page",
    is_flag=False,
    flag_value=DEFAULT,
    metavar="[PATH]",
    help="Write all tables as one page of HTML instead; leaderboards/index.html where PATH is left out.",
)
def command(topic: str | None, corpus: str | None, page: str | None) -> None:
    """Write leaderboards/*.md and their plots from leaderboards/results; with TOPIC, also show that table."""
    if page is not None:
        if topic or corpus:
            raise UsageError("the page holds every table: leave out TOPIC and --corpus, and filter in the browser")
        _write_page(page)
        return
    shown = None if topic is None else find({**SUITES, **registry.task_cards()}, topic, "leaderboard")

    from unimp_bench.leaderboard.text import show, show_topic
    from unimp_bench.leaderboard.write import write_all

    folder = Workspace.here().leaderboards
    for path in write_all(folder):
        click.echo(f"wrote {path}")
    if isinstance(shown, Suite):
        click.echo(show_topic(folder, shown, corpus))
    elif shown is not None:
        click.echo(show(folder, shown, corpus))


def _write_page(page: str) -> None:
    from unimp_bench.leaderboard.html.page import HTML_NAME, write_page

    folder = Workspace.here().leaderboards
    path = folder / HTML_NAME if page == DEFAULT else Path(page)
    if path.suffix != ".html":
        raise UsageError(f"--html writes a page, and {page!r} does not end with .html")
    write_page(folder, path)
    click.echo(f"wrote {path}")
