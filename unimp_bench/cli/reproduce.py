"""``unimp-bench reproduce``: a published row, run again from its stored specification."""

from __future__ import annotations

import click


@click.command("reproduce")
@click.argument("row")
def command(row: str) -> None:
    """Run ROW again."""
    raise NotImplementedError
