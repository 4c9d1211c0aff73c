"""Softmax over the catalogue, and over drawn items.

An epoch and an evaluation of sequential recommenders with either loss, in turns, on the same interactions; all else is
equal. The drawn items are those of the preset `sampled`. What this costs in quality is in the tables, which have both
as rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks.harness import Measure, benchmark
from benchmarks.recommenders import Ours, measured
from benchmarks.workloads import Worker
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.files import Workspace

MODELS = ("sasrec", "gru4rec", "bert4rec")
DRAWN = "sampled"


@benchmark("torch")
@click.option("--model", multiple=True, type=click.Choice(MODELS), default=MODELS)
@click.option("--corpus", default="beauty", help="A built corpus, by name.")
@click.option("--rounds", default=3)
def command(model: tuple[str, ...], corpus: str, rounds: int) -> Iterator[Measure]:
    """See the docstring of the module."""
    folder = Corpus.open(Workspace.here().data / corpus).folder
    with tempfile.TemporaryDirectory() as scratch:
        for name in model:
            presets = {"over the catalogue": registry.default_preset(name), "over drawn items": DRAWN}
            workers = {side: Worker(Ours, name, {}, folder, Path(scratch), preset) for side, preset in presets.items()}
            yield from measured(name, workers, rounds)
