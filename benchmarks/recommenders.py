"""Times each recommender beside the library that ships it: a pass over the training part, an evaluation, memory.

    python benchmarks/recommenders.py --corpus data/beauty [--users 4000] [--rounds 3] [mf lightgcn ...]

Two processes a model, ours and the library's driven by hand as its documentation says, on the same interactions with
the same width, batch size and history; they take turns, an epoch or an evaluation each, and the ratio of the sums
counts. An epoch is one pass over all training targets: RecBole makes a sample of each prefix of a history, ours trains
all positions of a history at once. Evaluation is a full ranking of the test part with HR, NDCG and MRR; Cornac has none
but user by user. Memory is the largest resident one of each process, the imports of both sides included in each.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TASK = "recommendation"
TOP = 10


@dataclass(frozen=True)
class Pair:
    """A model of ours and its counterpart; both sides get the same sizes."""

    ours: str
    settings: dict[str, Any]
    library: str
    theirs: str
    options: dict[str, Any]


PAIRS = (
    Pair("mf", {"batch_size": 2048}, "recbole", "BPR", {"train_batch_size": 2048}),
    Pair(
        "lightgcn",
        {"batch_size": 2048, "layers": 3},
        "recbole",
        "LightGCN",
        {"train_batch_size": 2048, "n_layers": 3, "require_pow": True},
    ),
    Pair("hgn", {}, "recbole", "HGN", {"train_batch_size": 2048, "MAX_ITEM_LIST_LENGTH": 50}),
    Pair("gru4rec", {}, "recbole", "GRU4Rec", {"train_batch_size": 2048, "MAX_ITEM_LIST_LENGTH": 50}),
    Pair("sasrec", {}, "recbole", "SASRec", {"train_batch_size": 2048, "MAX_ITEM_LIST_LENGTH": 50}),
    Pair("bert4rec", {}, "recbole", "BERT4Rec", {"train_batch_size": 2048, "MAX_ITEM_LIST_LENGTH": 50}),
    Pair("vbpr", {"batch_size": 2048}, "cornac", "VBPR", {"k": 32, "k2": 32, "batch_size": 2048}),
    Pair("causalrec", {"batch_size": 2048}, "cornac", "CausalRec", {"k": 32, "k2": 32, "batch_size": 2048, "tanh": 1}),
)


class Ours:
    """One of our networks, without the harness's choice of epochs."""

    def __init__(self, pair: Pair, corpus_folder: Path, work: Path) -> None:
        from unimp_bench import registry
        from unimp_bench.corpus import Corpus
        from unimp_bench.splits import catalogue, target_examples

        corpus = Corpus.open(corpus_folder)
        self.model: Any = registry.make_model(pair.ours, settings=pair.settings)
        self.items = catalogue(corpus, "loo")
        self.test = target_examples(corpus, "loo", "test", TASK)
        from baselines.learning.interactions import Interactions

        interactions = Interactions.of(target_examples(corpus, "loo", "train", TASK), self.items)
        self.network = self.model._become(interactions, corpus.items, work)
        self.optimizers = self.network.optimizers(self.model.config)
        self.epochs = 0

    def epoch(self) -> None:
        from baselines.learning.training import _epoch

        _epoch(self.network, self.optimizers, 0, self.epochs, "ours")
        self.epochs += 1
        self.model._ready = False

    def evaluate(self) -> None:
        from unimp_bench.metrics.ranking import rank_metric_means
        from unimp_bench.ranking import rank_examples

        rank_metric_means(rank_examples(self.model, self.test, self.items, "masked", top=TOP, label="ours").ranks)


class RecBole:
    """RecBole as its documentation drives it, without its logs."""

    def __init__(self, pair: Pair, corpus_folder: Path, work: Path) -> None:
        from recbole.data import create_dataset, data_preparation
        from recbole.utils import get_model

        from baselines.recbole.compat import Config, get_trainer, init_seed, quietly

        write_atomic(corpus_folder, work)
        sequential = "MAX_ITEM_LIST_LENGTH" in pair.options
        settings = {
            "data_path": str(work),
            "checkpoint_dir": str(work / "saved"),
            "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"},
            "metrics": ["Hit", "NDCG", "MRR"],
            "topk": [1, 3, 5, 10],
            "valid_metric": "NDCG@5",
            "show_progress": False,
            **({"train_neg_sample_args": None} if sequential else {}),
            **pair.options,
        }
        with quietly():
            config = Config(pair.theirs, "corpus", config_dict=settings)
            init_seed(1, True)
            dataset = create_dataset(config)
            self.train, _, self.test = data_preparation(config, dataset)
            model = get_model(pair.theirs)(config, self.train.dataset).to(config["device"])
            self.trainer = get_trainer(config["MODEL_TYPE"], pair.theirs)(config, model)
        self.epochs, self.quietly = 0, quietly

    def epoch(self) -> None:
        with self.quietly():
            self.trainer._train_epoch(self.train, self.epochs)
        self.epochs += 1

    def evaluate(self) -> None:
        with self.quietly():
            self.trainer.evaluate(self.test, load_best_model=False)


class Cornac:
    """Cornac's models: each call of ``fit`` begins anew, so an epoch is a fit of one."""

    def __init__(self, pair: Pair, corpus_folder: Path, work: Path) -> None:
        from cornac.data import Dataset, ImageModality

        from unimp_bench.corpus import Corpus
        from unimp_bench.features.text import text_vectors
        from unimp_bench.splits import target_examples

        corpus = Corpus.open(corpus_folder)
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
        self.options = dict(pair.options, n_epochs=1, verbose=False)
        if pair.theirs == "CausalRec":
            self.options["mean_feat"] = features.features[: self.data.num_items].mean(axis=0)
        self.name, self.model = pair.theirs, None

    def epoch(self) -> None:
        from cornac import models

        self.model = getattr(models, self.name)(**self.options)
        self.model.fit(self.data)

    def evaluate(self) -> None:
        assert self.model is not None
        for user in range(self.data.num_users):
            scores = self.model.score(user)
            np.argpartition(scores, -TOP)[-TOP:]


