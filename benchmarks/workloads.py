"""Generated corpora, and fresh processes with their own memory."""

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

import numpy as np
import pyarrow as pa

from benchmarks.harness import Seconds, timed
from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.errors import UsageError
from unimp_bench.machine import peak_memory_mib
from unimp_bench.ragged import Ragged
from unimp_bench.records import Histories, IntArray

ROOT = Path(__file__).resolve().parent.parent
_STATUS = Path("/proc/self/status")

Arguments = ParamSpec("Arguments")
ValueT = TypeVar("ValueT")


def peak_mib() -> float:
    """Peak resident size of this process in MiB.

    On Linux ``VmHWM``, since ``ru_maxrss`` starts with the size of the parent process.
    """
    if not _STATUS.is_file():
        return peak_memory_mib()
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 2**10


def in_own_process(work: Callable[Arguments, ValueT], *arguments: Arguments.args, **named: Arguments.kwargs) -> ValueT:
    """The result of a function of a module in a fresh process."""
    with _fresh() as pool:
        return pool.submit(work, *arguments, **named).result()


class Worker:
    """An object in a fresh process, whose methods are called and timed there.

    Args:
        make: creates the object from the arguments.
    """

    def __init__(self, make: Callable[..., object], *arguments: object) -> None:
        self._pool = _fresh(_keep, make, arguments)

    def timed(self, method: str) -> Seconds:
        """The time of a call of a method."""
        return self._pool.submit(_call, method).result()[1]

    def value(self, method: str) -> Any:
        """What a method returns."""
        return self._pool.submit(_call, method).result()[0]

    def end(self) -> float:
        """End the process; return its peak in MiB."""
        peak = self._pool.submit(peak_mib).result()
        self._pool.shutdown()
        return peak


def _fresh(begin: Callable[..., None] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"), begin, arguments)


_kept: list[Any] = []


def _keep(make: Callable[..., object], arguments: Sequence[object]) -> None:
    _kept.append(make(*arguments))


def _call(method: str) -> tuple[Any, Seconds]:
    return timed(getattr(_kept[0], method))


@dataclass(frozen=True)
class Cost:
    """Time, peak resident size in MiB and output of a command."""

    seconds: Seconds
    peak: float
    printed: str


def run_command(command: Sequence[str], folder: Path = ROOT, environment: Mapping[str, str] | None = None) -> Cost:
    """Run a Python command in a folder, with the project's root as default ``PYTHONPATH``.

    Args:
        command: arguments of ``python``.

    Raises:
        UsageError: it failed; with the end of its output.
    """
    return in_own_process(_run, [sys.executable, *command], folder, dict(environment or {}))


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> Cost:
    """Run from a small intermediate process, whose size is a lower bound of the measured peak."""
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


def real_data() -> Path:
    """The folder of raw data: ``UNIMP_BENCH_REALDATA``, or the default of the tests."""
    return Path(os.environ.get("UNIMP_BENCH_REALDATA", "../shared/realdata")).resolve()


def write_corpus(folder: Path, histories: Histories, items: list[str], columns: Mapping[Any, pa.Array]) -> Corpus:
    """A corpus of one domain with numbered users and without pictures.

    Args:
        items: names of the items.
        columns: attributes of the items.
    """
    users = histories.users
    with CorpusWriter(folder) as writer:
        writer.users([f"u{user}" for user in range(users)], ["All"] * users, np.zeros(users, dtype=np.bool_))
        writer.items(items, ["All"] * len(items), dict(columns))
        writer.histories(histories)
        writer.finish(
            source="benchmark",
            licence="none",
            synthetic=True,
            options={},
            inputs={},
            domains=("All",),
            new_domains=(),
            bad_lines={},
        )
    return Corpus.open(folder)


def histories_of(offsets: IntArray, items: IntArray) -> Histories:
    """Sequences without ratings; times are positions."""
    positions = Ragged(offsets, items).positions()
    return Histories(offsets, items.astype(np.int32), np.ones(len(items), dtype=np.float32), positions)
