"""The presets of published backbones.

Trained and frozen parameters of the two presets with the paper's backbones, counted on the meta device, with float32
weights and a catalogue of the paper's size, without the activations of a step. Counts, not timings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click
from torch import nn

from benchmarks.harness import Measure, benchmark
from unimp_bench.unimp.adaptation import meta_model
from unimp_bench.unimp.config import PRESETS
from unimp_bench.unimp.published import NEOX_TOKENS

PRESETS_OF_PAPERS = ("paper", "small")
CLIP_WIDTH = 1024
OTHER_TOKENS = 1100
"""Approximate number of codes of pictures, ratings, positions and marks."""

_FLOAT = 4
_MOMENTS = 2


@dataclass(frozen=True)
class Footprint:
    """Size of a model with float32 weights, as also under bf16 autocast.

    Attributes:
        trained, frozen: numbers of parameters; shared ones count once.
    """

    trained: int
    frozen: int

    @classmethod
    def of(cls, model: nn.Module) -> Footprint:
        """The footprint of a model on any device, including meta."""
        counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
        return cls(sum(n for n, trained in counts if trained), sum(n for n, trained in counts if not trained))

    @property
    def weights(self) -> int:
        """Bytes of all parameters."""
        return _FLOAT * (self.trained + self.frozen)

    @property
    def training(self) -> int:
        """Bytes during training without activations: weights, gradients and Adam's two moments."""
        return self.weights + _FLOAT * (1 + _MOMENTS) * self.trained


@benchmark("torch", "transformers")
@click.option("--items", default=124_000)
def command(items: int) -> Iterator[Measure]:
    """See the docstring of the module."""
    for preset in PRESETS_OF_PAPERS:
        found = Footprint.of(meta_model(PRESETS[preset], NEOX_TOKENS + OTHER_TOKENS + items, CLIP_WIDTH))
        yield Measure.fact(preset, "parameters that move", found.trained)
        yield Measure.fact(preset, "parameters that stay", found.frozen)
        yield Measure.fact(preset, "weights", found.weights / 2**30, "GiB")
        yield Measure.fact(preset, "with gradients and Adam's moments", found.training / 2**30, "GiB")
