"""Work in processes of its own, so that its memory is its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from benchmarks.turns import Seconds, timed
from unimp_bench.errors import UsageError
from unimp_bench.machine import peak_memory_mib

ROOT = Path(__file__).resolve().parent.parent
_STATUS = Path("/proc/self/status")

Arguments = ParamSpec("Arguments")
ValueT = TypeVar("ValueT")


def peak_mib() -> float:
    """Largest resident size of this process, in MiB.

    On Linux as the kernel counts it since the process began to run its own program: ``ru_maxrss`` begins at what the
    parent held when it started the process.
    """
    if not _STATUS.is_file():
        return peak_memory_mib()
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 2**10


def in_own_process(work: Callable[Arguments, ValueT], *arguments: Arguments.args, **named: Arguments.kwargs) -> ValueT:
    """What a function of a module gives in a fresh process."""
    with _fresh() as pool:
        return pool.submit(work, *arguments, **named).result()


class Worker:
    """An object in a fresh process, whose methods are called, and timed, there.

    Args:
        make: makes the object from the arguments.
    """

    def __init__(self, make: Callable[..., object], *arguments: object) -> None:
        self._pool = _fresh(_keep, make, arguments)

    def timed(self, method: str) -> Seconds:
        """What a call of a method took."""
        return self._pool.submit(_call, method).result()

    def end(self) -> float:
        """End the process; gives its peak in MiB."""
        peak = self._pool.submit(peak_mib).result()
        self._pool.shutdown()
        return peak


def _fresh(begin: Callable[..., None] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"), begin, arguments)


_kept: list[Any] = []


def _keep(make: Callable[..., object], arguments: Sequence[object]) -> None:
    _kept.append(make(*arguments))


def _call(method: str) -> Seconds:
    return timed(getattr(_kept[0], method))[1]


@dataclass(frozen=True)
class Cost:
    """What a whole command took, its largest resident size in MiB, and what it printed."""

    seconds: Seconds
    peak: float
    printed: str


def run_command(command: Sequence[str], folder: Path = ROOT, environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command of Python in a folder, its imports from the project's root where the environment says no other.

    Args:
        command: what follows ``python``.

    Raises:
        UsageError: it failed; with the end of what it said.
    """
    return in_own_process(_run, [sys.executable, *command], folder, dict(environment or {}))


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> Cost:
    """From a small process in between, whose size is the least that the command's peak can be."""
    whole = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        run = subprocess.Popen(command, cwd=folder, env=whole, stdout=said, stderr=said)
        _, status, usage = os.wait4(run.pid, 0)
        wall = time.perf_counter() - started
        said.seek(0)
        printed = said.read().decode("utf-8", "replace")
    if status:
        raise UsageError(f"{' '.join(command[1:])} failed: {printed[-2000:]}")
    peak = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return Cost(Seconds(wall, usage.ru_utime + usage.ru_stime), peak, printed)
