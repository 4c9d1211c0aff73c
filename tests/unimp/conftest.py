"""Small, untrained UniMPs on the planted corpus, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from tests.unimp.small import SMALL, TASKS, Parts, examples_of
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.pictures import picture_features
from unimp_bench.generative.item_ids import ItemIds
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.pieces import answer_names, catalogue_pieces
from unimp_bench.unimp.tokens import Vocabulary, attribute_values, phrases


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def parts(planted: Corpus, cache: Path) -> Parts:
    """For the two ranking tasks."""
    return _parts(planted, cache, ("recommendation", "search"))


@pytest.fixture(scope="session")
def six(planted: Corpus, cache: Path) -> Parts:
    """For all six tasks, with ratings in the histories."""
    return _parts(planted, cache, tuple(TASKS))


def _parts(corpus: Corpus, cache: Path, tasks: Sequence[str]) -> Parts:
    items = corpus.items
    texts = [text for name in SMALL.attributes for text in attribute_values(items, name, 20)]
    asked = [phrase for name in tasks for phrase in phrases(TASKS[name].instruction, name)]
    answers = answer_names(examples_of(corpus, name) for name in tasks)
    vocabulary = Vocabulary.train(
        [*texts, "Category Price Brand Title"], ItemIds.atomic(len(items)), 512, asked, answers
    )
    features = picture_features(items, "tiny", "", cache)
    assert features is not None
    seed_everything(0)
    model = build_model(SMALL, len(vocabulary), features.width).eval()
    return Parts(corpus, vocabulary, catalogue_pieces(items, vocabulary, SMALL), features, model)
