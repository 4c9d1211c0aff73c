"""Where networks compute: one choice for all that a process does and for the processes that it starts.

It changes how a number is computed and not what it is of, so no specification holds it; provenance names the machine.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from unimp_bench.errors import UsageError

if TYPE_CHECKING:
    import torch

VARIABLE = "UNIMP_BENCH_DEVICE"
"""The choice, for this process and those it starts; without it a graphics card where there is one, else the CPU."""

_FORM = re.compile(r"cpu|cuda(:\d+)?")


def choose_device(name: str) -> None:
    """Compute on ``cpu``, ``cuda`` or ``cuda:N`` from now on.

    Raises:
        UsageError: there is no such device here.
    """
    _checked(name)
    os.environ[VARIABLE] = name


def device() -> torch.device:
    """The device of every network, its inputs and its training.

    Raises:
        UsageError: the chosen one is not there.
    """
    import torch

    name = os.environ.get(VARIABLE) or ("cuda" if torch.cuda.is_available() else "cpu")
    return _checked(name)


def _checked(name: str) -> torch.device:
    import torch

    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = ", ".join(["cpu", *(["cuda"] if cards else []), *(f"cuda:{number}" for number in range(cards))])
    found = torch.device(name) if _FORM.fullmatch(name) else None
    if found is None or (found.type == "cuda" and (found.index or 0) >= cards):
        raise UsageError(f"no device {name!r} is here; there is {there}")
    if found.index is not None and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(f"each of several processes has a card of its own, not all of them {name}; name cuda")
    return found
