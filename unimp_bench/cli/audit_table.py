"""``unimp-bench audit table``: whether a printed row can come from one set of target ranks."""

from __future__ import annotations

import click


@click.command("table")
@click.argument("file")
def command(file: str) -> None:
    """Test the rows of FILE."""
    raise NotImplementedError
