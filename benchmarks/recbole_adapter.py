"""What SASRec costs through the adapter, against RecBole driven by hand: same sequences, epochs and settings.

    python benchmarks/recbole_adapter.py [--users 2000] [--items 800] [--epochs 2] [--rounds 3]

Each side reads the interactions, trains with its own validation after every epoch, and keeps its best epoch; they
take turns, and the ratios are those of their total wall and processor seconds (the latter hold on a machine that is
busy with other things). Set OMP_NUM_THREADS as in the runs to be predicted.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from baselines.recbole.adapter import RecBole
from baselines.recbole.compat import quietly
from baselines.recbole.config import RecBoleConfig
from unimp_bench.contracts import FitData, Ranker, TaskExamples
from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.ranking import rank_examples
from unimp_bench.records import FloatArray, Histories
from unimp_bench.splits import catalogue, target_examples

TASK = "recommendation"


def write_corpus(folder: Path, users: int, items: int) -> Corpus:
    """Sequences of 5 to 11 items, drawn by a long-tailed popularity without repeats."""
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, items + 1) ** 0.8
    lengths = rng.integers(5, 12, users)
    rows = [rng.choice(items, size, replace=False, p=weights / weights.sum()) for size in lengths]
    total = int(lengths.sum())
    with CorpusWriter(folder) as writer:
        writer.users([f"u{user}" for user in range(users)], ["All"] * users, np.zeros(users, dtype=bool))
        writer.items([f"i{item}" for item in range(items)], ["All"] * items, {"title": pa.array([""] * items)})
        times = np.concatenate([np.arange(size) for size in lengths])
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        writer.histories(Histories(offsets, np.concatenate(rows), np.ones(total, dtype=np.float32), times))
        writer.finish(
            source="generated",
            licence="none",
            synthetic=True,
            options={},
            inputs={},
            domains=("All",),
            new_domains=(),
            bad_lines={},
        )
    return Corpus.open(folder)


def through_the_adapter(corpus: Corpus, config: RecBoleConfig, work: Path) -> None:
    """The harness's way: our split, our validation."""
    work.mkdir()
    items = catalogue(corpus, "loo")
    parts = TaskExamples(
        target_examples(corpus, "loo", "train", TASK), target_examples(corpus, "loo", "validation", TASK)
    )

    def validate(model: Ranker[Any], task: str) -> float:
        ranks = rank_examples(model, parts.validation, items, "paper", top=0, label=task).ranks
        return float(np.where(ranks <= 5, 1 / np.log2(ranks + 1.0), 0).mean())

    RecBole(config).fit(FitData(corpus.items, items, {TASK: parts}, 1, work, work, validate))


def by_hand(corpus: Corpus, config: RecBoleConfig, work: Path) -> None:
    """RecBole's way, as its documentation drives it, without its logs."""
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import get_model, get_trainer, init_seed

    (work / "corpus").mkdir(parents=True)
    histories = corpus.histories
    users = np.repeat(np.arange(histories.users), histories.lengths())
    rows = zip(users, histories.items, histories.times, strict=True)
    lines = ["user_id:token\titem_id:token\ttimestamp:float", *(f"{user}\t{item}\t{time}" for user, item, time in rows)]
    (work / "corpus" / "corpus.inter").write_text("\n".join(lines) + "\n")
    settings = {
        "data_path": str(work),
        "checkpoint_dir": str(work / "saved"),
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "train_neg_sample_args": None,
        "MAX_ITEM_LIST_LENGTH": config.max_length,
        "epochs": config.epochs,
        "train_batch_size": config.batch_size,
        "stopping_step": config.patience,
        "valid_metric": "NDCG@5",
        "topk": [5],
        "metrics": ["NDCG"],
        "show_progress": False,
    }
    recbole = Config("SASRec", "corpus", config_dict=settings)
    init_seed(1, True)
    dataset = create_dataset(recbole)
    train, validation, _ = data_preparation(recbole, dataset)
    model = get_model("SASRec")(recbole, train.dataset).to(recbole["device"])
    trainer = get_trainer(recbole["MODEL_TYPE"], "SASRec")(recbole, model)
    trainer.tensorboard = Silent()
    trainer.fit(train, validation, verbose=False, saved=True, show_progress=False)


class Silent:
    """A TensorBoard writer that writes nothing."""

    def add_scalar(self, *values: object) -> None: ...

    def add_hparams(self, *values: object) -> None: ...


def main() -> None:
    """Measure, and print one line a round and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--items", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    sys.argv = sys.argv[:1]  # RecBole by hand would read them too
    config = RecBoleConfig(model="SASRec", epochs=arguments.epochs, patience=arguments.epochs)
    sizes = f"{arguments.users} users, {arguments.items} items, {arguments.epochs} epochs"
    print(f"{sizes}, {torch.get_num_threads()} threads", flush=True)
    sides = {"adapter": through_the_adapter, "by hand": by_hand}
    seconds = {name: np.zeros((arguments.rounds, 2)) for name in sides}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        corpus = write_corpus(Path(folder) / "corpus", arguments.users, arguments.items)
        warm_up = write_corpus(Path(folder) / "warm-up", 20, arguments.items)
        for name, run in sides.items():  # the first call of a process pays for imports and set-up
            with quietly():
                run(warm_up, config, Path(folder) / f"{name} warm-up")
        for number in range(arguments.rounds):
            for name in sorted(sides, reverse=bool(number % 2)):
                started = np.array([time.perf_counter(), time.process_time()])
                with quietly():
                    sides[name](corpus, config, Path(folder) / f"{name} {number}")
                seconds[name][number] = np.array([time.perf_counter(), time.process_time()]) - started
            shown = (f"{name} {wall:.2f} s (processor {cpu:.2f})" for name, (wall, cpu) in latest(seconds, number))
            print(f"round {number + 1}: " + ", ".join(shown), flush=True)
    wall, cpu = seconds["adapter"].sum(axis=0) / seconds["by hand"].sum(axis=0)
    print(f"adapter / by hand: wall {wall:.3f}, processor {cpu:.3f} (target: at most 1.1)")


def latest(seconds: dict[str, FloatArray], number: int) -> list[tuple[str, tuple[float, float]]]:
    """Both sides' wall and processor seconds of one round."""
    return [(name, (float(rounds[number, 0]), float(rounds[number, 1]))) for name, rounds in seconds.items()]


if __name__ == "__main__":
    main()
