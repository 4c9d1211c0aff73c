"""A fit that computes features of its own and one that finds them in the cache end with the same model."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.corpus.features.test_pictures import TINY_CLIP
from tests.metrics.small_resources import write_bert
from tests.test_conformance import SMALL
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.encoder import load_encoder
from unimp_bench.corpus.features.pictures import picture_features
from unimp_bench.corpus.features.text import text_encoder
from unimp_bench.corpus.splits import catalogue
from unimp_bench.files import Workspace
from unimp_bench.kinds import draw_examples, kind_of
from unimp_bench.runs.fitting import corpus_cache, fit_or_load
from unimp_bench.runs.runner import RunRequest, specify
from unimp_bench.testing.conformance import identical
from unimp_bench.torch_setup import make_torchvision_importable, seed_everything

READERS = [card.name for card in registry.model_cards().values() if card.features]


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An encoder of open_clip other than ``tiny``, without weights of its own."""
    make_torchvision_importable()
    import open_clip

    path = tmp_path_factory.mktemp("towers") / "random-tower.json"
    path.write_text(json.dumps(TINY_CLIP))
    open_clip.add_model_config(path)
    return path.stem


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_bert(tmp_path_factory.mktemp("encoders") / "tiny"))


def fitted(name: str, settings: dict[str, Any], corpus: Corpus, workspace: Workspace) -> list[Any]:
    """What a model that was fitted anew answers."""
    task = registry.make_task(registry.model_card(name).tasks[0])
    model = registry.make_model(name, settings=settings)
    request = RunRequest(task=task.name, model=name, corpus=corpus.folder, settings=settings)
    fit_or_load(model, specify(request, task, model, corpus).fit, corpus, workspace, "paper", fresh=True)
    examples = draw_examples(task, corpus, "loo", "test", corpus_cache(corpus, workspace)).select(slice(0, 12))
    return kind_of(task.kind).each(model, examples.hidden(), catalogue(corpus, "loo"))


@pytest.mark.parametrize("name", READERS)
def test_a_cold_and_a_warm_cache_give_one_model(
    name: str, planted: Corpus, tmp_path: Path, tower: str, bert: str
) -> None:
    card = registry.model_card(name)
    known = {field.name for field in dataclasses.fields(registry.load(card.factory).Config)}
    chosen = {"encoder": tower} if "pictures" in card.features else {}
    texts = {key: bert for key in ("encoder", "text_encoder", "text") if key in known - chosen.keys()}
    settings = {**SMALL.get(name, {}), **chosen, **(texts if "text" in card.features else {})}
    workspace = Workspace(tmp_path)
    cold = fitted(name, settings, planted, workspace)
    kept = [*workspace.cache.rglob("*vectors-*.npy"), *workspace.cache.rglob("pictures-*.npy")]
    assert kept or name in {"dense", "tiger", "rpg", "transrec"}, "which read the texts at each fit"
    assert identical(cold, fitted(name, settings, planted, workspace))


def test_loading_an_encoder_draws_from_generators_of_its_own(tower: str, bert: str) -> None:
    def drawn(load: Any) -> tuple[float, float, float]:
        seed_everything(3)
        load()
        return random.random(), float(np.random.random()), float(torch.rand(1))  # noqa: NPY002

    undisturbed = drawn(lambda: None)
    for load in (
        lambda: load_encoder(tower, ""),
        lambda: load_encoder("tiny", ""),
        lambda: text_encoder(bert, ["a"]),
        lambda: text_encoder("lsa", ["aa bb cc", "aa bb dd"]),
    ):
        assert drawn(load) == undisturbed


def test_a_tower_of_random_weights_is_the_same_for_every_fit(planted: Corpus, tmp_path: Path, tower: str) -> None:
    found = []
    for seed in (0, 1):
        cache = tmp_path / str(seed)
        cache.mkdir()
        seed_everything(seed)
        features = picture_features(planted.items, tower, "", cache)
        assert features is not None
        found.append(np.array(features.tokens))
    assert np.array_equal(*found)
