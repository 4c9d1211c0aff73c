"""One epoch and a full evaluation of each model at the size of the paper's six domains merged: does it fit, how long?

    python benchmarks/merged_catalogue.py [--users 185000] [--items 124000] [--evaluated 20000] [lightgcn mmgcl ...]

The corpus is generated: histories of 5 and more items with long tails over items and users, titles of random words, no
pictures (multi-modal models read the text alone). Each model runs in a process of its own; its wall seconds and largest
resident memory are printed. Evaluation ranks the whole catalogue, lists included, for the test examples of so many
users; time grows with their number, memory does not.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.records import Histories

TASK = "recommendation"
MODELS = ("mf", "macr", "lightgcn", "ultragcn", "vbpr", "causalrec", "mmgcl", "mmssl", "itemknn")
SETTINGS = {"mmgcl": {"batch_size": 16_384}, "mmssl": {"batch_size": 16_384}}
"""Where a step propagates on the whole graph, fewer steps; all else is the model's default."""

WORDS = 5_000
LEAST, MEAN = 5, 8.2


def write_corpus(folder: Path, users: int, items: int) -> None:
    """About 1.5 million interactions at the default size, as Table 5 of the UniMP paper sums up."""
    rng = np.random.default_rng(0)
    lengths = LEAST + rng.geometric(1 / (MEAN - LEAST + 1), users) - 1
    weights = 1 / (np.arange(items) + 20.0) ** 0.7
    drawn = rng.choice(items, int(lengths.sum()) * 2, p=weights / weights.sum())
    owners = np.repeat(np.arange(users), lengths * 2)
    first = np.unique(owners * items + drawn, return_index=True)[1]
    order = np.sort(first)
    place = np.arange(len(order)) - np.searchsorted(owners[order], owners[order])
    kept = order[place < lengths[owners[order]]]
    chosen, counts = drawn[kept], np.bincount(owners[kept], minlength=users)
    places = np.arange(len(kept)) - np.repeat(np.cumsum(counts) - counts, counts)
    words = rng.integers(WORDS, size=(items, 4))
    with CorpusWriter(folder) as writer:
        writer.users([f"u{user}" for user in range(users)], ["All"] * users, np.zeros(users, dtype=np.bool_))
        titles = [" ".join(f"word{word}" for word in row) for row in words]
        writer.items([f"i{item}" for item in range(items)], ["All"] * items, {"title": pa.array(titles)})
        offsets = np.concatenate([[0], np.cumsum(counts)])
        ratings = np.ones(len(kept), dtype=np.float32)
        writer.histories(Histories(offsets, chosen.astype(np.int32), ratings, places.astype(np.int64)))
        writer.finish(
            source="generated",
            licence="none",
            synthetic=True,
            options={"users": users, "items": items},
            inputs={},
            domains=("All",),
            new_domains=(),
            bad_lines={},
        )


def one(name: str, folder: Path, evaluated: int, work: Path) -> dict[str, Any]:
    """Fit one epoch and evaluate, in this process."""
    from unimp_bench import registry
    from unimp_bench.contracts import FitData, TaskExamples
    from unimp_bench.ranking import rank_examples
    from unimp_bench.splits import catalogue, target_examples

    corpus = Corpus.open(folder)
    learned = hasattr(registry.make_model(name).config, "epochs")
    model = registry.make_model(name, settings=SETTINGS.get(name, {}) | ({"epochs": 1} if learned else {}))
    items = catalogue(corpus, "loo")
    parts = [target_examples(corpus, "loo", part, TASK) for part in ("train", "validation", "test")]  # type: ignore[arg-type]
    started = time.perf_counter()
    examples = {TASK: TaskExamples(parts[0], parts[1])}
    model.fit(FitData(corpus.items, items, examples, 0, work, work, lambda *_: 0.0))
    fitted = time.perf_counter()
    rank_examples(model, parts[2].select(slice(0, evaluated)), items, "masked", label=name)  # type: ignore[arg-type]
    done = time.perf_counter()
    log = work / "log" / "training.jsonl"
    epoch = json.loads(log.read_text().splitlines()[0])["epoch_seconds"] if learned else 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"epoch": epoch, "fit": fitted - started, "evaluate": done - fitted, "peak": peak}


def main() -> None:
    """Print a table, a line a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--users", type=int, default=185_000)
    parser.add_argument("--items", type=int, default=124_000)
    parser.add_argument("--evaluated", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder is not None:
        with tempfile.TemporaryDirectory() as work:
            print(json.dumps(one(arguments.models[0], arguments.folder, arguments.evaluated, Path(work))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "merged"
        write_corpus(folder, arguments.users, arguments.items)
        counts = Corpus.open(folder).manifest.counts
        print(f"{counts.users:,} users, {counts.items:,} items, {counts.interactions:,} interactions")
        print("| Model | s an epoch | s of the whole fit | evaluated examples/s | peak GiB |")
        print("| --- | --- | --- | --- | --- |", flush=True)
        for name in arguments.models:
            command = [sys.executable, __file__, name, "--folder", str(folder), "--evaluated", str(arguments.evaluated)]
            answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
            if answer.returncode:
                print(f"| {name} | failed: what it said stands above | | | |", flush=True)
                continue
            found = json.loads(answer.stdout.splitlines()[-1])
            speed = arguments.evaluated / found["evaluate"]
            print(
                f"| {name} | {found['epoch']:.0f} | {found['fit']:.0f} | {speed:,.0f} | {found['peak']:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
