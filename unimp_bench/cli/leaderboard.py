"""``unimp-bench leaderboard``: the tables, from the published results and nothing else."""

from __future__ import annotations

import click

from unimp_bench import registry
from unimp_bench.names import find
from unimp_bench.paths import Workspace
from unimp_bench.suites import SUITES, Suite


@click.command("leaderboard")
@click.argument("topic", required=False)
@click.option("--corpus", help="Show only this corpus.")
def command(topic: str | None, corpus: str | None) -> None:
    """Write leaderboards/*.md from leaderboards/results; with TOPIC, also show that table."""
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
