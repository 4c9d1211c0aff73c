"""SASRec through the adapter.

RecBole's SASRec as `recbole:SASRec` runs it, beside RecBole driven by hand: the same sequences, epochs and settings.
Each side reads the interactions, trains with its own validation after every epoch, and keeps its best one. The
sequences are generated: five to eleven items of a long-tailed popularity, without repeats.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa

from baselines.recbole.adapter import RecBole
from baselines.recbole.compat import quietly
from baselines.recbole.config import RecBoleConfig
from benchmarks.command import benchmark
from benchmarks.corpora import histories_of, write_corpus
from benchmarks.recbole_by_hand import ByHand
from benchmarks.record import Measure, times
from benchmarks.turns import seconds_in_turns
from unimp_bench.contracts import FitData, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.records import Protocol

TASK = "recommendation"
SHORTEST, LONGEST = 5, 11
FEW = 20
"""Users of the warm-up: the first call of a process pays for imports and set-up."""


def sequences(folder: Path, users: int, items: int) -> Corpus:
    """A generated corpus."""
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, items + 1) ** 0.8
    lengths = rng.integers(SHORTEST, LONGEST + 1, users)
    rows = [rng.choice(items, size, replace=False, p=weights / weights.sum()) for size in lengths]
    histories = histories_of(np.concatenate([[0], np.cumsum(lengths)]), np.concatenate(rows))
    return write_corpus(folder, histories, [f"i{item}" for item in range(items)], {"title": pa.array([""] * items)})


def through_the_adapter(corpus: Corpus, config: RecBoleConfig, work: Path) -> None:
    """The harness's way: our split, our validation."""
    work.mkdir()
    items = catalogue(corpus, "loo")
    parts = TaskExamples(
        target_examples(corpus, "loo", "train", TASK), target_examples(corpus, "loo", "validation", TASK)
    )

    def validate(model: Any, task: str) -> dict[Protocol, float]:
        ranks = rank_examples(model, parts.validation, items, "paper", top=0, label=task).ranks
        return {"paper": float(np.where(ranks <= 5, 1 / np.log2(ranks + 1.0), 0).mean())}

    with quietly():
        RecBole(config).fit(FitData(corpus.items, items, {TASK: parts}, 1, work, work, validate))


def by_hand(corpus: Corpus, config: RecBoleConfig, work: Path) -> None:
    """RecBole's way."""
    settings = {
        "MAX_ITEM_LIST_LENGTH": config.max_length,
        "epochs": config.epochs,
        "train_batch_size": config.batch_size,
        "stopping_step": config.patience,
        "topk": [5],
        "metrics": ["NDCG"],
    }
    side = ByHand("SASRec", corpus, work, settings)
    with quietly():
        side.trainer.fit(side.train, side.validation, verbose=False, saved=True, show_progress=False)


SIDES = {"by hand": by_hand, "through the adapter": through_the_adapter}


@benchmark("torch", "recbole")
@click.option("--users", default=2000)
@click.option("--items", default=800)
@click.option("--epochs", default=2)
@click.option("--rounds", default=3)
def command(users: int, items: int, epochs: int, rounds: int) -> Iterator[Measure]:
    """See the top of the file."""
    sys.argv = sys.argv[:1]  # RecBole by hand would read them too
    config = RecBoleConfig(model="SASRec", epochs=epochs, patience=epochs)
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        scratch, numbers = Path(name), count()

        def sides(corpus: Corpus) -> dict[str, Callable[[], None]]:
            return {
                side: lambda train=train: train(corpus, config, scratch / str(next(numbers)))  # type: ignore[misc]
                for side, train in SIDES.items()
            }

        seconds_in_turns(sides(sequences(scratch / "warm-up", FEW, items)), 1)
        corpus = sequences(scratch / "corpus", users, items)
        yield from times("", "a training", seconds_in_turns(sides(corpus), rounds))
