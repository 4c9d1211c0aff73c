"""Shared by tests of visual recommenders: small networks, and a corpus in which looks determine purchases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from baselines.learning.interactions import Interactions
from baselines.learning.objectives import Triples
from tasks.recommendation import Recommendation
from unimp_bench import registry
from unimp_bench.contracts import FitData, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.metrics.ranking import RankMetric
from unimp_bench.ragged import Ragged
from unimp_bench.records import Examples, Histories, Part

USERS, ITEMS, WIDTH, VISUAL_WIDTH, FEATURES = 5, 7, 3, 2, 4
LOOKS = ("crimson", "azure", "golden", "emerald", "violet", "silver", "ivory", "scarlet")
ITEMS_PER_LOOK = 15

BATCH = Triples(torch.tensor([0, 1, 1, 4]), torch.tensor([0, 1, 2, 6]), torch.tensor([3, 4, 5, 0]))


def interactions() -> Interactions:
    """Two items for each of five users, among seven."""
    items = np.array([0, 1, 1, 2, 3, 4, 5, 2, 6, 3])
    return Interactions(np.arange(USERS) + 10, np.arange(ITEMS) * 2, Ragged(np.arange(0, 11, 2), items))


def features(seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(ITEMS, FEATURES)).astype(np.float32))


def shaken(network: nn.Module) -> Any:
    """The network with all parameters redrawn, so that none is zero; ready to score."""
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.from_numpy(rng.normal(size=weight.shape)))
    network.eval()
    return network


def examples_of(rows: list[int]) -> Examples:
    """An example per user row; these models read only the user."""
    none = Histories(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    users = interactions().users[rows]
    return Examples("recommendation", "loo", "test", none, users, np.zeros(len(rows), np.int64), None)


def scores(network: Any, rows: list[int]) -> np.ndarray:
    with torch.no_grad():
        network.prepare()
        return np.asarray(network.score(examples_of(rows)))


def plain(network: nn.Module) -> dict[str, np.ndarray]:
    """All parameters and the features, as float64 arrays."""
    tensors = {**dict(network.named_parameters()), "features": network.get_buffer("features")}
    return {name: tensor.detach().numpy().astype(np.float64) for name, tensor in tensors.items()}


def store_of_looks(make_corpus: Callable[..., Corpus]) -> Corpus:
    """200 users, each preferring one look (as words), which four of five purchases have; otherwise random."""
    rng = np.random.default_rng(0)
    look_of = np.arange(len(LOOKS) * ITEMS_PER_LOOK) % len(LOOKS)
    histories = []
    for user in range(200):
        liked = look_of == user % len(LOOKS)
        weights = np.where(liked, 0.8 / liked.sum(), 0.2 / (~liked).sum())
        histories.append(rng.choice(len(look_of), size=8, replace=False, p=weights).tolist())
    return make_corpus(histories, {"title": pa.array([f"{LOOKS[look]} thing" for look in look_of])})


def hit_rate(model: Any, corpus: Corpus, part: Part = "test", top: int = 10) -> float:
    """HR at ``top``, seen items masked."""
    examples = Recommendation().examples(corpus, "loo", part)
    ranks = rank_examples(model, examples, catalogue(corpus, "loo"), "masked", top=0, label="test").ranks
    return float(RankMetric("HR", top).values(ranks).mean())


def fit_data(corpus: Corpus, folder: Path) -> FitData:
    """For recommendation, validated by hit rate."""
    task = Recommendation()
    parts = [task.examples(corpus, "loo", part) for part in ("train", "validation")]
    folder.mkdir(exist_ok=True)
    examples = {"recommendation": TaskExamples(*parts)}
    items = catalogue(corpus, "loo")
    return FitData(
        corpus.items,
        items,
        examples,
        0,
        folder,
        folder,
        lambda one, _: {"paper": hit_rate(one, corpus, "validation")},
    )


def fitted(name: str, corpus: Corpus, folder: Path, **settings: Any) -> Any:
    """The fitted model."""
    model: Any = registry.make_model(name, settings=settings)
    model.fit(fit_data(corpus, folder))
    return model
