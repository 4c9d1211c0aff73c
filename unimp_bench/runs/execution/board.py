"""Progress of a suite: the state of its cells, as a live table on a terminal or as plain lines in a log."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from unimp_bench import registry
from unimp_bench.files import Workspace
from unimp_bench.kinds import kind_of
from unimp_bench.progress import duration
from unimp_bench.runs.execution.executor import Event, State, is_done, last_line, log_of
from unimp_bench.runs.fitting import FIT_NAME
from unimp_bench.runs.fitting import LOG_NAME as FIT_LOG_NAME
from unimp_bench.runs.plan import Cell
from unimp_bench.runs.results import RESULT_NAME, Result


@dataclass(eq=False)
class Standing:
    """State of one cell.

    Attributes:
        note: its main metric, or why it waits, failed or cannot run; empty before it starts and while it runs.
        seconds: wall time of the run, or the cost of an existing result; None if nothing was run.
        started: monotonic time of its start, while it runs.
        place: its index among finished cells, from 1; 0 before.
    """

    cell: Cell
    state: State = State.LEFT
    note: str = ""
    seconds: float | None = None
    started: float | None = None
    place: int = 0


class Board:
    """The cells of a suite call in order, updated by their events.

    Attributes:
        standings: one per cell.
        places: number of cells that run in parallel.
    """

    def __init__(self, cells: Sequence[Cell], workspace: Workspace) -> None:
        self._workspace = workspace
        self.places = 1
        self.standings = [self._first(cell) for cell in cells]
        self._by_key = {standing.cell.key: standing for standing in self.standings if standing.cell.key}

    def left(self) -> list[Cell]:
        """The cells that have not been run."""
        return [standing.cell for standing in self.standings if standing.state is State.LEFT]

    def of(self, *states: State) -> list[Standing]:
        """The standings with one of the given states."""
        return [standing for standing in self.standings if standing.state in states]

    def note(self, event: Event) -> Standing:
        """Record an event; return the standing of its cell."""
        standing = self._by_key[event.cell.key]
        standing.started = time.monotonic() if event.state is State.RUNNING else None
        standing.note, standing.seconds = event.reason, event.seconds or None
        if event.state is State.DONE:
            standing.note = main_metric(Result.read(self._workspace.runs / event.cell.key / RESULT_NAME))
        if event.state in (State.DONE, State.FAILED, State.REFUSED):
            standing.place = 1 + max(other.place for other in self.standings)
        standing.state = event.state  # last, so that a concurrent table sees a consistent standing
        return standing

    def counts(self) -> str:
        """Numbers of cells per non-empty state, in words."""
        number = Counter(standing.state for standing in self.standings)
        return ", ".join(f"{number[state]} {state}" for state in State if number[state]) or "nothing to do"

    def remaining_seconds(self) -> float | None:
        """Estimated time of the remaining cells, from the mean time of finished cells of the same row.

        A row without finished cells uses the mean of all finished cells; None if there are none.
        """
        known = [standing for standing in self.standings if standing.state.has_result and standing.seconds is not None]
        if not known:
            return None
        mean = fmean(standing.seconds or 0.0 for standing in known)
        total = 0.0
        for standing in self.of(State.LEFT, State.HELD, State.RUNNING):
            row = [other.seconds or 0.0 for other in known if other.cell.row.label == standing.cell.row.label]
            spent = 0.0 if standing.started is None else time.monotonic() - standing.started
            total += max(0.0, (fmean(row) if row else mean) - spent)
        return total / self.places

    def _first(self, cell: Cell) -> Standing:
        if cell.refused:
            return Standing(cell, State.REFUSED, cell.refused)
        if not is_done(cell, self._workspace):
            return Standing(cell)
        result = Result.read(self._workspace.runs / cell.key / RESULT_NAME)
        cost = result.cost
        seconds = None if cost is None else cost.fit_seconds + cost.predict_seconds
        return Standing(cell, State.WAS_THERE, main_metric(result), seconds)


def main_metric(result: Result) -> str:
    """The main metric of the task, with its value."""
    main = kind_of(registry.task_cards()[result.spec.task].kind).main
    return f"{main} {result.metrics[main].value:.4f}" if main in result.metrics else f"no {main}"


def progress_of(cell: Cell, workspace: Workspace) -> str:
    """Progress of a running cell: the epoch of its fit, or the last line of its output."""
    for number, key in enumerate(cell.fits, 1):
        fit = workspace.fits / key
        if (fit / FIT_NAME).is_file():
            continue
        logs = sorted((fit / "work" / FIT_LOG_NAME).glob("*.jsonl"), key=_changed)
        stage = f"fit {number} of {len(cell.fits)}, " if len(cell.fits) > 1 else ""
        epoch = _epoch(last_line(logs[-1])) if logs else ""
        return stage + epoch if epoch else stage + (last_line(log_of(cell, workspace)) or "fitting")
    return last_line(log_of(cell, workspace)) or "predicting"


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # the fit has just ended
        return 0.0


def _epoch(line: str) -> str:
    """A line of a training log in words; empty if it cannot be parsed, as while it is being written."""
    try:
        entry = json.loads(line)
        parts = [f"epoch {entry['epoch']}"]
    except (ValueError, TypeError, KeyError):
        return ""
    if scores := entry.get("validation"):
        parts += [f"validation {next(iter(scores.values())):.4f}"]
    elif isinstance(entry.get("loss"), float):
        parts += [f"loss {entry['loss']:.4f}"]
    return ", ".join(parts)


Follow = Callable[[Standing], None]
"""Called with each cell whose state has changed."""


@contextmanager
def plain(board: Board, workspace: Workspace) -> Iterator[Follow]:
    """Print finished and impossible cells, then follow the events."""
    echo_standings(board.of(State.WAS_THERE, State.REFUSED))

    def follow(standing: Standing) -> None:
        if standing.state is State.RUNNING:
            _echo(standing.state, standing.cell.name, str(log_of(standing.cell, workspace)))
        elif standing.state is State.HELD:
            _echo(standing.state, standing.cell.name, standing.note)
        else:
            left = len(board.of(State.LEFT, State.HELD, State.RUNNING))
            text = f"{standing.note}  ({standing.seconds or 0:.0f} s, {left} left)"
            _echo(standing.state, standing.cell.name, text)

    yield follow


def echo_standings(standings: list[Standing]) -> None:
    """Print one line per cell: its state, and its metric or reason; cells that cannot run are grouped by reason."""
    refused: dict[str, list[Standing]] = {}
    for standing in standings:
        if standing.state is State.REFUSED:
            refused.setdefault(standing.note, []).append(standing)
        else:
            _echo(standing.state, standing.cell.name, standing.note)
    for reason, alike in refused.items():
        labels = "; ".join(dict.fromkeys(standing.cell.row.label for standing in alike))
        name = alike[0].cell.name if len(alike) == 1 else f"{len(alike)} runs of {labels}"
        _echo(State.REFUSED, name, reason)


def echo_failed(board: Board, workspace: Workspace) -> None:
    """Print the failed cells with reason and log."""
    failed = board.of(State.FAILED)
    if failed:
        click.echo(f"{len(failed)} {State.FAILED}:")
    for standing in failed:
        log = f"  ({log_of(standing.cell, workspace)})" if standing.cell.key else ""
        click.echo(f"  {standing.cell.name}: {standing.note}{log}")


def _echo(state: State, name: str, text: str) -> None:
    click.echo(f"  {str(state).ljust(10)} {name}" + (f": {text}" if text else ""))


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
"""Lines of the screen around the rows: the table's head and ends, the lines below it, and the cursor's."""


def shown_live() -> bool:
    """Whether standard output is an interactive terminal."""
    return sys.stdout.isatty() and Console().is_interactive


@contextmanager
def live(board: Board, workspace: Workspace, console: Console | None = None) -> Iterator[Follow]:
    """Keep a live table on the terminal; its last state remains, followed by the reasons of cells that cannot run."""
    console = console or Console()

    def drawn() -> RenderableType:
        return table(board, workspace, console.size.height)

    with Live(get_renderable=drawn, console=console, refresh_per_second=2, redirect_stdout=False) as screen:
        yield lambda standing: None  # the live table reads the board itself
        screen.refresh()
    echo_standings(board.of(State.REFUSED))


def table(board: Board, workspace: Workspace, height: int) -> RenderableType:
    """The board on a screen of ``height`` lines."""
    chosen = chosen_for(board, max(3, height - _FRAME_LINES))
    lines = Table(box=None, pad_edge=False, header_style="bold")
    lines.add_column("row", no_wrap=True, overflow="ellipsis", max_width=32)
    for name in ("task", "seed", "state"):
        lines.add_column(name, no_wrap=True)
    lines.add_column("progress", no_wrap=True, overflow="ellipsis", ratio=1)
    lines.add_column("time", no_wrap=True, justify="right")
    for standing in chosen:
        request, state = standing.cell.request, standing.state
        note = progress_of(standing.cell, workspace) if state is State.RUNNING else standing.note
        cells = (standing.cell.row.label, request.task, str(request.seed), str(state), note, _time(standing))
        # As Text, since brackets in labels and reasons are not markup.
        lines.add_row(*(Text(cell, style="" if column == 4 else _STYLES[state]) for column, cell in enumerate(cells)))
    hidden = len(board.standings) - len(chosen)
    return Group(lines, Text(f"and {hidden} more" if hidden else "", style="dim"), Text(summary(board), style="bold"))


def summary(board: Board) -> str:
    """Numbers of cells per state, and the estimated remaining time."""
    rest = board.remaining_seconds() if board.of(State.LEFT, State.HELD, State.RUNNING) else None
    return board.counts() + ("" if rest is None else f"; about {duration(rest)} left")


def chosen_for(board: Board, lines: int) -> list[Standing]:
    """The standings that fit on the screen, in the order of the board, selected by relevance and recency."""
    wanted = sorted(board.standings, key=lambda standing: (_WANTED.index(standing.state), -standing.place))
    chosen = set(wanted[:lines])
    return [standing for standing in board.standings if standing in chosen]


def _time(standing: Standing) -> str:
    if standing.started is not None:
        return duration(time.monotonic() - standing.started)
    return "" if standing.seconds is None else duration(standing.seconds)
