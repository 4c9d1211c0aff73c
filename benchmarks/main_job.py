"""Quickstart.

UniMP and BM25 on search over the sample, as in `make quickstart`: whole commands in an empty workspace, each in a
separate process, so the time includes imports, picture features, training, validation and scoring. The repeated UniMP
command must find its earlier result.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator

import click

from benchmarks.harness import Measure, benchmark, times
from benchmarks.workloads import Cost, run_command


def unimp_bench(home: str, *arguments: str) -> Cost:
    """Run one command in a workspace."""
    return run_command(["-m", "unimp_bench.cli.main", *arguments], environment={"UNIMP_BENCH_HOME": home})


def hit_rate(cost: Cost) -> float:
    """HR@5 as printed by a run."""
    found = re.search(r"HR@5\s+([0-9.]+)", cost.printed)
    if found is None:
        raise click.ClickException(f"the run printed no HR@5: {cost.printed[-500:]}")
    return float(found.group(1))


@benchmark("torch", "transformers", "open_clip_torch")
def command() -> Iterator[Measure]:
    """See the docstring of the module."""
    with tempfile.TemporaryDirectory() as home:
        built = unimp_bench(home, "data")
        runs = {
            side: unimp_bench(home, "run", "--task", "search", "--model", model)
            for side, model in (("BM25", "bm25"), ("UniMP", "unimp"), ("UniMP again", "unimp"))
        }
    yield from times("building the sample", "the command", {"": [built.seconds]})
    yield from times("search", "the command", {side: [cost.seconds] for side, cost in runs.items()})
    yield Measure.of("search", "peak", "MiB", {side: [cost.peak] for side, cost in runs.items()})
    yield Measure.of("search", "HR@5", "", {side: [hit_rate(cost)] for side, cost in runs.items()}, compared=True)
