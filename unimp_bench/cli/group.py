"""Commands of commands, whose misspelt names answer with the nearest."""

from __future__ import annotations

import click

from unimp_bench.errors import did_you_mean


class Group(click.Group):
    """A group that knows its commands by name, and says which is near to one that it does not know."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            raise click.UsageError(f"no command is called {args[0]!r}{did_you_mean(args[0], known)}")
        return super().resolve_command(ctx, args)
