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
            _echo(standing, str(log_of(standing.cell, workspace)))
        elif standing.state is State.HELD:
            _echo(standing, standing.said)
        else:
            left = len(board.of(State.LEFT, State.HELD, State.RUNNING))
            _echo(standing, f"{standing.said}  ({standing.seconds or 0:.0f} s, {left} left)")

    yield follow


def echo_standings(standings: list[Standing]) -> None:
    """A line for each cell: where it stands, and its metric or why it has none."""
    for standing in standings:
        _echo(standing, standing.said)


def echo_without_result(board: Board, workspace: Workspace) -> None:
    """The cells that ended without a result: why, and where they said it."""
    for state in (State.REFUSED, State.FAILED):
        standings = board.of(state)
        if standings:
            click.echo(f"{len(standings)} {state}:")
        for standing in standings:
            log = f"  ({log_of(standing.cell, workspace)})" if standing.cell.key else ""
            click.echo(f"  {standing.cell.name}: {standing.said}{log}")


def _echo(standing: Standing, text: str) -> None:
    click.echo(f"  {str(standing.state).ljust(10)} {standing.cell.name}" + (f": {text}" if text else ""))
