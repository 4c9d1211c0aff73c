"""The merged catalogue.

Time and memory of one epoch and an evaluation at the size of the paper's six merged domains. The corpus is generated:
long-tailed histories of at least five items, titles of random words, no pictures, so that multi-modal models read text
only. Each model runs in a separate process. Evaluation ranks the whole catalogue, including lists, for the first test
examples; its time grows with their number, its memory does not. Models that propagate over the whole graph in every
step have batches of 16,384; all other settings are defaults. Models without a line failed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa

from benchmarks.harness import Measure, Seconds, benchmark, timed, times
from benchmarks.workloads import histories_of, in_own_process, peak_mib, write_corpus
from unimp_bench import registry
from unimp_bench.contracts import FitData, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.errors import BenchError
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.ragged import offsets_of

TASK = "recommendation"
MODELS = ("mf", "macr", "lightgcn", "ultragcn", "vbpr", "causalrec", "mmgcl", "mmssl", "itemknn")
SETTINGS = {"mmgcl": {"batch_size": 16_384}, "mmssl": {"batch_size": 16_384}}

WORDS = 5_000
LEAST, MEAN = 5, 8.2


def merged(folder: Path, users: int, items: int) -> Corpus:
    """A generated corpus; by default with the total number of interactions in Table 5 of the UniMP paper."""
    rng = np.random.default_rng(0)
    lengths = LEAST + rng.geometric(1 / (MEAN - LEAST + 1), users) - 1
    weights = 1 / (np.arange(items) + 20.0) ** 0.7
    drawn = rng.choice(items, int(lengths.sum()) * 2, p=weights / weights.sum())
    owners = np.repeat(np.arange(users), lengths * 2)
    order = np.sort(np.unique(owners * items + drawn, return_index=True)[1])  # no item twice in a history
    place = np.arange(len(order)) - np.searchsorted(owners[order], owners[order])
    kept = order[place < lengths[owners[order]]]
    offsets = offsets_of(np.bincount(owners[kept], minlength=users))
    titles = [" ".join(f"word{word}" for word in row) for row in rng.integers(WORDS, size=(items, 4))]
    names = [f"i{item}" for item in range(items)]
    return write_corpus(folder, histories_of(offsets, drawn[kept]), names, {"title": pa.array(titles)})


@dataclass(frozen=True)
class Found:
    """Wall seconds of an epoch (None without epochs), time of fit and evaluation, and peak MiB of one model."""

    epoch: float | None
    fit: Seconds
    evaluation: Seconds
    peak: float


def one(name: str, folder: Path, evaluated: int) -> Found:
    """Fit one epoch and evaluate in this process."""
    corpus = Corpus.open(folder)
    learned = hasattr(registry.make_model(name).config, "epochs")
    settings: dict[str, Any] = SETTINGS.get(name, {}) | ({"epochs": 1} if learned else {})
    model: Any = registry.make_model(name, settings=settings)
    items = catalogue(corpus, "loo")
    examples = TaskExamples(
        target_examples(corpus, "loo", "train", TASK), target_examples(corpus, "loo", "validation", TASK)
    )
    test = target_examples(corpus, "loo", "test", TASK).select(slice(0, evaluated))
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        data = FitData(corpus.items, items, {TASK: examples}, 0, work, work, lambda *_: {"paper": 0.0})
        _, fit = timed(lambda: model.fit(data))
        _, evaluation = timed(lambda: rank_examples(model, test, items, "masked", label=name))
        log = work / "log" / "training.jsonl"
        epoch = json.loads(log.read_text().splitlines()[0])["epoch_seconds"] if learned else None
    return Found(epoch, fit, evaluation.each(len(test)), peak_mib())


@benchmark("numpy", "scipy", "torch")
@click.option("--model", multiple=True, default=MODELS)
@click.option("--users", default=185_000)
@click.option("--items", default=124_000)
@click.option("--evaluated", default=20_000, help="Test examples.")
def command(model: tuple[str, ...], users: int, items: int, evaluated: int) -> Iterator[Measure]:
    """See the docstring of the module."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "merged"
        counts = merged(folder, users, items).manifest.counts
        for fact in ("users", "items", "interactions"):
            yield Measure.fact("the corpus", fact, getattr(counts, fact))
        for each in model:
            try:
                found = in_own_process(one, each, folder, evaluated)
            except (BenchError, BrokenProcessPool, MemoryError) as error:
                click.echo(f"{each} failed: {error}", err=True)
                continue
            if found.epoch is not None:
                yield Measure.fact(each, "an epoch", found.epoch, "wall s")
            yield from times(each, "the fit", {"": [found.fit]})
            yield Measure.fact(each, "examples evaluated", 1 / found.evaluation.cpu, "a CPU s")
            yield Measure.fact(each, "peak", found.peak / 2**10, "GiB")
