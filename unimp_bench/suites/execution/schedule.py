"""Which cell runs when: one that fails or is killed stops no other, and two never work on the same fit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unimp_bench.files import is_locked
from unimp_bench.paths import Workspace
from unimp_bench.runner import arguments_of
from unimp_bench.suites.execution.event import Event, State, is_done, judged, log_of
from unimp_bench.suites.execution.executor import Executor, Job
from unimp_bench.suites.plan import Cell

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
                    yield from place.tell(f"another process works on {holder}")
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
