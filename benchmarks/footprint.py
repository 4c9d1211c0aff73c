"""The presets of published backbones.

What moves and what stays as it is under the two presets that carry the paper's backbones, counted on the meta device,
with float32 weights and a catalogue of the size of the paper's; the activations of a step come on top. Counts, not
timings.
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
"""About as many as the codes of pictures, ratings, places and marks take."""

_FLOAT = 4
_MOMENTS = 2


@dataclass(frozen=True)
class Footprint:
    """Of a model with float32 weights, as under bf16 autocast too.

    Attributes:
        trained, frozen: numbers of parameters, shared ones once.
    """

    trained: int
    frozen: int

    @classmethod
    def of(cls, model: nn.Module) -> Footprint:
        """Of a model on any device, the meta device too."""
        counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
        return cls(sum(n for n, trained in counts if trained), sum(n for n, trained in counts if not trained))

    @property
    def weights(self) -> int:
        """Bytes of all parameters."""
        return _FLOAT * (self.trained + self.frozen)

    @property
    def training(self) -> int:
        """Bytes of a training without the activations of a step: weights, gradients and Adam's two moments."""
        return self.weights + _FLOAT * (1 + _MOMENTS) * self.trained


@benchmark("torch", "transformers")
@click.option("--items", default=124_000)
def command(items: int) -> Iterator[Measure]:
    """See the top of the file."""
    for preset in PRESETS_OF_PAPERS:
        found = Footprint.of(meta_model(PRESETS[preset], NEOX_TOKENS + OTHER_TOKENS + items, CLIP_WIDTH))
        yield Measure.fact(preset, "parameters that move", found.trained)
        yield Measure.fact(preset, "parameters that stay", found.frozen)
        yield Measure.fact(preset, "weights", found.weights / 2**30, "GiB")
        yield Measure.fact(preset, "with gradients and Adam's moments", found.training / 2**30, "GiB")
