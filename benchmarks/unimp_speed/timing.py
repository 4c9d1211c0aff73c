"""Turns of steps, on a graphics card too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.harness import Seconds, timed
from unimp_bench.machine import device

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
class Worked:
    """What a way got done in one turn, and what that took."""

    examples: int
    tokens: int
    seconds: Seconds


def turn(way: Way, seconds: float, device: torch.device) -> Worked:
    """Let a way work for some seconds."""
    examples, tokens, taken = 0, 0, Seconds(0.0, 0.0)
    while taken.wall < seconds:
        step = way()
        settle(device)
        done, took = timed(partial(_settled, step, device))
        taken, examples, tokens = taken + took, examples + done.examples, tokens + done.tokens
    return Worked(examples, tokens, taken)


def _settled(step: Step, device: torch.device) -> Done:
    done = step()
    settle(device)
    return done


def settle(device: torch.device) -> None:
    """Wait for what a graphics card still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def card_flops() -> float | None:
    """The bf16 peak of the graphics card, in operations a second; None where there is none or it is unknown."""
    if (place := device()).type != "cuda":
        return None
    card = torch.cuda.get_device_name(place)
    return next((tflops * 1e12 for name, tflops in CARD_TFLOPS.items() if name in card), None)
