"""What learning all positions in one pass brings, beside RecBole's models of the same name, on a part of Amazon Beauty.

    python benchmarks/all_positions.py [--models sasrec gru4rec] [--users 4000] [--minutes 3] [--length 20]

Every model gets the same processor time for its training (validation is not counted), is validated after each
epoch, and is tested at its best one. Processor seconds, so that a busy machine changes little; set OMP_NUM_THREADS=1.
The reviews are read from $UNIMP_BENCH_REALDATA/beauty (default ../shared/realdata), RecBole atomic files.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.build import build_corpus
from unimp_bench.contracts import FitData, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.ranking import rank_examples
from unimp_bench.records import BoolArray, Examples, IntArray, Protocol
from unimp_bench.records import Part as PartName
from unimp_bench.registry import make_model
from unimp_bench.splits import catalogue, target_examples

TASK = "recommendation"
RECBOLE = {"sasrec": "SASRec", "gru4rec": "GRU4Rec", "bert4rec": "BERT4Rec", "hgn": "HGN"}
RECBOLE_BATCH = 512
PARTS: tuple[PartName, ...] = ("train", "validation", "test")
LONGEST = 10_000


@dataclass(frozen=True)
class Part:
    """Some users' training, validation and test examples, and the items of their histories."""

    corpus: Corpus
    items: IntArray
    train: Examples
    validation: Examples
    test: Examples

    @classmethod
    def of(cls, corpus: Corpus, users: int) -> Part:
        """Of so many users, drawn at random."""
        drawn = np.random.default_rng(0).permutation(corpus.histories.users)[:users]
        chosen = np.isin(np.arange(corpus.histories.users), drawn)
        train, validation, test = (_of(target_examples(corpus, "loo", part, TASK), chosen) for part in PARTS)
        known = np.concatenate([test.histories.items, test.targets])
        return cls(corpus, np.intersect1d(known, catalogue(corpus, "loo")), train, validation, test)


def _of(examples: Examples, chosen: BoolArray) -> Examples:
    histories = examples.histories
    kept = chosen[np.repeat(np.arange(histories.users), histories.lengths())]
    before = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
    own = replace(examples, histories=histories.take(kept), ends=before[examples.ends])
    return own.select(np.flatnonzero(chosen[examples.users]))


class TimeIsUpError(Exception):
    """The training has had its share."""


@dataclass
class Watch:
    """Counts the training's processor seconds, and keeps what the best epoch reached.

    Attributes:
        part: what is validated and tested on.
        limit: seconds of training.
        epochs, seconds: of training so far.
        best: validation NDCG@5.
        reached: test HR@5 by protocol, at the best epoch.
    """

    part: Part
    limit: float
    epochs: int = 0
    seconds: float = 0.0
    best: float = -1.0
    reached: dict[Protocol, float] = field(default_factory=dict)
    started: float = field(default_factory=time.process_time)

    def validate(self, model: Any, task: str) -> float:
        """The validation score; the clock stands while it is taken."""
        self.seconds += time.process_time() - self.started
        self.epochs += 1
        ranks = self._ranks(model, self.part.validation, "paper")
        score = float(np.where(ranks <= 5, 1 / np.log2(ranks + 1.0), 0).mean())
        if score > self.best:
            self.best = score
            for protocol in ("paper", "masked"):
                self.reached[protocol] = float((self._ranks(model, self.part.test, protocol) <= 5).mean())
        if self.seconds > self.limit:
            raise TimeIsUpError
        self.started = time.process_time()
        return score

    def _ranks(self, model: Any, examples: Examples, protocol: Protocol) -> IntArray:
        return rank_examples(model, examples, self.part.items, protocol, top=0, label=TASK).ranks


def trained(name: str, settings: dict[str, Any], part: Part, seconds: float) -> Watch:
    """Train a model until its time is up or it stops by itself."""
    model = make_model(name, settings=settings)
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(part, seconds)
        examples = {TASK: TaskExamples(part.train, part.validation)}
        with contextlib.suppress(TimeIsUpError):
            model.fit(FitData(part.corpus.items, part.items, examples, 1, Path(folder), Path(folder), watch.validate))
    return watch


def main() -> None:
    """Prints a line a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["sasrec", "gru4rec"], choices=sorted(RECBOLE))
    parser.add_argument("--users", type=int, default=4000)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--length", type=int, default=20)
    arguments = parser.parse_args()
    raw = Path(os.environ.get("UNIMP_BENCH_REALDATA", "../shared/realdata")).resolve() / "beauty"
    with tempfile.TemporaryDirectory() as folder:
        build_corpus("atomic", Path(folder) / "beauty", raw)
        part = Part.of(Corpus.open(Path(folder) / "beauty"), arguments.users)
        print(f"{arguments.users} users, {len(part.items)} items, {len(part.train.histories)} training interactions")
        for name in arguments.models:
            length = {} if name == "hgn" else {"max_length": arguments.length}
            sides: dict[str, dict[str, Any]] = {
                name: length | {"epochs": LONGEST, "validate_every": 1, "patience": 20},
                f"recbole:{RECBOLE[name]}": {
                    "epochs": LONGEST,
                    "max_length": arguments.length,
                    "batch_size": RECBOLE_BATCH,
                    "patience": 20,
                },
            }
            report(sides, lambda side, settings: trained(side, settings, part, 60 * arguments.minutes))


def report(sides: dict[str, dict[str, Any]], train: Callable[[str, dict[str, Any]], Watch]) -> None:
    """A line for each side of a pair."""
    for side, settings in sides.items():
        watch = train(side, settings)
        kept, masked = (watch.reached[protocol] for protocol in ("paper", "masked"))
        print(
            f"{side:18} test HR@5 {kept:.4f} kept, {masked:.4f} masked; validation NDCG@5 {watch.best:.4f}; "
            f"{watch.epochs} epochs of {watch.seconds / watch.epochs:.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
