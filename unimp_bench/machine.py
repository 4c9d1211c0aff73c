"""Device, threads, memory and sibling processes of this process."""

from __future__ import annotations

import os
import platform
import re
import resource
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from unimp_bench.errors import UsageError

if TYPE_CHECKING:
    import torch


VARIABLE = "UNIMP_BENCH_DEVICE"
"""The chosen device, for this process and its children; by default a GPU if available, else the CPU."""

_FORM = re.compile(r"cpu|cuda(:\d+)?|mps")


def choose_device(name: str) -> None:
    """Compute on ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` (Apple) from now on.

    Raises:
        UsageError: there is no such device.
    """
    _checked(name)
    os.environ[VARIABLE] = name


def device() -> torch.device:
    """The device of every network, its inputs and its training.

    Raises:
        UsageError: the chosen device is not available.
    """
    import torch

    name = os.environ.get(VARIABLE) or ("cuda" if torch.cuda.is_available() else "cpu")
    return _checked(name)


def device_name() -> str:
    """``device`` by name, ``cpu`` for a process that computes without PyTorch."""
    return str(device()) if "torch" in sys.modules else "cpu"


def _checked(name: str) -> torch.device:
    import torch

    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    apple = torch.backends.mps.is_available()
    there = ["cpu", *(["cuda"] if cards else []), *(f"cuda:{number}" for number in range(cards))]
    there += ["mps"] if apple else []
    found = torch.device(name) if _FORM.fullmatch(name) else None
    if found is None or (found.type == "cuda" and (found.index or 0) >= cards) or (found.type == "mps" and not apple):
        raise UsageError(f"unknown device {name!r}; available: {', '.join(there)}")
    if found.index is not None and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(f"several processes cannot share {name}; use cuda")
    return found


COUNT = "OMP_NUM_THREADS"
WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}
"""The standard's variable, and that of GCC's OpenMP, which PyPI's torch brings.

A thread spins for some microseconds and then sleeps: a sleeping thread is slow to wake, which costs a run alone on the
machine, and a spinning one holds a core that another run could use.
"""


def share_cores(environment: MutableMapping[str, str], processes: int = 1) -> None:
    """Set the threads of a process that runs next to others; variables that the user has set are kept.

    Args:
        environment: of a process that has not imported torch or NumPy yet: they read it once.
        processes: number of processes that share this machine's cores evenly; 1 for all cores.
    """
    if not WAITING.keys() & environment.keys():  # either of the two alone says how to wait
        environment.update(WAITING)
    if processes > 1:
        environment.setdefault(COUNT, str(max(1, (os.cpu_count() or 1) // processes)))


def processor() -> str:
    """The processor's model name, empty where the system does not give one."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Threads that this process computes with."""
    torch = sys.modules.get("torch")
    return int(torch.get_num_threads()) if torch is not None else int(os.environ.get(COUNT, os.cpu_count() or 1))


def cpu_seconds() -> float:
    """Processor time of this process and its finished children so far."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def load() -> float:
    """Runnable processes of the machine over the last minute; 0 where the system does not count them."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def peak_memory_mib() -> float:
    """Largest resident size of this process so far, in MiB (``ru_maxrss`` is KiB on Linux, bytes on macOS)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


T = TypeVar("T")

# A helper waits as long as the main process validates and scores.
_PATIENCE = timedelta(days=2)


def helping() -> bool:
    """Whether this is not the main process of several."""
    return int(os.environ.get("RANK", "0")) > 0


def join() -> int:
    """Join the group of processes once; returns their number."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 1
    from accelerate import PartialState

    # Without a graphics card accelerate would take each process for one that is alone.
    state = PartialState(cpu=device().type == "cpu", timeout=_PATIENCE)
    return int(state.num_processes)


def main_says(compute: Callable[[], T]) -> T:
    """Return in every process what ``compute`` returns in the main one; a barrier for all of them.

    Raises:
        SystemExit: the main process has failed and printed the reason.
    """
    if join() == 1:
        return compute()
    from accelerate.utils import broadcast_object_list

    said: list[Any] = [None if helping() else compute()]
    try:
        broadcast_object_list(said)
    except RuntimeError:
        raise SystemExit(1) from None
    answer: T = said[0]
    return answer


def wait() -> None:
    """Wait for all other processes."""
    main_says(lambda: None)


@contextmanager
def main_first() -> Iterator[None]:
    """The main process executes the block first, then the others, which find its results in the cache."""
    if helping():
        wait()
    yield
    if not helping():
        wait()
