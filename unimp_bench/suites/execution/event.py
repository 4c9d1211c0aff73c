"""What happens to a cell, and what the end of its process says of it."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from unimp_bench.errors import BusyError, UsageError
from unimp_bench.paths import Workspace
from unimp_bench.results import RESULT_NAME
from unimp_bench.suites.execution.executor import End
from unimp_bench.suites.plan import Cell

LOG_NAME = "log.txt"

# The last words of a process that ran out of memory: Python's own, PyTorch's on a processor and on a graphics card.
_NO_MEMORY = ("MemoryError", "can't allocate memory", "out of memory")
_TAIL_BYTES = 65_536


class State(StrEnum):
    """Where a cell stands."""

    LEFT = "left"
    HELD = "waiting"
    RUNNING = "running"
    WAS_THERE = "was there"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "cannot run"

    @property
    def has_result(self) -> bool:
        return self in (State.WAS_THERE, State.DONE)


@dataclass(frozen=True)
class Event:
    """A cell has changed its state.

    Attributes:
        cell: which.
        state: the new one.
        reason: why it waits, failed or cannot run, in a line; empty for the other states.
        seconds: wall time since its start, where it has ended.
    """

    cell: Cell
    state: State
    reason: str = ""
    seconds: float = 0.0


def is_done(cell: Cell, workspace: Workspace) -> bool:
    """Whether the cell's run has its result."""
    return bool(cell.key) and (workspace.runs / cell.key / RESULT_NAME).is_file()


def log_of(cell: Cell, workspace: Workspace) -> Path:
    """Where the cell's process writes what it says."""
    return workspace.runs / cell.key / LOG_NAME


def judged(cell: Cell, workspace: Workspace, end: End, seconds: float) -> Event:
    """What the end of its process means for a cell.

    What the process calls a mistake of the user is no failure here: the suite has checked names and settings, so it
    is the corpus that lacks what the row needs, such as reviews.
    """
    said = last_line(log_of(cell, workspace)).removeprefix("error: ")
    if end.trouble:
        return Event(cell, State.FAILED, end.trouble, seconds)
    if end.code == 0:
        if is_done(cell, workspace):
            return Event(cell, State.DONE, seconds=seconds)
        return Event(cell, State.FAILED, "ended well, but its result is not in this workspace", seconds)
    if end.code == BusyError.exit_code:
        return Event(cell, State.HELD, said, seconds)
    if end.code == UsageError.exit_code:
        return Event(cell, State.REFUSED, said, seconds)
    return Event(cell, State.FAILED, _failure(end.code, said), seconds)


def _failure(code: int, said: str) -> str:
    if code < 0:
        hint = " (out of memory?)" if -code == signal.SIGKILL else ""
        return f"killed by {_signal_name(-code)}{hint}"
    if any(words in said for words in _NO_MEMORY):
        return f"out of memory: {said}"
    return said or f"ended with exit code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_line(path: Path) -> str:
    """The last line of a text file that has anything on it; empty where there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(text.replace("\r", "\n").splitlines()) if line.strip()), "")
