"""SASRec through the adapter.

`recbole:SASRec` compared with direct use of RecBole, with the same sequences, epochs and settings. Each side reads the
interactions, trains with its own validation after every epoch, and keeps its best epoch. The sequences are generated:
five to eleven items of long-tailed popularity, without repeats.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa

from baselines.recbole.adapter import RecBole
from baselines.recbole.compat import Config, get_trainer, init_seed, quietly
from baselines.recbole.config import RecBoleConfig
from benchmarks.harness import Measure, benchmark, seconds_in_turns, times
from benchmarks.workloads import histories_of, write_corpus
from unimp_bench.contracts import FitData, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.ragged import offsets_of
from unimp_bench.records import Protocol

TASK = "recommendation"
SHORTEST, LONGEST = 5, 11
FEW = 20
"""Users of the warm-up, which includes imports and set-up."""


class ByHand:
    """A trainer of RecBole over the interactions of a corpus, with RecBole's leave-one-out split.

    Attributes:
        train, validation, test: RecBole's loaders.
    """

    def __init__(self, model: str, corpus: Corpus, work: Path, settings: Mapping[str, Any]) -> None:
        from recbole.data import create_dataset, data_preparation
        from recbole.utils import get_model

        write_atomic(corpus, work / "corpus" / "corpus.inter")
        whole = {
            "data_path": str(work),
            "checkpoint_dir": str(work / "saved"),
            "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"},
            "metrics": ["Hit", "NDCG", "MRR"],
            "topk": [1, 3, 5, 10],
            "valid_metric": "NDCG@5",
            "show_progress": False,
            **settings,
        }
        if "MAX_ITEM_LIST_LENGTH" in settings:  # a sequential model
            whole["train_neg_sample_args"] = None
        with quietly():
            config = Config(model, "corpus", config_dict=whole)
            init_seed(1, True)
            self.train, self.validation, self.test = data_preparation(config, create_dataset(config))
            network = get_model(model)(config, self.train.dataset).to(config["device"])
            self.trainer: Any = get_trainer(config["MODEL_TYPE"], model)(config, network)
            self.trainer.tensorboard = Silent()


class Silent:
    """A TensorBoard writer that writes nothing."""

    def add_scalar(self, *values: object) -> None: ...

    def add_hparams(self, *values: object) -> None: ...


def write_atomic(corpus: Corpus, path: Path) -> None:
    """Write the interactions as a RecBole atomic file; times are positions."""
    histories = corpus.histories
    users = np.repeat(np.arange(histories.users), histories.lengths())
    places = np.arange(len(histories)) - histories.offsets[users]
    rows = zip(users, histories.items, places, strict=True)
    path.parent.mkdir(parents=True)
    with path.open("w") as stream:
        stream.write("user_id:token\titem_id:token\ttimestamp:float\n")
        stream.writelines(f"{user}\t{item}\t{place}\n" for user, item, place in rows)


def sequences(folder: Path, users: int, items: int) -> Corpus:
    """A generated corpus."""
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, items + 1) ** 0.8
    lengths = rng.integers(SHORTEST, LONGEST + 1, users)
    rows = [rng.choice(items, size, replace=False, p=weights / weights.sum()) for size in lengths]
    histories = histories_of(offsets_of(lengths), np.concatenate(rows))
    return write_corpus(folder, histories, [f"i{item}" for item in range(items)], {"title": pa.array([""] * items)})


def through_the_adapter(corpus: Corpus, config: RecBoleConfig, work: Path) -> None:
    """Training by the adapter, with the split and validation of this project."""
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
    """Training by RecBole."""
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
    """See the docstring of the module."""
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
