"""Taking turns, and clocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class Seconds:
    """What some work took. Processor seconds hold on a machine that is busy with other things, wall seconds do not."""

    wall: float
    cpu: float

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)

    def each(self, amount: float) -> Seconds:
        """Of one in so many."""
        return Seconds(self.wall / amount, self.cpu / amount)


def timed(work: Callable[[], ValueT]) -> tuple[ValueT, Seconds]:
    """What some work gives, and what it took in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    value = work()
    return value, Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def in_turns(sides: Mapping[str, Callable[[], ValueT]], rounds: int) -> dict[str, list[ValueT]]:
    """What every side gives in each round; every second round goes through the sides the other way round."""
    found: dict[str, list[ValueT]] = {side: [] for side in sides}
    for number in range(rounds):
        for side in list(sides)[:: -1 if number % 2 else 1]:
            found[side].append(sides[side]())
    return found


def seconds_in_turns(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[Seconds]]:
    """What every side took in each round."""
    found = in_turns({side: partial(timed, work) for side, work in sides.items()}, rounds)
    return {side: [seconds for _, seconds in turns] for side, turns in found.items()}
