"""Turns, medians and tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

CARD_TFLOPS = {"H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312}
"""Dense bf16 peaks by NVIDIA's data sheets; the first name that is part of the card's own counts."""


@dataclass(frozen=True)
class Done:
    """What a step got done: examples answered, and tokens read without padding."""

    examples: int
    tokens: int


Step = Callable[[], Done]
Way = Callable[[], Step]
"""Draws the next step and lays ready what is not to be timed; the step itself is."""


@dataclass(frozen=True)
class Rates:
    """Of one way, (rounds,) each, a second."""

    examples: np.ndarray
    tokens: np.ndarray


def in_turns(ways: Mapping[str, Way], rounds: int, seconds: float, device: torch.device) -> dict[str, Rates]:
    """Let every way work for some seconds in every round, one after the other, after a step each to warm up."""
    for way in ways.values():
        way()()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(_turn(way, seconds, device))
    return {name: Rates(*np.array(rates).T) for name, rates in found.items()}


def _turn(way: Way, seconds: float, device: torch.device) -> tuple[float, float]:
    examples, tokens, taken = 0, 0, 0.0
    while taken < seconds:
        step = way()
        settle(device)
        started = time.perf_counter()
        done = step()
        settle(device)
        taken += time.perf_counter() - started
        examples, tokens = examples + done.examples, tokens + done.tokens
    return examples / taken, tokens / taken


def settle(device: torch.device) -> None:
    """Wait for what a graphics card still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def over(left: np.ndarray, right: np.ndarray) -> float:
    """Median over the rounds of the ratio within each."""
    return float(np.median(left / right))


def share_of_peak(tokens: float, parameters: int) -> float | None:
    """Of the card's bf16 peak, for some trained tokens a second at six operations a parameter; None if unknown."""
    if not torch.cuda.is_available():
        return None
    card = torch.cuda.get_device_name()
    peak = next((tflops for name, tflops in CARD_TFLOPS.items() if name in card), None)
    return None if peak is None else 6 * parameters * tokens / (peak * 1e12)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    for row in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(row) + " |")
    print(flush=True)
