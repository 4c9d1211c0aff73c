"""Recommenders compared with libraries.

Two processes per model, this project and the library used as documented, on the same interactions with the same
width, batch and history; they take turns, an epoch or an evaluation each, after a warm-up round. An epoch is one pass
over all training targets: RecBole has one sample per prefix of a history, this project trains on all positions of a
history at once. An evaluation ranks the full catalogue for the test part with HR, NDCG and MRR. Memory is that of each
process, including imports.

* RecBole's HGN reads whole histories and one sample per prefix, that of this project windows of five items.
* RecBole masks no seen items in sequential rankings, only for general models; this project always does.
* Cornac's evaluation computes scores and the ten best items user by user, without metrics.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.harness import Measure, benchmark, in_turns, times
from benchmarks.workloads import Worker, write_corpus
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.files import Workspace
from unimp_bench.ragged import offsets_of
from unimp_bench.records import Histories

TASK = "recommendation"
TOP = 10
BATCH, HISTORY = 2048, 50
TEXTS = ("title", "category", "brand")
METHODS = {"an epoch": "epoch", "an evaluation": "evaluate"}


class Ours:
    """A network of this project, without selection of epochs."""

    def __init__(
        self, name: str, settings: dict[str, Any], folder: Path, work: Path, preset: str | None = None
    ) -> None:
        from baselines.learning.interactions import Interactions
        from baselines.learning.training import NetworkTrainer
        from unimp_bench import registry

        corpus = Corpus.open(folder)
        model: Any = registry.make_model(name, preset, settings)
        self.model = model
        self.items = catalogue(corpus, "loo")
        self.test = target_examples(corpus, "loo", "test", TASK)
        interactions = Interactions.of(target_examples(corpus, "loo", "train", TASK), self.items)
        self.network = self.model.set_up(interactions, corpus.items, work)
        self.trainer = NetworkTrainer(self.network, self.model.config, 0, "ours")
        self.epochs = 0

    def epoch(self) -> None:
        from unimp_bench.progress import training

        with training("ours", 1) as shown:
            self.trainer.epoch(self.epochs, shown)
        self.epochs += 1
        self.model._ready = False

    def evaluate(self) -> float:
        """The NDCG of the ``TOP`` items."""
        from unimp_bench.kinds.ranks import rank_examples
        from unimp_bench.metrics.ranking import rank_metric_means

        ranked = rank_examples(self.model, self.test, self.items, "masked", top=TOP, label="ours")
        return rank_metric_means(ranked.ranks)[f"NDCG@{TOP}"]


class RecBole:
    """A trainer of RecBole."""

    def __init__(self, name: str, settings: dict[str, Any], folder: Path, work: Path) -> None:
        from benchmarks.recbole_adapter import ByHand

        sys.argv = sys.argv[:1]  # RecBole parses them
        self.side = ByHand(name, Corpus.open(folder), work, settings)
        self.epochs = 0

    def epoch(self) -> None:
        from baselines.recbole.compat import quietly

        with quietly():
            self.side.trainer._train_epoch(self.side.train, self.epochs)
        self.epochs += 1

    def evaluate(self) -> None:
        from baselines.recbole.compat import quietly

        with quietly():
            self.side.trainer.evaluate(self.side.test, load_best_model=False)


class Cornac:
    """A model of Cornac; ``fit`` always starts anew, so an epoch is a fit with one epoch."""

    def __init__(self, name: str, settings: dict[str, Any], folder: Path, work: Path) -> None:
        from cornac.data import Dataset, ImageModality

        from unimp_bench.corpus.features.text import text_vectors

        corpus = Corpus.open(folder)
        histories = target_examples(corpus, "loo", "train", TASK).histories
        users = np.repeat(np.arange(histories.users), histories.lengths())
        vectors = text_vectors(corpus.items, "lsa", work)
        assert vectors is not None
        ids = [str(item) for item in range(len(corpus.items))]
        triples = [(str(user), str(item), 1.0) for user, item in zip(users, histories.items, strict=True)]
        self.data = Dataset.from_uir(triples, seed=1)
        features = ImageModality(features=np.asarray(vectors.values), ids=ids, normalized=False)
        features.build(id_map=self.data.iid_map)
        self.data.add_modalities(item_image=features)
        self.options = dict(settings, n_epochs=1, verbose=False)
        if name == "CausalRec":
            self.options["mean_feat"] = features.features[: self.data.num_items].mean(axis=0)
        self.name = name
        self.model: Any = None

    def epoch(self) -> None:
        from cornac import models

        self.model = getattr(models, self.name)(**self.options)
        self.model.fit(self.data)

    def evaluate(self) -> None:
        for user in range(self.data.num_users):
            scores = self.model.score(user)
            np.argpartition(scores, -TOP)[-TOP:]


@dataclass(frozen=True)
class Pair:
    """A model and its counterpart in a library, with the same sizes.

    Attributes:
        name, settings: of the counterpart.
        ours: settings of this project's model.
        model: its name, where the case has another one.
    """

    name: str
    library: Callable[..., Any]
    settings: dict[str, Any]
    ours: dict[str, Any] = field(default_factory=dict)
    model: str = ""


_OWN_BATCH = {"batch_size": BATCH}
_GENERAL = {"train_batch_size": BATCH}
_SEQUENTIAL = _GENERAL | {"MAX_ITEM_LIST_LENGTH": HISTORY}
_VISUAL = {"k": 32, "k2": 32, "batch_size": BATCH}
PAIRS = {
    "mf": Pair("BPR", RecBole, _GENERAL, _OWN_BATCH),
    "lightgcn": Pair("LightGCN", RecBole, _GENERAL | {"n_layers": 3, "require_pow": True}, _OWN_BATCH | {"layers": 3}),
    "hgn": Pair("HGN", RecBole, _SEQUENTIAL),
    "gru4rec": Pair("GRU4Rec", RecBole, _SEQUENTIAL),
    "sasrec": Pair("SASRec", RecBole, _SEQUENTIAL),
    "bert4rec": Pair("BERT4Rec", RecBole, _SEQUENTIAL),
    "vbpr": Pair("VBPR", Cornac, _VISUAL, _OWN_BATCH),
    "causalrec": Pair("CausalRec", Cornac, _VISUAL | {"tanh": 1}, _OWN_BATCH),
}


def some_users(corpus: Corpus, users: int, folder: Path) -> Corpus:
    """A corpus of evenly spaced users over the whole catalogue with its text."""
    whole = corpus.histories
    chosen = np.zeros(whole.users, dtype=np.bool_)
    chosen[np.linspace(0, whole.users - 1, min(users, whole.users)).astype(int)] = True
    lengths = whole.lengths()
    kept = whole.take(np.repeat(chosen, lengths))
    offsets = offsets_of(lengths[chosen])
    histories = Histories(offsets, kept.items, kept.ratings, kept.times)
    columns = {name: corpus.items.column(name).combine_chunks() for name in TEXTS if name in corpus.items.attributes}
    return write_corpus(folder, histories, list(corpus.items.names), columns)


@benchmark("torch", "recbole", "cornac")
@click.option("--model", multiple=True, type=click.Choice(list(PAIRS)), default=list(PAIRS))
@click.option("--corpus", default="beauty", help="A built corpus, by name.")
@click.option("--users", default=4000)
@click.option("--rounds", default=3)
def command(model: tuple[str, ...], corpus: str, users: int, rounds: int) -> Iterator[Measure]:
    """See the docstring of the module."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "subset"
        some_users(Corpus.open(Workspace.here().data / corpus), users, folder)
        for each in model:
            yield from compared(each, PAIRS[each], folder, rounds, Path(name) / each)


