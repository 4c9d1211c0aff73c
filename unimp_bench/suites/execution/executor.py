"""Where the processes of cells run: the seam between the schedule and a machine or cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from unimp_bench.threads import share_cores

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
