"""Building a corpus from raw files.

A generated raw set of the 2014 format, in multiples of a size: reviews of sixty words, ten a user and twenty an item,
metadata literals, no pictures. Every build is a process of its own, so its memory is its own.

* **As the raw files grow**: time should be linear, and memory nearly flat: numeric columns and names are held, text
  never.
* **Beside the authors** (with `--authors`, a checkout of UniMP's): their `data/data_preprocess_multimodal_full.py`
  runs unchanged on the same files, unpacked, since it reads no others; it ends where it would begin to download
  pictures. Ours picks explanations out of the reviews as well, which theirs does not.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from benchmarks.command import benchmark
from benchmarks.processes import Cost, run_command
from benchmarks.raw_reviews import write_raw
from benchmarks.record import Measure, times
from benchmarks.turns import in_turns

AUTHORS_SCRIPT = Path("data/data_preprocess_multimodal_full.py")
OURS = """
import sys
from pathlib import Path
from data_prep.build import BuildOptions, build_corpus
build_corpus("amazon-2014", Path(sys.argv[1]), Path(sys.argv[2]), BuildOptions(user_core=8, item_core=5))
"""


def build_ours(raw: Path, scratch: Path) -> Cost:
    """Build the corpus anew from a raw folder."""
    shutil.rmtree(scratch / "corpus", ignore_errors=True)
    return run_command(["-c", OURS, str(scratch / "corpus"), str(raw)])


def run_authors(checkout: Path, raw: Path, scratch: Path) -> Cost:
    """Run the authors' script on the unpacked files, up to its first import of ``requests``, the downloads."""
    (scratch / "stub").mkdir(exist_ok=True)
    (scratch / "stub" / "requests.py").write_text("raise SystemExit(0)\n")
    script = checkout.resolve() / AUTHORS_SCRIPT
    return run_command([str(script)], raw, {"PYTHONPATH": str(scratch / "stub")})


def costs(case: str, found: dict[str, list[Cost]]) -> Iterator[Measure]:
    """Time and memory of every side's rounds."""
    yield from times(case, "a build", {side: [cost.seconds for cost in each] for side, each in found.items()})
    peaks = {side: [cost.peak for cost in each] for side, each in found.items()}
    yield Measure.of(case, "peak", "MiB", peaks, compared=True)


@benchmark("numpy", "pyarrow", "orjson", "pandas")
@click.option("--reviews", default=200_000, help="Of the set of scale 1.")
@click.option("--scales", type=int, multiple=True, default=(1, 4, 16))
@click.option("--authors", type=click.Path(path_type=Path, exists=True), help="Their checkout, to compare with.")
@click.option("--rounds", default=3, help="Beside the authors.")
def command(reviews: int, scales: tuple[int, ...], authors: Path | None, rounds: int) -> Iterator[Measure]:
    """See the top of the file."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        if authors is not None:
            raw = scratch / "unpacked"
            write_raw(raw, reviews, packed=False)
            sides = {
                "ours": partial(build_ours, raw, scratch),
                "the authors": partial(run_authors, authors, raw, scratch),
            }
            yield from costs("beside the authors", in_turns(sides, rounds))
        for scale in scales:
            raw = scratch / f"raw-{scale}"
            write_raw(raw, reviews * scale, packed=True)
            cost = build_ours(raw, scratch)
            case = f"{reviews * scale:,} reviews"
            yield Measure.fact(case, "a build", cost.seconds.cpu, "CPU s")
            yield Measure.fact(case, "a build", cost.seconds.wall, "wall s")
            yield Measure.fact(case, "a review", 1e6 * cost.seconds.cpu / (reviews * scale), "CPU µs")
            yield Measure.fact(case, "peak", cost.peak, "MiB")
            shutil.rmtree(raw)
