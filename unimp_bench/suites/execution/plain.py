"""A suite in plain lines, one an event: for logs, pipes and terminals that cannot be drawn on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from unimp_bench.paths import Workspace
from unimp_bench.suites.execution.board import Board, Standing
from unimp_bench.suites.execution.event import State, log_of

Follow = Callable[[Standing], None]
"""Told of each cell whose state has changed."""


@contextmanager
def plain(board: Board, workspace: Workspace) -> Iterator[Follow]:
    """Say what needs no running; then follow the events."""
    echo_standings(board.of(State.WAS_THERE, State.REFUSED))

    def follow(standing: Standing) -> None:
        if standing.state is State.RUNNING:
            _echo(standing.state, standing.cell.name, str(log_of(standing.cell, workspace)))
        elif standing.state is State.HELD:
            _echo(standing.state, standing.cell.name, standing.said)
        else:
            left = len(board.of(State.LEFT, State.HELD, State.RUNNING))
            said = f"{standing.said}  ({standing.seconds or 0:.0f} s, {left} left)"
            _echo(standing.state, standing.cell.name, said)

    yield follow


def echo_standings(standings: list[Standing]) -> None:
    """A line for each cell: where it stands, and its metric or why it has none; cells that cannot run by the reason."""
    refused: dict[str, list[Standing]] = {}
    for standing in standings:
        if standing.state is State.REFUSED:
            refused.setdefault(standing.said, []).append(standing)
        else:
            _echo(standing.state, standing.cell.name, standing.said)
    for reason, alike in refused.items():
        labels = "; ".join(dict.fromkeys(standing.cell.row.label for standing in alike))
        name = alike[0].cell.name if len(alike) == 1 else f"{len(alike)} runs of {labels}"
        _echo(State.REFUSED, name, reason)


def echo_failed(board: Board, workspace: Workspace) -> None:
    """The cells that failed: why, and where they said it."""
    failed = board.of(State.FAILED)
    if failed:
        click.echo(f"{len(failed)} {State.FAILED}:")
    for standing in failed:
        log = f"  ({log_of(standing.cell, workspace)})" if standing.cell.key else ""
        click.echo(f"  {standing.cell.name}: {standing.said}{log}")


def _echo(state: State, name: str, text: str) -> None:
    click.echo(f"  {str(state).ljust(10)} {name}" + (f": {text}" if text else ""))
