"""Two concurrent trainings.

`unimp-bench run` of SASRec on the sample with a thread per core (`OMP_NUM_THREADS`), alone and concurrently with a
second such run. Waiting threads **spin** for some milliseconds, the default of GCC's OpenMP, **sleep** at once, or
spin **briefly** and then sleep, the setting of `unimp-bench` (`unimp_bench/machine.py`). Times are wall seconds of a
fit, for two runs their mean.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean

import click

from benchmarks.harness import WALL, Measure, benchmark, in_turns
from benchmarks.workloads import run_command
from data_prep.build import build_corpus
from unimp_bench.errors import UsageError
from unimp_bench.machine import COUNT, WAITING
from unimp_bench.runs.results import RESULT_NAME, Result
from unimp_bench.testing.planted import write_planted_corpus

SIDES = {"spin": {"GOMP_SPINCOUNT": "300000"}, "sleep": {"GOMP_SPINCOUNT": "0"}, "briefly": dict(WAITING)}
CASES = {"one training": 1, "two at once": 2}


def fit_seconds(corpus: Path, epochs: int, environment: dict[str, str]) -> float:
    """Wall seconds of a fit in a separate workspace."""
    run = ["-m", "unimp_bench.cli.main", "run", "--task", "recommendation", "--model", "sasrec"]
    settings = ["--set", f"epochs={epochs}", "--set", f"validate_every={epochs}"]
    with tempfile.TemporaryDirectory() as home:
        place = environment | {"UNIMP_BENCH_HOME": home}
        run_command([*run, "--corpus", str(corpus), *settings], environment=place)
        (written,) = Path(home).glob(f"runs/*/{RESULT_NAME}")
        cost = Result.read(written).cost
    assert cost is not None
    return cost.fit_seconds


def at_once(count: int, corpus: Path, epochs: int, environment: dict[str, str]) -> float:
    """Mean seconds of ``count`` concurrent fits."""
    with ThreadPoolExecutor(count) as pool:
        return fmean(pool.map(lambda _: fit_seconds(corpus, epochs, environment), range(count)))


@benchmark("torch")
@click.option("--corpus", type=click.Choice(["sample", "planted"]), default="sample")
@click.option("--epochs", default=5)
@click.option("--rounds", default=3)
def command(corpus: str, epochs: int, rounds: int) -> Iterator[Measure]:
    """See the docstring of the module."""
    if os.environ[COUNT] == "1":
        raise UsageError(f"set {COUNT} to the number of cores: a single thread never waits")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / corpus
        if corpus == "planted":
            write_planted_corpus(folder)
        else:
            build_corpus(corpus, folder, None)
        for case, count in CASES.items():
            works = {side: partial(at_once, count, folder, epochs, said) for side, said in SIDES.items()}
            yield Measure.of(case, "a fit", WALL, in_turns(works, rounds), compared=True)
            yield Measure.fact(case, "load after it", round(os.getloadavg()[0], 1))
