"""Building a corpus from raw files.

Generated raw files of the 2014 format in multiples of a size: reviews of sixty words, ten per user and twenty per
item, metadata literals, no pictures. Every build is a separate process.

* **Growing raw files**: time should be linear, and memory nearly constant, as only numeric columns and names are in
  memory.
* **Comparison with the authors** (`--authors`, a checkout of UniMP): their `data/data_preprocess_multimodal_full.py`
  runs unchanged on the same files, unpacked, and ends before the download of pictures. The build of this project
  also extracts explanations from the reviews.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from io import BufferedWriter
from pathlib import Path

import click
import numpy as np
import orjson

from benchmarks.harness import Measure, benchmark, in_turns, times
from benchmarks.workloads import Cost, run_command

WORDS, BATCH = 60, 10_000
USER_REVIEWS, ITEM_REVIEWS = 10, 20
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
    """Run the authors' script on the unpacked files, up to its import of ``requests`` for downloads."""
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
@click.option("--authors", type=click.Path(path_type=Path, exists=True), help="A checkout of the authors' code.")
@click.option("--rounds", default=3, help="Of the comparison with the authors.")
def command(reviews: int, scales: tuple[int, ...], authors: Path | None, rounds: int) -> Iterator[Measure]:
    """See the docstring of the module."""
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


def write_raw(folder: Path, count: int, packed: bool) -> None:
    """Write ``count`` reviews and the metadata of domain Beauty, with skewed item popularity."""
    rng = np.random.default_rng(0)
    words = [start + end for start in _syllables(rng, 60) for end in _syllables(rng, 60)]
    users, items = count // USER_REVIEWS, count // ITEM_REVIEWS
    folder.mkdir(parents=True)
    with _create(folder / "reviews_Beauty_5.json", packed) as stream:
        for begin in range(0, count, BATCH):
            stream.writelines(_reviews(rng, words, users, items, min(BATCH, count - begin)))
    with _create(folder / "meta_Beauty.json", packed) as stream:
        stream.writelines(f"{_metadata(rng, words, item, items)!r}\n".encode() for item in range(items))


def _create(path: Path, packed: bool) -> gzip.GzipFile | BufferedWriter:
    return gzip.open(f"{path}.gz", "wb", compresslevel=1) if packed else path.open("wb")


def _reviews(rng: np.random.Generator, words: list[str], users: int, items: int, count: int) -> Iterator[bytes]:
    user_of = rng.integers(0, users, count).tolist()
    item_of = (items * rng.random(count) ** 2).astype(np.int64).tolist()
    texts = rng.integers(0, len(words), (count, WORDS)).tolist()
    times = rng.integers(1_300_000_000, 1_400_000_000, count).tolist()
    ratings = rng.choice([1.0, 2.0, 3.0, 4.0, 5.0], count, p=[0.05, 0.05, 0.1, 0.2, 0.6]).tolist()
    for user, item, text, time_, rating in zip(user_of, item_of, texts, times, ratings, strict=True):
        record = {
            "reviewerID": f"A{user:013d}",
            "asin": f"B{item:09d}",
            "reviewerName": "a customer",
            "helpful": [0, 1],
            "reviewText": " ".join([words[word] for word in text]),
            "overall": rating,
            "summary": " ".join([words[word] for word in text[:4]]),
            "unixReviewTime": time_,
            "reviewTime": "06 1, 2013",
        }
        yield orjson.dumps(record) + b"\n"


def _metadata(rng: np.random.Generator, words: list[str], item: int, items: int) -> dict[str, object]:
    also = [f"B{other:09d}" for other in rng.integers(0, items, 40).tolist()]
    text = [words[word] for word in rng.integers(0, len(words), 80)]
    return {
        "asin": f"B{item:09d}",
        "related": {"also_bought": also[:20], "also_viewed": also[20:]},
        "title": " ".join(text[:8]),
        "price": round(float(rng.random()) * 50, 2),
        "salesRank": {"Beauty": item},
        "imUrl": f"http://pictures.invalid/{item}.jpg",
        "brand": text[8],
        "categories": [["Beauty", text[9], text[10]]],
        "description": " ".join(text),
    }


def _syllables(rng: np.random.Generator, count: int) -> list[str]:
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    return ["".join(rng.choice(letters, 3)) for _ in range(count)]
