"""Image generation: the fixed retriever follows its definition and does not reveal the target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tasks.image_generation import ImageGeneration
from tasks.retrieval import HISTORY, Retriever
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import target_examples
from unimp_bench.corpus.writer import CorpusWriter
from unimp_bench.records import Examples, Histories


def definition(corpus: Corpus, examples: Examples, number: int) -> list[int]:
    """The two best items by a loop."""
    train = target_examples(corpus, "loo", "train", "x")
    assert train.targets is not None and examples.targets is not None and examples.queries is not None
    pairs = list(zip(train.histories.items[train.ends - 1].tolist(), train.targets.tolist(), strict=True))
    popularity = np.bincount(train.histories.items, minlength=len(corpus.items)).astype(float)
    history = examples.history(number)[-HISTORY:].tolist()
    if examples.part == "train":
        target = int(examples.targets[number])
        pairs.remove((history[-1], target))
        popularity[target] -= 1
    query = examples.query_texts[int(examples.queries[number])]
    paths = corpus.items.text("category")
    sold = np.unique(corpus.histories.items[np.repeat(~np.isin(corpus.users.domains, [2]), corpus.histories.lengths())])
    shelf = [int(item) for item in sold if corpus.items.has_picture[item] and paths[item] == query]
    score = {item: sum((before, item) in [pair] for before in history for pair in pairs) for item in shelf}
    return sorted(shelf, key=lambda item: (-score[item], -popularity[item], item))[:2]


@pytest.mark.parametrize("part", ["train", "test"])
def test_the_retriever_follows_its_definition(planted: Corpus, part: str) -> None:
    examples = ImageGeneration().examples(planted, "loo", part)  # type: ignore[arg-type]
    assert examples.shown is not None
    for number in np.linspace(0, len(examples) - 1, 25).astype(int):
        found = examples.shown.items[2 * number : 2 * number + 2].tolist()
        assert found == definition(planted, examples, int(number))


def test_targets_and_retrieved_items_have_pictures(planted: Corpus) -> None:
    examples = ImageGeneration().examples(planted, "new-domain", "test")
    assert examples.shown is not None and examples.targets is not None
    assert planted.items.has_picture[examples.targets].all()
    assert planted.items.has_picture[examples.shown.items].all()
    assert (np.diff(examples.shown.items.reshape(-1, 2)) != 0).all()


def test_a_training_example_does_not_count_its_own_transitions(tmp_path: Path) -> None:
    """With [a, b, a] followed by t, and no other user, no transition to t remains."""
    with CorpusWriter(tmp_path / "repeats") as writer:
        writer.users(["u"], ["all"], np.zeros(1, bool))
        writer.items([*"abtvw"], ["all"] * 5, {"category": pa.array(["Tools"] * 5)})
        items = np.array([0, 1, 0, 2, 3, 4])
        writer.histories(Histories(np.array([0, 6]), items, np.full(6, np.nan), np.arange(6)))
        facts = {"source": "made", "licence": "none", "synthetic": True, "options": {}, "inputs": {}}
        writer.finish(**facts, domains=("all",), new_domains=(), bad_lines={})
    corpus = Corpus.open(tmp_path / "repeats")
    retriever = Retriever(corpus, "loo", ["Tools"] * 5)
    train = target_examples(corpus, "loo", "train", "x").asking(["Tools"] * 5)
    assert train.targets is not None and train.targets[-1] == 2 and train.history(-1).tolist() == [0, 1, 0]
    scores = retriever._scores(train, np.arange(5))
    assert np.floor(scores[-1, 2]) == 0
    assert np.floor(scores[-1, 1]) == 2, "a led to b once, and a stands twice in the window"


def test_a_small_category_is_widened(planted: Corpus) -> None:
    paths = [f"Books > {item}" if item < 24 else "Tools" for item in range(len(planted.items))]
    retriever = Retriever(planted, "loo", paths)
    examples = target_examples(planted, "loo", "test", "x").asking(paths)
    assert examples.queries is not None
    found = retriever.retrieve(examples, 2)
    narrow = np.array([examples.query_texts[query].startswith("Books") for query in examples.queries])
    assert narrow.any() and (found[narrow] < 24).all()
    assert not (found[narrow][:, :1] == found[narrow][:, 1:]).any()
    assert (np.diff(found) != 0).all()
