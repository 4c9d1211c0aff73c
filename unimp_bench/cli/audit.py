"""``unimp-bench audit``: how far a corpus or a printed table can be trusted."""

from __future__ import annotations

import click

from unimp_bench.cli import audit_corpus, audit_table
from unimp_bench.cli.group import Group


@click.group("audit", cls=Group)
def command() -> None:
    """Look for shortcuts in a corpus, or test whether the numbers of a table agree."""


command.add_command(audit_corpus.command)
command.add_command(audit_table.command)
