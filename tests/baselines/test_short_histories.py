"""Test users with no, one or two training interactions in a public split: a result, or a one-line error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from tests.corpora import finish
from unimp_bench import registry
from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.files import Workspace
from unimp_bench.records import Histories
from unimp_bench.runs.runner import RunRequest, run
from unimp_bench.testing.planted import KINDS

ITEMS = 24
TRAINED = (8,) * 30 + (2,) * 6 + (1,) * 6
"""Training interactions of each user, in addition to one for validation and one for testing."""

RECOMMENDERS = ("popularity", "mf", "sasrec", "gru4rec", "bert4rec", "hgn", "s3rec", "unisrec", "vbpr")
COUNTERS = ("transition-graph", "itemknn", "ease")
SEARCHERS = ("hem", "zam", "bm25", "dense")
OF_SEQUENCES = ("sasrec", "gru4rec", "s3rec", "unisrec")
CAUSES = {"none": "has no training interaction", "one": "no user has two training interactions"}


def _write(folder: Path, trained: tuple[int, ...]) -> Corpus:
    """Users walk along a ring of items; the corpus holds out the last two items of each walk."""
    lengths = np.array(trained) + 2
    walks = [(start + np.arange(length)) % ITEMS for start, length in enumerate(lengths)]
    rows = int(lengths.sum())
    numbers = range(ITEMS)
    with CorpusWriter(folder) as writer:
        for item in numbers:
            path = folder.parent / f"{item}.png"
            Image.new("RGB", (8, 8), (10 * item, 40, 40)).save(path)
            writer.add_picture(item, path)
        writer.users([f"u{n}" for n in range(len(walks))], ["all"] * len(walks), np.zeros(len(walks), bool))
        writer.items(
            [f"i{item}" for item in numbers],
            ["all"] * ITEMS,
            {
                "title": pa.array([f"{KINDS[item % 4]} thing number{item % 9}" for item in numbers]),
                "category": pa.array([["All", KINDS[item % 4]] for item in numbers]),
            },
        )
        writer.histories(
            Histories(
                offsets=np.concatenate([[0], np.cumsum(lengths)]),
                items=np.concatenate(walks).astype(np.int32),
                ratings=np.full(rows, 4, np.float32),
                times=np.concatenate([86_400 * np.arange(1, length + 1) for length in lengths]),
            )
        )
        writer.parts(np.concatenate([np.repeat([0, 1, 2], [count, 1, 1]) for count in trained]).astype(np.uint8))
        writer.reviews([(["" for _ in range(rows)], ["A fine thing." for _ in range(rows)])])
        finish(writer)
    return Corpus.open(folder)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Corpus]:
    """Few training interactions, none at all for some users, and no user with more than one."""
    folder = tmp_path_factory.mktemp("short")
    kinds = {"few": TRAINED, "none": (*TRAINED, *(0,) * 6), "one": (1,) * 48}
    return {name: _write(folder / name, trained) for name, trained in kinds.items()}


def _cases() -> list[tuple[str, str]]:
    return [("recommendation", name) for name in (*RECOMMENDERS, *COUNTERS)] + [("search", name) for name in SEARCHERS]


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("kind", ["few", "none", "one"])
@pytest.mark.parametrize(("task", "model"), _cases())
def test_short_histories_give_a_result_or_a_one_line_error(
    corpora: dict[str, Corpus], tmp_path: Path, task: str, model: str, kind: str
) -> None:
    corpus = corpora[kind]
    own = {"epochs", "pretraining_epochs"} & set(vars(registry.make_model(model).config))
    request = RunRequest(task, model, corpus.folder, split="public", settings=dict.fromkeys(own, "1"))
    try:
        result, _ = run(request, Workspace(tmp_path))
    except (UsageError, ModelError) as error:
        assert kind != "few" and CAUSES[kind] in str(error) and "\n" not in str(error)
    else:
        assert kind != "one" or model not in OF_SEQUENCES, "a result without training data"
        assert result.examples and 0 <= result.metrics["NDCG@10"].value <= 1
