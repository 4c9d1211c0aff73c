"""Where all cells of a suite stand, and how long what is left may take."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from unimp_bench import registry
from unimp_bench.fitting import FIT_NAME, LOG_NAME
from unimp_bench.kinds import kind_of
from unimp_bench.paths import Workspace
from unimp_bench.results import RESULT_NAME, Result
from unimp_bench.suites.execution.event import Event, State, is_done, last_line, log_of
from unimp_bench.suites.plan import Cell


@dataclass(eq=False)
class Standing:
    """Where one cell stands.

    Attributes:
        said: its main metric, or why it waits, failed or cannot run; empty before it begins and while it runs.
        seconds: wall time of the run, or the cost of a result that was there; None where nothing was run.
        started: by the monotonic clock, while it runs.
        place: its number among those that came to an end, 0 before.
    """

    cell: Cell
    state: State = State.LEFT
    said: str = ""
    seconds: float | None = None
    started: float | None = None
    place: int = 0


class Board:
    """The cells of a call in their order; follows their events.

    Attributes:
        standings: one a cell.
        places: how many cells run at once.
    """

    def __init__(self, cells: Sequence[Cell], workspace: Workspace) -> None:
        self._workspace = workspace
        self.places = 1
        self.standings = [self._first(cell) for cell in cells]
        self._by_key = {standing.cell.key: standing for standing in self.standings if standing.cell.key}

    def left(self) -> list[Cell]:
        """The cells that have to be run."""
        return [standing.cell for standing in self.standings if standing.state is State.LEFT]

    def of(self, *states: State) -> list[Standing]:
        """Those that stand in one of some states."""
        return [standing for standing in self.standings if standing.state in states]

    def note(self, event: Event) -> Standing:
        """Take an event down; where its cell stands now."""
        standing = self._by_key[event.cell.key]
        standing.started = time.monotonic() if event.state is State.RUNNING else None
        standing.said, standing.seconds = event.reason, event.seconds or None
        if event.state is State.DONE:
            standing.said = main_metric(Result.read(self._workspace.runs / event.cell.key / RESULT_NAME))
        if event.state in (State.DONE, State.FAILED, State.REFUSED):
            standing.place = 1 + max(other.place for other in self.standings)
        standing.state = event.state  # last: what a table shows of it meanwhile is whole
        return standing

    def counts(self) -> str:
        """How many cells stand where, in words; nothing of empty states."""
        number = Counter(standing.state for standing in self.standings)
        return ", ".join(f"{number[state]} {state}" for state in State if number[state]) or "nothing to do"

    def remaining_seconds(self) -> float | None:
        """What is left would take so long if each cell took what the finished ones of its row took.

        A row without one counts as the mean of all finished cells; None where there is none.
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
    """The metric that a task's models are compared by."""
    main = kind_of(registry.task_cards()[result.spec.task].kind).main
    return f"{main} {result.metrics[main].value:.4f}" if main in result.metrics else f"no {main}"


def progress_of(cell: Cell, workspace: Workspace) -> str:
    """How far a running cell has come: the epoch of its fit, or the last line of what it said."""
    for number, key in enumerate(cell.fits, 1):
        fit = workspace.fits / key
        if (fit / FIT_NAME).is_file():
            continue
        logs = sorted((fit / "work" / LOG_NAME).glob("*.jsonl"), key=_changed)
        stage = f"fit {number} of {len(cell.fits)}, " if len(cell.fits) > 1 else ""
        epoch = _epoch(last_line(logs[-1])) if logs else ""
        return stage + epoch if epoch else stage + (last_line(log_of(cell, workspace)) or "fits")
    return last_line(log_of(cell, workspace)) or "predicts"


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # the fit has just ended
        return 0.0


def _epoch(line: str) -> str:
    """A line of a training's log in words; empty where it is none, as when it is still being written."""
    try:
        said = json.loads(line)
        parts = [f"epoch {said['epoch']}"]
    except (ValueError, TypeError, KeyError):
        return ""
    if scores := said.get("validation"):
        parts += [f"validation {next(iter(scores.values())):.4f}"]
    elif isinstance(said.get("loss"), float):
        parts += [f"loss {said['loss']:.4f}"]
    return ", ".join(parts)