SIDES: dict[str, Callable[[Pair, Path, Path], Any]] = {"ours": Ours, "recbole": RecBole, "cornac": Cornac}


def write_atomic(corpus_folder: Path, work: Path) -> None:
    """The corpus as RecBole's files; the time is the place in the user's sequence."""
    from unimp_bench.corpus import Corpus

    histories = Corpus.open(corpus_folder).histories
    users = np.repeat(np.arange(histories.users), histories.lengths())
    places = np.arange(len(histories)) - histories.offsets[users]
    rows = zip(users, histories.items, places, strict=True)
    lines = [
        "user_id:token\titem_id:token\ttimestamp:float",
        *(f"{user}\t{item}\t{place}" for user, item, place in rows),
    ]
    (work / "corpus").mkdir(parents=True)
    (work / "corpus" / "corpus.inter").write_text("\n".join(lines) + "\n")


def write_subset(corpus_folder: Path, users: int, folder: Path) -> Path:
    """A corpus of some users, drawn evenly, over the whole catalogue with its text."""
    from unimp_bench.corpus import Corpus, CorpusWriter

    corpus = Corpus.open(corpus_folder)
    chosen = np.zeros(corpus.histories.users, dtype=np.bool_)
    chosen[np.linspace(0, corpus.histories.users - 1, min(users, corpus.histories.users)).astype(int)] = True
    lengths = corpus.histories.lengths()
    kept = corpus.histories.take(np.repeat(chosen, lengths))
    texts = [name for name in ("title", "category", "brand") if name in corpus.items.attributes]
    with CorpusWriter(folder) as writer:
        names = [f"u{user}" for user in np.flatnonzero(chosen)]
        writer.users(names, ["All"] * len(names), np.zeros(len(names), dtype=np.bool_))
        columns = {name: corpus.items.column(name).combine_chunks() for name in texts}
        writer.items(corpus.items.names, ["All"] * len(corpus.items), columns)
        offsets = np.concatenate([[0], np.cumsum(lengths[chosen])])
        writer.histories(type(kept)(offsets, kept.items, kept.ratings, kept.times))
        writer.finish(
            source="subset",
            licence="as its source",
            synthetic=False,
            options={"users": users},
            inputs={},
            domains=("All",),
            new_domains=(),
            bad_lines={},
        )
    return folder


def serve(side: str, pair: Pair, corpus: Path, work: Path) -> None:
    """The worker: does what each line of its input says, and answers with the seconds it took."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    sys.argv = sys.argv[:1]  # RecBole reads them
    made = SIDES[side](pair, corpus, work)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        with contextlib.redirect_stderr(io.StringIO()):
            getattr(made, line.strip())()
        taken = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(
            json.dumps(taken | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}),
            file=answers,
            flush=True,
        )


class Worker:
    """One side of a pair in a process of its own."""

    def __init__(self, side: str, pair: Pair, corpus: Path, work: Path) -> None:
        work.mkdir(parents=True)
        command = [sys.executable, __file__, "--corpus", str(corpus), "--serve", side, "--work", str(work), pair.ours]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.seconds = {"epoch": 0.0, "evaluate": 0.0}
        self.peak = 0.0
        self._answer()

    def do(self, what: str, counted: bool = True) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        answer = self._answer()
        self.seconds[what] += answer["cpu"] * counted
        self.peak = answer["peak"]

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a worker died; what it said stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def measure(pair: Pair, corpus: Path, rounds: int, scratch: Path) -> str:
    """One line of the table."""
    workers = [Worker(side, pair, corpus, scratch / f"{pair.ours}-{side}") for side in ("ours", pair.library)]
    for number in range(-1, rounds):  # the first round pays for what is made at first use
        for what in ("epoch", "evaluate"):
            for worker in workers[:: 1 if number % 2 else -1]:
                worker.do(what, counted=number >= 0)
    for worker in workers:
        worker.end()
    ours, theirs = workers
    each = {what: (ours.seconds[what] / rounds, theirs.seconds[what] / rounds) for what in ours.seconds}
    epoch, evaluation = (f"{a:.2f} / {b:.2f} | {a / b:.2f}" for a, b in each.values())
    name = f"{pair.theirs} ({'RecBole' if pair.library == 'recbole' else 'Cornac'})"
    return f"| {pair.ours} | {name} | {epoch} | {evaluation} | {ours.peak:,.0f} / {theirs.peak:,.0f} |"


def chosen(names: list[str]) -> Iterator[Pair]:
    """The pairs by the names of our models; all where none is named."""
    known = {pair.ours: pair for pair in PAIRS}
    for name in names or known:
        if name not in known:
            raise SystemExit(f"no pair is called {name!r}; there are: {', '.join(known)}")
        yield known[name]


def main() -> None:
    """Measure and print a table, a line at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--users", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    pairs = list(chosen(arguments.models))
    if arguments.serve:
        serve(arguments.serve, pairs[0], arguments.corpus, arguments.work)
        return
    with tempfile.TemporaryDirectory() as scratch:
        corpus = write_subset(arguments.corpus, arguments.users, Path(scratch) / "subset")
        print("| Model | Beside | Processor s an epoch, ours / theirs | Ratio | s an evaluation | Ratio | Peak MiB |")
        print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
        for pair in pairs:
            print(measure(pair, corpus, arguments.rounds, Path(scratch)), flush=True)


if __name__ == "__main__":
    main()
