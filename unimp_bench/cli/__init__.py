"""The command line: one module per command, imported when it runs."""

from __future__ import annotations

from typing import Any

import click

from unimp_bench.errors import did_you_mean


class Group(click.Group):
    """A group that suggests the nearest command for an unknown one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            raise click.UsageError(f"unknown command {args[0]!r}{did_you_mean(args[0], known)}")
        return super().resolve_command(ctx, args)


class CorpusGroup(Group):
    """A group whose main command may be left out: ``features beauty`` is ``features compute beauty``.

    Args:
        default: name of the command.
        attributes: of the group.
    """

    def __init__(self, *, default: str, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.default = default

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.list_commands(ctx) and not args[0].startswith("--"):
            args = [self.default, *args]
        return super().resolve_command(ctx, args)
