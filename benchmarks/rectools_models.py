"""Sequential recommenders compared with RecTools.

SASRec and eSASRec of this project beside those of RecTools, as in *Recommenders compared with libraries*: an epoch and
an evaluation each in turns, on the same interactions with the same width, layers, heads, dropout, length of histories,
batch and loss. RecTools' evaluation is `recommend` with `filter_viewed`, for the ten best items, and its own NDCG and
hit rate. Of the negatives of sampled softmax RecTools draws its own for each position, this project shares those of a
batch. This project never attends to padding; RecTools does by default, but not in the settings that the authors of
eSASRec publish, which are taken for LiGR. `--epochs` compares quality as well: the NDCG of each side, of its own code,
after as many epochs at the same learning rate, without selection. RecTools is not a dependency of the project:

    pip install --target DIR --no-deps rectools==0.19.0 pytorch-lightning==2.5.2 lightning-utilities==0.15.3 \\
        'attrs<24' typeguard pm-implicit==0.7.3
    PYTHONPATH=DIR python -m benchmarks rectools_models
"""

from __future__ import annotations

import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.harness import Measure, benchmark
from benchmarks.recommenders import HISTORY, TASK, TOP, Pair, both_sides, compared, some_users
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import target_examples
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace
from unimp_bench.records import Examples

WIDTH, LAYERS, HEADS, DROPOUT, BATCH, NEGATIVES = 64, 2, 2, 0.2, 128, 256


class RecTools:
    """SASRec of RecTools, with its own blocks or those of eSASRec (``LiGR``)."""

    def __init__(self, name: str, settings: dict[str, Any], folder: Path, work: Path) -> None:
        _quiet()
        from rectools.dataset import Dataset
        from rectools.models import SASRecModel
        from rectools.models.nn.transformers.ligr import LiGRLayers

        corpus = Corpus.open(folder)
        test = target_examples(corpus, "loo", "test", TASK)
        assert test.targets is not None
        self.train = Dataset.construct(_table(target_examples(corpus, "loo", "train", TASK)))
        self.known = Dataset.construct(_table(test))
        self.users, self.targets = test.users, np.asarray(test.targets)
        blocks = {"transformer_layers_type": LiGRLayers} if name == "LiGR" else {}
        self.model = SASRecModel(session_max_len=HISTORY, dropout_rate=DROPOUT, **blocks, **settings)

    def epoch(self) -> None:
        self.model.fit_partial(self.train, min_epochs=1, max_epochs=1)

    def evaluate(self) -> float:
        """The NDCG of the ``TOP`` items."""
        import pandas as pd
        from rectools import Columns
        from rectools.metrics import NDCG, HitRate, calc_metrics

        lists = self.model.recommend(self.users, self.known, k=TOP, filter_viewed=True, on_unsupported_targets="ignore")
        truth = pd.DataFrame({Columns.User: self.users, Columns.Item: self.targets})
        metrics = {"hit rate": HitRate(TOP), "NDCG": NDCG(TOP, divide_by_achievable=True)}
        return float(calc_metrics(metrics, lists, truth)["NDCG"])


def _table(examples: Examples) -> Any:
    """The histories as RecTools reads them; the order within a user is that of the corpus."""
    import pandas as pd
    from rectools import Columns

    histories = examples.histories
    times = np.datetime64("2000-01-01", "s") + np.arange(len(histories)).astype("timedelta64[s]")
    columns = {Columns.User: histories.owners(), Columns.Item: histories.items, Columns.Datetime: times}
    return pd.DataFrame({**columns, Columns.Weight: np.ones(len(histories))})


def _quiet() -> None:
    """RecTools trains by lightning, which imports torchvision and warns of numbers of workers."""
    from unimp_bench.torch_setup import make_torchvision_importable

    make_torchvision_importable()
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


_SIZES = {"n_factors": WIDTH, "batch_size": BATCH}
_BLOCKS = {"n_blocks": LAYERS, "n_heads": HEADS}
_SAMPLED = {"loss": "sampled_softmax", "n_negatives": NEGATIVES}
_OURS = {"width": WIDTH, "batch_size": BATCH, "max_length": HISTORY, "dropout": DROPOUT, "attention_dropout": DROPOUT}
_VANILLA = {**_OURS, "inner": WIDTH, "layers": LAYERS, "heads": HEADS}
PAIRS = {
    "sasrec": Pair("SASRec", RecTools, {**_SIZES, **_BLOCKS, "loss": "softmax"}, {**_VANILLA, "form": "ce"}),
    "sasrec, sampled": Pair(
        "SASRec",
        RecTools,
        {**_SIZES, **_BLOCKS, **_SAMPLED},
        {**_VANILLA, "form": "sampled", "samples": NEGATIVES},
        model="sasrec",
    ),
    "esasrec": Pair(
        "LiGR",
        RecTools,
        {**_SIZES, **_SAMPLED, "n_blocks": 1, "n_heads": 1, "use_key_padding_mask": True},
        {**_OURS, "inner": 4 * WIDTH, "samples": NEGATIVES},
    ),
}


@benchmark("torch", "rectools", "pytorch-lightning")
@click.option("--model", multiple=True, type=click.Choice(list(PAIRS)), default=list(PAIRS))
@click.option("--corpus", default="beauty", help="A built corpus, by name.")
@click.option("--users", default=22_363, help="Users of the corpus, evenly spaced.")
@click.option("--rounds", default=3)
@click.option("--epochs", default=0, help="Epochs after which the quality is compared; 0: it is not.")
def command(model: tuple[str, ...], corpus: str, users: int, rounds: int, epochs: int) -> Iterator[Measure]:
    """See the docstring of the module."""
    if importlib.util.find_spec("rectools") is None:
        raise UsageError("RecTools is not installed; the docstring of benchmarks/rectools_models.py says how")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "subset"
        some_users(Corpus.open(Workspace.here().data / corpus), users, folder)
        for each in model:
            yield from compared(each, PAIRS[each], folder, rounds, Path(name) / each)
            if epochs:
                yield quality(each, folder, epochs, Path(name) / f"{each} trained")


def quality(case: str, folder: Path, epochs: int, scratch: Path) -> Measure:
    """NDCG of both sides after some epochs, on the test part."""
    found = {}
    for side, worker in both_sides(case, PAIRS[case], folder, scratch).items():
        for _ in range(epochs):
            worker.timed("epoch")
        found[side] = [worker.value("evaluate")]
        worker.end()
    return Measure.of(case, f"NDCG@{TOP} after {epochs} epochs", "", found, compared=True)
