"""Training on all positions in one pass.

Sequential models of this project and of RecBole on some users of Amazon Beauty, with the same processor time for
training, without validation; each is validated after every epoch and tested at its best one. This project trains on
all positions of a sequence in one pass, RecBole on one sample per prefix. The reviews are RecBole atomic files in
`$UNIMP_BENCH_REALDATA/beauty`.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.harness import Measure, benchmark
from benchmarks.workloads import real_data
from data_prep.build import build_corpus
from unimp_bench.contracts import FitData, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.ragged import offsets_of
from unimp_bench.records import BoolArray, Examples, IntArray, Protocol
from unimp_bench.records import Part as PartName
from unimp_bench.registry import make_model

TASK = "recommendation"
RECBOLE = {"sasrec": "SASRec", "gru4rec": "GRU4Rec", "bert4rec": "BERT4Rec", "hgn": "HGN"}
RECBOLE_BATCH = 512
PARTS: tuple[PartName, ...] = ("train", "validation", "test")
HIT_RATES: dict[Protocol, str] = {"paper": "HR@5, history kept", "masked": "HR@5, history left out"}
LONGEST, PATIENCE = 10_000, 20


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
        """The examples of randomly drawn users."""
        drawn = np.random.default_rng(0).permutation(corpus.histories.users)[:users]
        chosen = np.isin(np.arange(corpus.histories.users), drawn)
        train, validation, test = (_of(target_examples(corpus, "loo", part, TASK), chosen) for part in PARTS)
        known = np.concatenate([test.histories.items, test.targets])
        return cls(corpus, np.intersect1d(known, catalogue(corpus, "loo")), train, validation, test)


def _of(examples: Examples, chosen: BoolArray) -> Examples:
    histories = examples.histories
    kept = np.repeat(chosen, histories.lengths())
    before = offsets_of(kept)
    own = replace(examples, histories=histories.take(kept), ends=before[examples.ends])
    return own.select(np.flatnonzero(chosen[examples.users]))


class TimeIsUpError(Exception):
    """The time limit of the training is reached."""


@dataclass
class Watch:
    """Measures the processor time of training, and keeps the test scores of the best epoch.

    Attributes:
        part: data of validation and test.
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

    def validate(self, model: Any, task: str) -> dict[Protocol, float]:
        """The validation score; its time is not counted."""
        self.seconds += time.process_time() - self.started
        self.epochs += 1
        ranks = self._ranks(model, self.part.validation, "paper")
        score = float(np.where(ranks <= 5, 1 / np.log2(ranks + 1.0), 0).mean())
        if score > self.best:
            self.best = score
            for protocol in HIT_RATES:
                self.reached[protocol] = float((self._ranks(model, self.part.test, protocol) <= 5).mean())
        if self.seconds > self.limit:
            raise TimeIsUpError
        self.started = time.process_time()
        return {"paper": score}

    def _ranks(self, model: Any, examples: Examples, protocol: Protocol) -> IntArray:
        return rank_examples(model, examples, self.part.items, protocol, top=0, label=TASK).ranks


def trained(name: str, settings: dict[str, Any], part: Part, seconds: float) -> Watch:
    """Train a model until the time limit or its early stopping."""
    model = make_model(name, settings=settings)
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(part, seconds)
        examples = {TASK: TaskExamples(part.train, part.validation)}
        with contextlib.suppress(TimeIsUpError):
            model.fit(FitData(part.corpus.items, part.items, examples, 1, Path(folder), Path(folder), watch.validate))
    return watch


def measures(case: str, sides: dict[str, Watch]) -> Iterator[Measure]:
    """Scores and epochs of each side."""
    for protocol, name in HIT_RATES.items():
        yield Measure.of(case, name, "", {side: [watch.reached[protocol]] for side, watch in sides.items()})
    yield Measure.of(case, "validation NDCG@5", "", {side: [watch.best] for side, watch in sides.items()})
    yield Measure.of(case, "epochs", "", {side: [watch.epochs] for side, watch in sides.items()})
    epoch = {side: [watch.seconds / watch.epochs] for side, watch in sides.items()}
    yield Measure.of(case, "an epoch", "CPU s", epoch, compared=True)


@benchmark("torch", "recbole")
@click.option("--model", multiple=True, type=click.Choice(sorted(RECBOLE)), default=("sasrec", "gru4rec"))
@click.option("--users", default=4000)
@click.option("--minutes", default=3.0, help="Maximum time per training.")
@click.option("--length", default=20, help="Maximum length of sequences.")
def command(model: tuple[str, ...], users: int, minutes: float, length: int) -> Iterator[Measure]:
    """See the docstring of the module."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "beauty"
        build_corpus("atomic", folder, real_data() / "beauty")
        part = Part.of(Corpus.open(folder), users)
        yield Measure.fact("the part", "users", users)
        yield Measure.fact("the part", "items", len(part.items))
        yield Measure.fact("the part", "training interactions", len(part.train.histories))
        for name in model:
            bounds = {} if name == "hgn" else {"max_length": length}
            sides = {
                "ours": (name, bounds | {"epochs": LONGEST, "validate_every": 1, "patience": PATIENCE}),
                "RecBole's": (
                    f"recbole:{RECBOLE[name]}",
                    {"epochs": LONGEST, "max_length": length, "batch_size": RECBOLE_BATCH, "patience": PATIENCE},
                ),
            }
            yield from measures(name, {side: trained(*each, part, 60 * minutes) for side, each in sides.items()})
