"""RecBole as its documentation drives it, without its logs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from baselines.recbole.compat import Config, get_trainer, init_seed, quietly
from unimp_bench.corpus import Corpus


class ByHand:
    """A trainer of RecBole over the interactions of a corpus, split by leave-one-out as RecBole splits.

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
    """The interactions as RecBole reads them; the time is the place in the user's sequence."""
    histories = corpus.histories
    users = np.repeat(np.arange(histories.users), histories.lengths())
    places = np.arange(len(histories)) - histories.offsets[users]
    rows = zip(users, histories.items, places, strict=True)
    path.parent.mkdir(parents=True)
    with path.open("w") as stream:
        stream.write("user_id:token\titem_id:token\ttimestamp:float\n")
        stream.writelines(f"{user}\t{item}\t{place}\n" for user, item, place in rows)
