"""The processes that a command was started as: one, or several that train together (``accelerate launch``, torchrun).

The main one does everything. The others help it to train a model: they follow it from fit to fit and write nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from unimp_bench.device import device

T = TypeVar("T")

# A helper waits as long as the main process validates and scores.
_PATIENCE = timedelta(days=2)


def helping() -> bool:
    """Whether this process stands beside the main one."""
    return int(os.environ.get("RANK", "0")) > 0


def join() -> int:
    """Meet the other processes, where that has not happened yet; how many there are."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 1
    from accelerate import PartialState

    # Without a graphics card accelerate would take each process for one that is alone.
    state = PartialState(cpu=device().type == "cpu", timeout=_PATIENCE)
    return int(state.num_processes)


def main_says(ask: Callable[[], T]) -> T:
    """What ``ask`` returns in the main process, in every process; each waits here for all others.

    Raises:
        SystemExit: the main process has ended, and said why.
    """
    if join() == 1:
        return ask()
    from accelerate.utils import broadcast_object_list

    said: list[Any] = [None if helping() else ask()]
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
    """The main process goes through the block, then the others, which find what it has put into the cache."""
    if helping():
        wait()
    yield
    if not helping():
        wait()
