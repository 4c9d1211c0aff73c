"""Runs the cells of a suite in processes: failures are isolated, and no fit is trained twice at once."""

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
"""Arguments of Python for ``unimp-bench``, whether the console script is installed or not."""


@dataclass(frozen=True)
class End:
    """How a process ended.

    Attributes:
        code: its exit code, or the negative number of the signal that killed it.
        trouble: why it never ran or was lost, for reasons outside the process.
    """

    code: int = 0
    trouble: str = ""


class Job(ABC):
    """A started process, local or remote."""

    @abstractmethod
    def end(self) -> End | None:
        """How it ended; None while it runs."""

    @abstractmethod
    def stop(self) -> None:
        """Request it to end as by Ctrl-C, without waiting."""

    @abstractmethod
    def wait(self) -> None:
        """Return once it has ended."""


class Executor(ABC):
    """Starts processes; a context manager that releases its resources.

    Attributes:
        places: maximum number of parallel processes.
    """

    places: int

    @abstractmethod
    def start(self, arguments: Sequence[str], log: Path) -> Job:
        """Start ``unimp-bench`` with these arguments; its output goes to ``log``, an existing empty file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - most have no resources
        """Release resources; no process runs any more."""


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
    """A process of ``unimp-bench`` with its output appended to ``log``."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, *PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
        )


LOG_NAME = "log.txt"

# Last words of a process that ran out of memory: Python's, and PyTorch's on CPU and GPU.
_NO_MEMORY = ("MemoryError", "can't allocate memory", "out of memory")
_TAIL_BYTES = 65_536


class State(StrEnum):
    """State of a cell."""

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
    """A change of a cell's state.

    Attributes:
        cell: the cell.
        state: the new state.
        reason: why it waits, failed or cannot run, in one line; empty for other states.
        seconds: wall time since its start, if it has ended.
    """

    cell: Cell
    state: State
    reason: str = ""
    seconds: float = 0.0


def is_done(cell: Cell, workspace: Workspace) -> bool:
    """Whether the cell's run has a result."""
    return bool(cell.key) and (workspace.runs / cell.key / RESULT_NAME).is_file()


def log_of(cell: Cell, workspace: Workspace) -> Path:
    """The file of the output of the cell's process."""
    return workspace.runs / cell.key / LOG_NAME


def judged(cell: Cell, workspace: Workspace, end: End, seconds: float) -> Event:
    """The event of a cell whose process has ended.

    A usage error of the process is not a failure: names and settings were checked by the suite, so the corpus lacks
    data required by the row, such as reviews.
    """
    message = last_line(log_of(cell, workspace)).removeprefix("error: ")
    if end.trouble:
        return Event(cell, State.FAILED, end.trouble, seconds)
    if end.code == 0:
        if is_done(cell, workspace):
            return Event(cell, State.DONE, seconds=seconds)
        return Event(cell, State.FAILED, "exited with 0, but its result is not in this workspace", seconds)
    if end.code == BusyError.exit_code:
        return Event(cell, State.HELD, message, seconds)
    if end.code == UsageError.exit_code:
        return Event(cell, State.REFUSED, message, seconds)
    return Event(cell, State.FAILED, _failure(end.code, message), seconds)


def _failure(code: int, message: str) -> str:
    if code < 0:
        hint = " (out of memory?)" if -code == signal.SIGKILL else ""
        return f"killed by {_signal_name(-code)}{hint}"
    if any(words in message for words in _NO_MEMORY):
        return f"out of memory: {message}"
    return message or f"ended with exit code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_line(path: Path) -> str:
    """The last non-blank line of a text file; empty if there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(text.replace("\r", "\n").splitlines()) if line.strip()), "")


_POLL_SECONDS = 0.2
_PAUSE_SECONDS = 5.0
"""Pause before a cell locked by another process is retried."""


def execute(cells: Sequence[Cell], workspace: Workspace, executor: Executor) -> Iterator[Event]:
    """Run the cells in order, as many in parallel as the executor has places, never two that share a fit.

    A cell whose run or fit is locked by another process (an orphan of a killed suite, or a manual run) waits for that
    process. Processes that still run when the iteration ends are stopped; they resume from their checkpoints later.
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
                    yield from place.report(f"{holder} is locked by another process")
                    continue
                waiting.remove(place)
                if is_done(place.cell, workspace):  # by the process that held the lock
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
    """A cell that has not started; ``reported`` is the last reported reason of its waiting."""

    cell: Cell
    not_before: float = 0.0
    reported: str = ""

    def report(self, reason: str) -> Iterator[Event]:
        if reason != self.reported:
            self.reported = reason
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
        """Whether both use the same fit, which is locked meanwhile."""
        return not set(self.cell.fits).isdisjoint(cell.fits)


def _held(cell: Cell, workspace: Workspace) -> Path | None:
    """The folder of the run or of one of its fits that is locked by another process."""
    folders = [workspace.runs / cell.key, *(workspace.fits / key for key in cell.fits)]
    return next((folder for folder in folders if is_locked(folder)), None)
