"""How the threads of several processes share the cores of one machine: the one place that decides it.

Torch computes with as many threads as there are cores, and its OpenMP threads spin while they wait for each other. Two
trainings at once then wait for threads that have no core, and slow each other several-fold (`docs/speed.md`, section
"Two trainings at once"). A thread that sleeps while it waits costs a training that is alone little.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

COUNT = "OMP_NUM_THREADS"
WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
"""The standard's variable, and that of GCC's OpenMP, which PyPI's torch brings."""


def share_cores(environment: MutableMapping[str, str], processes: int = 1) -> None:
    """Set how a process computes beside others; what the user has set stays.

    Args:
        environment: of a process that has not imported torch or NumPy yet: they read it once.
        processes: that are started together to share this machine's cores evenly; 1 leaves it all of them.
    """
    if not WAITING.keys() & environment.keys():  # either of the two alone says how to wait
        environment.update(WAITING)
    if processes > 1:
        environment.setdefault(COUNT, str(max(1, (os.cpu_count() or 1) // processes)))
