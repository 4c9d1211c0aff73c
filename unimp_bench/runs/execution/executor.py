"""Runs the cells of a suite in processes: one failure stops no other cell, and no fit is trained twice at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from unimp_bench.errors import BusyError, UsageError
from unimp_bench.files import Workspace, is_locked
from unimp_bench.machine import share_cores
from unimp_bench.runs.plan import Cell
from unimp_bench.runs.results import RESULT_NAME
from unimp_bench.runs.runner import arguments_of

PROGRAM = ("-m", "unimp_bench.cli.main")
"""What Python is given to be ``unimp-bench``, whether the console script is installed or not."""


@dataclass(frozen=True)
class End:
    """How a process ended.

    Attributes:
        code: its exit code; the negative number of the signal that killed it.
        trouble: why it never ran or was lost, where that is not the process's own doing.
    """

    code: int = 0
    trouble: str = ""


class Job(ABC):
    """A process that was started, here or elsewhere."""

    @abstractmethod
    def end(self) -> End | None:
        """How it ended; None as long as it runs."""

    @abstractmethod
    def stop(self) -> None:
        """Tell it to end as after Ctrl-C, and do not wait for it."""

    @abstractmethod
    def wait(self) -> None:
        """Return once it has ended."""


class Executor(ABC):
    """Starts processes; a context manager, which gives back what it holds.

    Attributes:
        places: how many may run at once.
    """

    places: int

    @abstractmethod
    def start(self, arguments: Sequence[str], log: Path) -> Job:
        """Start ``unimp-bench`` with these arguments; all it says goes to ``log``, which is there and empty."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Give back what is held; nothing runs any more."""


class Processes(Executor):
    """Processes of this machine, which share its cores."""

    def __init__(self, places: int = 1) -> None:
        self.places = places

    def start(self, arguments: Sequence[str], log: Path) -> Job:
        environment = dict(os.environ)
        share_cores(environment, self.places)
        return _Process(start_process(arguments, log, environment))


class _Process(Job):
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def end(self) -> End | None:
        code = self._process.poll()
        return None if code is None else End(code)

    def stop(self) -> None:
        self._process.terminate()

    def wait(self) -> None:
        self._process.wait()


def start_process(arguments: Sequence[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A process of ``unimp-bench`` that says what it has to say at the end of ``log``."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, *PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
        )


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


_POLL_SECONDS = 0.2
_PAUSE_SECONDS = 5.0
"""Before a cell that found another process at work is tried again."""


def execute(cells: Sequence[Cell], workspace: Workspace, executor: Executor) -> Iterator[Event]:
    """Run the cells in their order, as many at once as the executor has places, never two that share a fit.

    A cell whose run or fit another process holds waits for that process: an orphan of a suite that was killed, or a
    run that the user started by hand. What still runs when the iteration ends is told to stop, and goes on from its
    checkpoint later.
    """
    waiting = [_Waiting(cell) for cell in cells]
    running: list[_Running] = []
    try:
        while waiting or running:
            for place in [*waiting]:
                if len(running) == executor.places:
                    break
                if any(other.shares_a_fit(place.cell) for other in running) or time.monotonic() < place.not_before:
                    continue
                holder = _held(place.cell, workspace)
                if holder is not None:
                    yield from place.tell(f"{holder} is locked by another process")
                    continue
                waiting.remove(place)
                if is_done(place.cell, workspace):  # the process that it waited for has done it
                    yield Event(place.cell, State.DONE)
                    continue
                running.append(_Running.start(place.cell, workspace, executor))
                yield Event(place.cell, State.RUNNING)
            for one in [*running]:
                end = one.job.end()
                if end is None:
                    continue
                running.remove(one)
                event = judged(one.cell, workspace, end, time.monotonic() - one.started)
                if event.state is State.HELD:
                    waiting.insert(0, _Waiting(one.cell, time.monotonic() + _PAUSE_SECONDS, event.reason))
                yield event
            time.sleep(_POLL_SECONDS)
    finally:
        for one in running:
            one.job.stop()
        for one in running:
            one.job.wait()


@dataclass
class _Waiting:
    """A cell that has not begun; ``told`` is why it waits, as far as that was said."""

    cell: Cell
    not_before: float = 0.0
    told: str = ""

    def tell(self, reason: str) -> Iterator[Event]:
        if reason != self.told:
            self.told = reason
            yield Event(self.cell, State.HELD, reason)


@dataclass(frozen=True)
class _Running:
    cell: Cell
    job: Job
    started: float

    @classmethod
    def start(cls, cell: Cell, workspace: Workspace, executor: Executor) -> _Running:
        log = log_of(cell, workspace).resolve()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        job = executor.start(arguments_of(cell.request, str(cell.request.corpus.resolve())), log)
        return cls(cell, job, time.monotonic())

    def shares_a_fit(self, cell: Cell) -> bool:
        """Whether both would fit or read the same model, which is locked meanwhile."""
        return not set(self.cell.fits).isdisjoint(cell.fits)


def _held(cell: Cell, workspace: Workspace) -> Path | None:
    """The folder of the run or of one of its fits that another process works on."""
    folders = [workspace.runs / cell.key, *(workspace.fits / key for key in cell.fits)]
    return next((folder for folder in folders if is_locked(folder)), None)
