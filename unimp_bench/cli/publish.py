"""``unimp-bench publish``: results of runs into ``leaderboards/``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from unimp_bench.errors import UsageError
from unimp_bench.paths import Workspace


@click.command("publish")
@click.argument("runs", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Publish every finished run in runs/.")
def command(runs: tuple[str, ...], everything: bool) -> None:
    """Copy the results of RUNS (their keys) into leaderboards/results and write the tables."""
    if bool(runs) == everything:
        raise UsageError("name the runs to publish by their keys, or say --all")

    publish_and_tell(Workspace.here(), runs or None)


def publish_and_tell(workspace: Workspace, keys: Sequence[str] | None) -> None:
    """Publish the runs of some keys, or all, write every page, and say what was written and what was replaced."""
    from unimp_bench.leaderboard.store import publish
    from unimp_bench.leaderboard.write import write_all

    published = publish(workspace, keys)
    for path in published.replaced:
        click.echo(f"removed {path}: an earlier result of the same row, question and seed")
    for path in (*published.written, *write_all(workspace.leaderboards)):
        click.echo(f"wrote {path}")
