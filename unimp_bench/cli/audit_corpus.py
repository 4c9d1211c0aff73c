"""``unimp-bench audit corpus``: how far a corpus can be solved by shortcuts."""

from __future__ import annotations

import click


@click.command("corpus")
@click.argument("corpus", default="sample")
def command(corpus: str) -> None:
    """Measure the shortcuts of a built corpus, and write the page beside it."""
    raise NotImplementedError
