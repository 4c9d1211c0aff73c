"""From numbers to places along an axis, and the round numbers that are written at it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_MOST_STEPS = 5
_ZERO_LANE = 34.0


@dataclass(frozen=True)
class Tick:
    """A place along an axis and what is written there."""

    at: float
    text: str


@dataclass(frozen=True)
class Linear:
    """Places in proportion to values, between round numbers.

    Attributes:
        first, last: the round numbers at both ends, in steps from zero.
        mantissa, exponent: of the step, ``mantissa * 10 ** exponent``.
        start, end: their places; ``end`` may be the smaller one, as for an axis that goes up.
    """

    first: int
    last: int
    mantissa: int
    exponent: int
    start: float
    end: float

    @classmethod
    def over(cls, values: Iterable[float], start: float, end: float) -> Linear:
        """An axis that holds all the values, at least one; where all are equal, something on both sides."""
        found = list(values)
        low, high = min(found), max(found)
        if high - low <= 1e-9 * max(abs(low), abs(high)):
            low, high = (low - abs(low) / 2, high + abs(high) / 2) if low else (0.0, 1.0)
        finest = math.floor(math.log10((high - low) / _MOST_STEPS))
        for mantissa, exponent in ((1, finest), (2, finest), (5, finest), (1, finest + 1)):
            step = mantissa * 10.0**exponent
            # A value that is a round number to the last bits is no reason for a step more.
            first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
            if last - first <= _MOST_STEPS:
                break
        return cls(first, last, mantissa, exponent, start, end)

    def at(self, value: float) -> float:
        """The place of a value."""
        steps = value / (self.mantissa * 10.0**self.exponent)
        return self.start + (steps - self.first) / (self.last - self.first) * (self.end - self.start)

    def ticks(self) -> list[Tick]:
        """All round numbers, with as many digits as their step needs."""
        digits = max(0, -self.exponent)
        step = self.mantissa * 10.0**self.exponent
        return [
            Tick(self.at(number * step), f"{number * step:.{digits}f}") for number in range(self.first, self.last + 1)
        ]


@dataclass(frozen=True)
class Log:
    """Places in proportion to the logarithm, between powers of ten; zero has a lane of its own before them.

    Attributes:
        first, last: exponents at both ends.
        zero: the place of zero; None where no value is zero.
        start, end: the places of both ends.
    """

    first: int
    last: int
    zero: float | None
    start: float
    end: float

    @classmethod
    def over(cls, values: Iterable[float], start: float, end: float) -> Log:
        """An axis that holds all the values, none of them negative."""
        found = list(values)
        logs = [math.log10(value) for value in found if value > 0] or [0.0]
        first, last = math.floor(min(logs)), math.ceil(max(logs))
        lane = _ZERO_LANE if any(value == 0 for value in found) else 0.0
        return cls(first, max(last, first + 1), start if lane else None, start + lane, end)

    def at(self, value: float) -> float:
        """The place of a value."""
        if value == 0:
            assert self.zero is not None
            return self.zero
        return self.start + (math.log10(value) - self.first) / (self.last - self.first) * (self.end - self.start)

    def ticks(self) -> list[Tick]:
        """The powers of ten, of many every second or third, and zero where it has a place."""
        every = -(-(self.last - self.first) // _MOST_STEPS)
        powers = [Tick(self.at(10.0**power), _power(power)) for power in range(self.first, self.last + 1, every)]
        return powers if self.zero is None else [Tick(self.zero, "0"), *powers]


def _power(exponent: int) -> str:
    """A power of ten, short: 0.01, 100, 10k, 1M."""
    if exponent < 0:
        return f"{10.0**exponent:.{-exponent}f}"
    thousands = min(exponent // 3, 4)
    return f"{10 ** (exponent - 3 * thousands)}{('', 'k', 'M', 'G', 'T')[thousands]}"
