"""Picks for the writers of text: one generator, read in blocks, because text asks for many small draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
BLOCK = 1 << 14


class Dice:
    """Small random decisions, the same on every machine for the same generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._numbers = self._draw(rng)

    @staticmethod
    def _draw(rng: np.random.Generator) -> Iterator[float]:
        while True:
            yield from rng.random(BLOCK).tolist()

    def chance(self, probability: float) -> bool:
        return next(self._numbers) < probability

    def pick(self, options: Sequence[T]) -> T:
        return options[int(next(self._numbers) * len(options))]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        keys = [next(self._numbers) for _ in options]
        return [options[place] for place in sorted(range(len(keys)), key=keys.__getitem__)]
