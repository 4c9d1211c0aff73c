"""A small, untrained UniMP on the planted corpus, shared by the tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.unimp.small import SMALL, Parts
from unimp_bench.corpus import Corpus
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.prompt import attribute_values
from unimp_bench.unimp.sentences import item_pieces
from unimp_bench.unimp.tokens import Vocabulary
from unimp_bench.unimp.vision import picture_features


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def parts(planted: Corpus, cache: Path) -> Parts:
    items = planted.items
    texts = [text for name in SMALL.attributes for text in attribute_values(items, name, 20)]
    vocabulary = Vocabulary.train([*texts, "Category Price Brand Title"], len(items), 512)
    features = picture_features(items, "tiny", "", cache)
    assert features is not None
    seed_everything(0)
    model = UniMPModel(SMALL, len(vocabulary), features.width).eval()
    return Parts(planted, vocabulary, item_pieces(items, vocabulary, SMALL), features, model)
