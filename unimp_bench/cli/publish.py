"""``unimp-bench publish``: copy results of runs into ``leaderboards/``."""

from __future__ import annotations

import click

from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace


@click.command("publish")
@click.argument("runs", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Publish every finished run in runs/.")
@click.option("--replace", is_flag=True, help="Replace results of another machine.")
@click.option("--dirty", is_flag=True, help="Publish results of uncommitted code.")
def command(runs: tuple[str, ...], everything: bool, replace: bool, dirty: bool) -> None:
    """Copy the results of RUNS (keys, or first digits of keys) into leaderboards/results, and write the pages."""
    if bool(runs) == everything:
        raise UsageError("give the keys of the runs to publish, or --all")

    from unimp_bench.reports.pages.write import write_all
    from unimp_bench.reports.store import publish

    workspace = Workspace.here()
    published = publish(workspace, runs or None, replace=replace, dirty=dirty)
    for path in published.replaced:
        click.echo(f"removed {path}: an earlier result of the same row, data, split, protocol and seed")
    for path in (*published.written, *write_all(workspace.leaderboards)):
        click.echo(f"wrote {path}")
