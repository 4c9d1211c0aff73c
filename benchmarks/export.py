"""Exporting instruction datasets.

Each export is a separate process that writes one dataset with its items and pictures into an empty folder. Times
exclude imports. The base is the memory of a process after imports and opening of the corpus. The picture tokenizer of
image generation is trained before, as it is cached per corpus; image generation includes the memory of PyTorch and the
tokenizer at every size. Tasks that a corpus does not serve have no line.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.harness import Measure, Seconds, benchmark, timed, times
from benchmarks.workloads import in_own_process, peak_mib
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace
from unimp_bench.interchange.dataset import ExportRequest, export_datasets
from unimp_bench.runs.runner import open_corpus

TASKS = ("recommendation", "search", "preference", "explanation", "selection", "image_generation")
DRAWN = "image_generation"


@dataclass(frozen=True)
class Export:
    """Examples, bytes of Parquet, time, and memory of the process in MiB before and at its peak."""

    examples: int
    bytes: int
    seconds: Seconds
    base: float
    peak: float


def export(folder: Path, task: str, cache: Path, out: Path) -> Export | None:
    """Write one dataset in this process; None if the corpus does not serve the task."""
    if task == DRAWN:
        import unimp_bench.generative.picture_tokens.tokenizer
        import unimp_bench.generative.picture_tokens.training  # noqa: F401
    open_corpus(folder, ()).items.names  # noqa: B018  (loaded lazily)
    base = peak_mib()
    try:
        outcome, seconds = timed(lambda: next(export_datasets(ExportRequest((task,), folder, out), Workspace(cache))))
    except UsageError:
        return None
    found = outcome.export
    if found is None:
        return None
    return Export(found.examples, sum(entry.bytes for entry in found.files.values()), seconds, base, peak_mib())


@benchmark("numpy", "pyarrow", "torch")
@click.option("--corpus", multiple=True, default=("sample",), help="Built corpora, by name.")
@click.option("--task", multiple=True, type=click.Choice(TASKS), default=TASKS)
def command(corpus: tuple[str, ...], task: tuple[str, ...]) -> Iterator[Measure]:
    """See the docstring of the module."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for each in corpus:
            folder = (Workspace.here().data / each).resolve()
            for wanted in task:
                if wanted == DRAWN:  # trains the tokenizer
                    in_own_process(export, folder, wanted, scratch / "home", scratch / f"{each}-trained")
                found = in_own_process(export, folder, wanted, scratch / "home", scratch / f"{each}-{wanted}")
                if found is not None:
                    yield from measures(f"{each}, {wanted.replace('_', ' ')}", found)


def measures(case: str, found: Export) -> Iterator[Measure]:
    """The measures of one export."""
    yield Measure.fact(case, "examples", found.examples)
    yield from times(case, "the export", {"": [found.seconds]})
    yield Measure.fact(case, "examples a CPU s", found.examples / found.seconds.cpu)
    yield Measure.fact(case, "base", found.base, "MiB")
    yield Measure.fact(case, "peak", found.peak, "MiB")
    yield Measure.fact(case, "Parquet", found.bytes / 2**20, "MiB")
