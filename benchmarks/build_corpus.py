"""Measures the building of a corpus: against the UniMP authors' preprocessing, and as the raw files grow.

    python benchmarks/build_corpus.py                          # reviews/s and peak memory at 1x, 4x and 16x
    python benchmarks/build_corpus.py --authors <their checkout>   # and both builds of the 1x set, in turns

The raw set has the 2014 format: at 1x 200,000 reviews of 60 words by 20,000 users on 10,000 items, with metadata
literals; no pictures. The authors' ``data/data_preprocess_multimodal_full.py`` runs unchanged on the same files,
unpacked, since it reads no others; it ends where it would begin to download pictures. Every build is a process.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path

import numpy as np
import orjson

REVIEWS, USERS, ITEMS = 200_000, 20_000, 10_000
WORDS, BATCH = 60, 10_000
ROOT = Path(__file__).resolve().parent.parent
AUTHORS_SCRIPT = Path("data/data_preprocess_multimodal_full.py")
OURS = """
import sys
from pathlib import Path
from data_prep.build import BuildOptions, build_corpus
print(build_corpus("amazon-2014", Path(sys.argv[1]), Path(sys.argv[2]), BuildOptions(user_core=8, item_core=5)).counts)
"""


@dataclass(frozen=True)
class Cost:
    """One process: wall and CPU seconds, and peak resident memory in MiB."""

    wall: float
    cpu: float
    memory: float


def write_raw(folder: Path, scale: int, packed: bool) -> None:
    """Write reviews and metadata of the domain Beauty; the more popular items are the more reviewed."""
    rng = np.random.default_rng(scale)
    words = [start + end for start in _syllables(rng, 60) for end in _syllables(rng, 60)]
    users, items = USERS * scale, ITEMS * scale
    folder.mkdir(parents=True)
    with _create(folder / "reviews_Beauty_5.json", packed) as stream:
        for _ in range(REVIEWS * scale // BATCH):
            stream.writelines(_reviews(rng, words, users, items))
    with _create(folder / "meta_Beauty.json", packed) as stream:
        stream.writelines(f"{_metadata(rng, words, item, items)!r}\n".encode() for item in range(items))


def _create(path: Path, packed: bool) -> gzip.GzipFile | BufferedWriter:
    return gzip.open(f"{path}.gz", "wb", compresslevel=1) if packed else path.open("wb")


def _reviews(rng: np.random.Generator, words: list[str], users: int, items: int) -> Iterator[bytes]:
    user_of = rng.integers(0, users, BATCH).tolist()
    item_of = (items * rng.random(BATCH) ** 2).astype(np.int64).tolist()
    texts = rng.integers(0, len(words), (BATCH, WORDS)).tolist()
    times = rng.integers(1_300_000_000, 1_400_000_000, BATCH).tolist()
    ratings = rng.choice([1.0, 2.0, 3.0, 4.0, 5.0], BATCH, p=[0.05, 0.05, 0.1, 0.2, 0.6]).tolist()
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


def measure(command: list[str], folder: Path, path: Path = ROOT) -> Cost:
    """Run a command in a folder with ``path`` for its imports; stop where it fails."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        run = subprocess.Popen(
            command, cwd=folder, env=os.environ | {"PYTHONPATH": str(path)}, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(run.pid, 0)
        wall = time.perf_counter() - start
        if status:
            output.seek(0)
            raise SystemExit(f"{command} failed:\n{output.read().decode()[-2000:]}")
    peak = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak)


def build_ours(raw: Path, scratch: Path) -> Cost:
    """Build the corpus anew from a raw folder."""
    shutil.rmtree(scratch / "corpus", ignore_errors=True)
    return measure([sys.executable, "-c", OURS, str(scratch / "corpus"), str(raw)], ROOT)


def run_authors(checkout: Path, raw: Path, scratch: Path) -> Cost:
    """Run the authors' script on the unpacked files, up to its first import of ``requests``, the downloads."""
    (scratch / "stub").mkdir(exist_ok=True)
    (scratch / "stub" / "requests.py").write_text("raise SystemExit(0)\n")
    return measure([sys.executable, str(checkout.resolve() / AUTHORS_SCRIPT)], raw, scratch / "stub")


def compare(checkout: Path, scratch: Path, rounds: int) -> None:
    """Both builds of the 1x set in turns; print each round and the ratios of the best."""
    write_raw(scratch / "unpacked", 1, packed=False)
    ours, authors = [], []
    for number in range(rounds):
        ours.append(build_ours(scratch / "unpacked", scratch))
        authors.append(run_authors(checkout, scratch / "unpacked", scratch))
        for name, cost in (("ours", ours[-1]), ("authors", authors[-1])):
            print(f"round {number} {name:8} {cost.wall:6.2f} s wall {cost.cpu:6.2f} s CPU {cost.memory:6.0f} MiB")
    for what in ("wall", "cpu", "memory"):
        best = [min(getattr(cost, what) for cost in costs) for costs in (authors, ours)]
        print(f"authors / ours, {what}: {best[0] / best[1]:.2f}")


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description="Time and memory of building a corpus from raw 2014 files.")
    parser.add_argument("--authors", type=Path, help="a checkout of the authors' repository, to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scales", type=int, nargs="*", default=[1, 4, 16])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        if arguments.authors:
            compare(arguments.authors, scratch, arguments.rounds)
        for scale in arguments.scales:
            raw = scratch / f"raw-{scale}"
            write_raw(raw, scale, packed=True)
            cost = build_ours(raw, scratch)
            rate = REVIEWS * scale / cost.wall
            print(
                f"{scale:3}x {cost.wall:6.1f} s wall {cost.cpu:6.1f} s CPU {rate:8.0f} reviews/s {cost.memory:6.0f} MiB"
            )
            shutil.rmtree(raw)


if __name__ == "__main__":
    main()
