"""The presets of published backbones.

What moves and what stays as it is under the two presets that carry the paper's backbones, counted on the meta device,
with float32 weights and a catalogue of the size of the paper's; the activations of a step come on top. Counts, not
timings.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from benchmarks.harness import Measure, benchmark
from unimp_bench.unimp.config import PRESETS
from unimp_bench.unimp.network.footprint import footprint, outline
from unimp_bench.unimp.network.published import NEOX_TOKENS

PRESETS_OF_PAPERS = ("paper", "small")
CLIP_WIDTH = 1024
OTHER_TOKENS = 1100
"""About as many as the codes of pictures, ratings, places and marks take."""


@benchmark("torch", "transformers")
@click.option("--items", default=124_000)
def command(items: int) -> Iterator[Measure]:
    """See the top of the file."""
    for preset in PRESETS_OF_PAPERS:
        found = footprint(outline(PRESETS[preset], NEOX_TOKENS + OTHER_TOKENS + items, CLIP_WIDTH))
        yield Measure.fact(preset, "parameters that move", found.trained)
        yield Measure.fact(preset, "parameters that stay", found.frozen)
        yield Measure.fact(preset, "weights", found.weights / 2**30, "GiB")
        yield Measure.fact(preset, "with gradients and Adam's moments", found.training / 2**30, "GiB")
