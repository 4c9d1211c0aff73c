"""Shared by tests of search: small networks, and corpora in which users or groups of users have preferences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from baselines.learning.interactions import Interactions
from baselines.search.learned import SearchArtifacts, SearchVocabulary
from tasks.search import Search
from unimp_bench import registry
from unimp_bench.contracts import FitData, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.metrics.ranking import RankMetric
from unimp_bench.ragged import Ragged
from unimp_bench.records import Examples, Histories, IntArray, Part

CATEGORIES = ("Lamps", "Chairs", "Tables", "Rugs", "Clocks", "Mirrors")
MATERIALS = ("oak", "steel", "glass", "wool")
LIKED = 3

SHELVES = ("lamps", "chairs", "plates", "towels", "clocks", "vases")
TASTES = ("ocean blue shell", "forest green fern", "desert sand dune", "night black star")

QUERIES = ("Red Lamps", "Lamps > Blue > Lamps", "Sofas", "")


def artifacts() -> SearchArtifacts:
    """Three users, five items, four words; user and item numbers are odd, so that rows and numbers differ."""
    sequence = np.array([0, 1, 2, 3, 1, 4, 0])
    interactions = Interactions(np.array([1, 3, 5]), np.arange(5) * 2 + 1, Ragged(np.array([0, 3, 5, 7]), sequence))
    return SearchArtifacts(interactions, SearchVocabulary({"lamp": 5, "red": 3, "blue": 2, "sale": 2}, reviewed=True))


def words_of(rows: Sequence[Sequence[int]]) -> Ragged:
    """Documents of the given words."""
    return Ragged.of_rows(rows, np.int32)


def query_rows(text: str) -> list[int]:
    """The rows of the words of ``QUERIES``, by hand; sofas are not in the vocabulary."""
    return {"Red Lamps": [1, 0], "Lamps > Blue > Lamps": [2, 0], "Sofas": [], "": []}[text]


def shaken(network: nn.Module) -> Any:
    """The network with all parameters redrawn, so that none is zero; ready to score."""
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.from_numpy(rng.normal(size=weight.shape)))
    network.eval()
    return network


def zeroed(network: nn.Module) -> Any:
    """The network with all parameters zero; ready to score."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
    network.eval()
    return network


def plain(network: nn.Module) -> dict[str, np.ndarray]:
    """All parameters as float64 arrays."""
    return {name: weight.detach().numpy().astype(np.float64) for name, weight in network.named_parameters()}


def query_examples(users: Sequence[int], queries: Sequence[int], histories: Sequence[Sequence[int]] = ()) -> Examples:
    """Examples of the given users, each with one of ``QUERIES`` and a history of item numbers."""
    lines = list(histories) or [[] for _ in users]
    lengths = np.zeros(max(users) + 1, np.int64)
    lengths[list(users)] = [len(line) for line in lines]
    order = np.argsort(users)
    items = np.array([item for place in order for item in lines[place]], np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    known = Histories(offsets, items, np.zeros(len(items), np.float32), np.arange(len(items)))
    ends = offsets[np.array(users) + 1]
    return Examples(
        "search", "loo", "test", known, np.array(users), ends, None, queries=np.array(queries), query_texts=QUERIES
    )


def query_vector(parts: dict[str, np.ndarray], words: list[int]) -> np.ndarray:
    """``tanh(W mean(words) + b)``, by loops."""
    weights, bias = parts["project.weight"], parts["project.bias"]
    width = len(bias)
    mean = [sum(parts["words.weight"][word, k] for word in words) / max(len(words), 1) for k in range(width)]
    return np.array([np.tanh(bias[j] + sum(weights[j, k] * mean[k] for k in range(width))) for j in range(width)])


def sampled(positive: float, negatives: Sequence[float], k: int) -> float:
    """``-ln s(positive) - k mean(ln s(-negative))``."""

    def cost(logit: float) -> float:
        return -float(np.log(1 / (1 + np.exp(-logit))))

    return cost(positive) + k * sum(cost(-logit) for logit in negatives) / len(negatives)


def store_of_crowds(make_corpus: Callable[..., Corpus]) -> Corpus:
    """240 users in four groups; seven of eight purchases are of the group's material, 3 of the 12 items of a category.

    Titles name the material, queries do not, and all groups have the same size.
    """
    rng = np.random.default_rng(0)
    kinds = [(category, material) for category in CATEGORIES for material in MATERIALS for _ in range(LIKED)]
    crowd_of = np.array([MATERIALS.index(material) for _, material in kinds])
    histories = []
    for user in range(240):
        liked = crowd_of == user % len(MATERIALS)
        weights = np.where(liked, 0.875 / liked.sum(), 0.125 / (~liked).sum())
        histories.append(rng.choice(len(kinds), size=9, replace=False, p=weights).tolist())
    titles = pa.array([f"{material} for {category}" for category, material in kinds])
    return make_corpus(
        histories, {"title": titles, "category": pa.array([["Home", category] for category, _ in kinds])}
    )


def store_of_tastes(make_corpus: Callable[..., Corpus], users: int) -> Corpus:
    """Each user buys the items of one taste, category after category; each category has one item per taste.

    Query and popularity leave four equally likely items; the history identifies the target.
    """
    rng = np.random.default_rng(0)
    histories = [
        [int(shelf) * len(TASTES) + user % len(TASTES) for shelf in rng.permutation(len(SHELVES))]
        for user in range(users)
    ]
    items = [(shelf, taste) for shelf in SHELVES for taste in TASTES]
    columns = {
        "title": pa.array([f"{taste} {shelf}" for shelf, taste in items]),
        "category": pa.array([["home", shelf] for shelf, _ in items]),
    }
    return make_corpus(histories, columns)


def hit_rate(model: Any, corpus: Corpus, part: Part = "test") -> float:
    """HR at the number of preferred items per category, seen items masked."""
    examples = Search().examples(corpus, "loo", part)
    ranks = rank_examples(model, examples, catalogue(corpus, "loo"), "masked", top=0, label="test").ranks
    return float(RankMetric("HR", LIKED).values(ranks).mean())


def fit_data(corpus: Corpus, folder: Path) -> FitData:
    """For search, validated by hit rate."""
    folder.mkdir(exist_ok=True)
    parts: tuple[Part, Part] = ("train", "validation")
    examples = {"search": TaskExamples(*(Search().examples(corpus, "loo", part) for part in parts))}
    items: IntArray = catalogue(corpus, "loo")
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
