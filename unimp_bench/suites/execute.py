"""Runs cells, each in a process of its own: one that fails or is killed stops no other, and memory is given back."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unimp_bench.paths import Workspace
from unimp_bench.results import RESULT_NAME
from unimp_bench.runner import arguments_of
from unimp_bench.suites.plan import Cell

LOG_NAME = "log.txt"

_POLL_SECONDS = 0.2
_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Event:
    """A cell was started, or came to its end.

    Attributes:
        cell: which.
        ended: whether it came to its end.
        seconds: wall time since its start.
        failed: why it has no result, in a line; empty where it has one.
    """

    cell: Cell
    ended: bool = False
    seconds: float = 0.0
    failed: str = ""


def is_done(cell: Cell, workspace: Workspace) -> bool:
    """Whether the cell's run has its result."""
    return bool(cell.key) and (workspace.runs / cell.key / RESULT_NAME).is_file()


def execute(cells: Sequence[Cell], workspace: Workspace, jobs: int) -> Iterator[Event]:
    """Run the cells in their order, at most ``jobs`` at once and never two that share a fit.

    A process that is still there when the iteration ends is told to stop; its fit goes on from its checkpoint later.
    """
    waiting = list(cells)
    running: list[_Child] = []
    try:
        while waiting or running:
            for cell in [*waiting]:
                if len(running) < jobs and not any(child.shares_a_fit(cell) for child in running):
                    waiting.remove(cell)
                    running.append(_Child(cell, workspace, jobs))
                    yield Event(cell)
            for child in [*running]:
                if child.process.poll() is not None:
                    running.remove(child)
                    yield Event(child.cell, True, time.monotonic() - child.started, child.failure())
            time.sleep(_POLL_SECONDS)
    finally:
        for child in running:
            child.process.terminate()
        for child in running:
            child.process.wait()


class _Child:
    """The process of one cell: the command of its result, its output in the run's folder."""

    def __init__(self, cell: Cell, workspace: Workspace, jobs: int) -> None:
        self.cell = cell
        self.started = time.monotonic()
        self._log = workspace.runs / cell.key / LOG_NAME
        self._log.parent.mkdir(parents=True, exist_ok=True)
        command = arguments_of(cell.request, str(cell.request.corpus.resolve()))
        environment = dict(os.environ)
        if jobs > 1:
            environment.setdefault(_THREADS, str(max(1, (os.cpu_count() or 1) // jobs)))
        with self._log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "unimp_bench.cli.main", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    def shares_a_fit(self, cell: Cell) -> bool:
        """Whether both would fit or read the same model, which is locked meanwhile."""
        return not set(self.cell.fits).isdisjoint(cell.fits)

    def failure(self) -> str:
        """Why the process that ended gave no result."""
        code = self.process.returncode
        if code == 0:
            return ""
        if code < 0:
            return f"killed by signal {-code}" + (" (out of memory?)" if code == -9 else "")
        return _last_line(self._log) or f"ended with exit code {code}"


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
    return next((line.removeprefix("error: ") for line in reversed(lines) if line.strip()), "")
