"""A table on the terminal that follows a suite: what runs and what failed, whatever the number of its cells."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from unimp_bench.paths import Workspace
from unimp_bench.progress import duration
from unimp_bench.suites.execution.board import Board, Standing, progress_of
from unimp_bench.suites.execution.event import State
from unimp_bench.suites.execution.plain import Follow, echo_standings

_STYLES = {
    State.LEFT: "dim",
    State.HELD: "yellow",
    State.RUNNING: "bold cyan",
    State.WAS_THERE: "green",
    State.DONE: "green",
    State.FAILED: "bold red",
    State.REFUSED: "magenta",
}
_WANTED = (State.RUNNING, State.FAILED, State.HELD, State.DONE, State.LEFT, State.REFUSED, State.WAS_THERE)
_FRAME_LINES = 6
"""Of the screen: the table's head and ends, the lines below it, and the cursor's."""


def shown_live() -> bool:
    """Whether standard output is a terminal that can be drawn on."""
    return sys.stdout.isatty() and Console().is_interactive


@contextmanager
def live(board: Board, workspace: Workspace, console: Console | None = None) -> Iterator[Follow]:
    """Keep a table of the board on the terminal; its last state stays there, with the reasons of what cannot run."""
    console = console or Console()

    def drawn() -> RenderableType:
        return table(board, workspace, console.size.height)

    with Live(get_renderable=drawn, console=console, refresh_per_second=2, redirect_stdout=False) as screen:
        yield lambda standing: None  # the screen looks for itself
        screen.refresh()
    echo_standings(board.of(State.REFUSED))


def table(board: Board, workspace: Workspace, height: int) -> RenderableType:
    """The board on a screen of ``height`` lines."""
    chosen = chosen_for(board, max(3, height - _FRAME_LINES))
    lines = Table(box=None, pad_edge=False, header_style="bold")
    lines.add_column("row", no_wrap=True, overflow="ellipsis", max_width=32)
    for name in ("task", "seed", "state"):
        lines.add_column(name, no_wrap=True)
    lines.add_column("what", no_wrap=True, overflow="ellipsis", ratio=1)
    lines.add_column("time", no_wrap=True, justify="right")
    for standing in chosen:
        request, state = standing.cell.request, standing.state
        said = progress_of(standing.cell, workspace) if state is State.RUNNING else standing.said
        cells = (standing.cell.row.label, request.task, str(request.seed), str(state), said, _time(standing))
        # A label or reason may hold brackets, which are no markup here.
        lines.add_row(*(Text(cell, style="" if column == 4 else _STYLES[state]) for column, cell in enumerate(cells)))
    hidden = len(board.standings) - len(chosen)
    return Group(lines, Text(f"and {hidden} more" if hidden else "", style="dim"), Text(summary(board), style="bold"))


def summary(board: Board) -> str:
    """Counts of the states, and the time that the rest may take."""
    rest = board.remaining_seconds() if board.of(State.LEFT, State.HELD, State.RUNNING) else None
    return board.counts() + ("" if rest is None else f"; about {duration(rest)} to go")


def chosen_for(board: Board, lines: int) -> list[Standing]:
    """The standings that fit, in the order of the board: those that a user looks for first, the last ended before."""
    wanted = sorted(board.standings, key=lambda standing: (_WANTED.index(standing.state), -standing.place))
    chosen = set(wanted[:lines])
    return [standing for standing in board.standings if standing in chosen]


def _time(standing: Standing) -> str:
    if standing.started is not None:
        return duration(time.monotonic() - standing.started)
    return "" if standing.seconds is None else duration(standing.seconds)