def both_sides(case: str, pair: Pair, folder: Path, scratch: Path) -> dict[str, Worker]:
    """This project's model and its counterpart, not trained, each in a process."""
    places = [scratch / "ours", scratch / "theirs"]
    for place in places:
        place.mkdir(parents=True)
    return {
        "ours": Worker(Ours, pair.model or case, pair.ours, folder, places[0]),
        f"{pair.library.__name__}'s {pair.name}": Worker(pair.library, pair.name, pair.settings, folder, places[1]),
    }


def compared(case: str, pair: Pair, folder: Path, rounds: int, scratch: Path) -> Iterator[Measure]:
    """Epochs and evaluations of both sides in turns."""
    yield from measured(case, both_sides(case, pair, folder, scratch), rounds)


def measured(case: str, workers: dict[str, Worker], rounds: int) -> Iterator[Measure]:
    """Epochs and evaluations of workers in turns, after a warm-up round, and their memory; ends them."""
    sides = {side: (lambda worker=worker: _turn(worker)) for side, worker in workers.items()}
    in_turns(sides, 1)
    found = in_turns(sides, rounds)
    for what in METHODS:
        yield from times(case, what, {side: [turn[what] for turn in turns] for side, turns in found.items()})
    peaks = {side: [worker.end()] for side, worker in workers.items()}
    yield Measure.of(case, "peak", "MiB", peaks, compared=True)


def _turn(worker: Worker) -> dict[str, Any]:
    return {what: worker.timed(method) for what, method in METHODS.items()}
