"""FREEDOM: its loss against dense matrices, its two graphs, and learning from features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.multimodal.freedom import FreedomConfig, FreedomNetwork
from tests.baselines.multimodal.planted import (
    QUICK,
    dense_adjacency,
    dense_mean,
    dense_neighbours,
    features_help,
    sparse_store,
)
from tests.baselines.multimodal.visual import (
    BATCH,
    ITEMS,
    USERS,
    features,
    fitted,
    hit_rate,
    interactions,
    scores,
    shaken,
)
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.views import View, view_of

CONFIG = FreedomConfig(width=3, layers=2, neighbours=3, pruning=0.4, modal=0.7, picture_share=0.3, hops=2)


def made(config: FreedomConfig = CONFIG) -> FreedomNetwork:
    network: FreedomNetwork = shaken(FreedomNetwork(interactions(), (features(0), features(1)), (), config))
    next(iter(network.batches(np.random.default_rng(3))))
    return network


def dense_items(config: FreedomConfig) -> np.ndarray:
    """The item graph by sorting all cosines."""
    total = np.zeros((ITEMS, ITEMS))
    for seed, share in ((0, config.picture_share), (1, 1 - config.picture_share)):
        edges = dense_neighbours(features(seed).double().numpy(), config.neighbours) > 0
        sums = edges.sum(axis=1)
        total += share * edges / np.sqrt(np.outer(sums, sums))
    return total


def expected(network: FreedomNetwork, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    users, items = (table.weight.detach().double().numpy() for table in (network.users, network.items))
    both = dense_mean(dense_adjacency(edges), np.concatenate([users, items]), CONFIG.layers)
    graph = dense_items(CONFIG)
    return both[:USERS], both[USERS:] + graph @ graph @ items


def test_the_loss_is_that_of_the_equations() -> None:
    network = made()
    kept = network.thinned.to_dense()[:USERS, USERS:].sign().numpy()
    assert kept.sum() == int(0.6 * 10)
    users, items = expected(network, kept)
    tables = [(1.0, items)]
    for number, project in enumerate(network.project):
        weight, bias = (tensor.detach().double().numpy() for tensor in (project.weight, project.bias))  # type: ignore[union-attr, operator]
        tables.append((CONFIG.modal, features(number).double().numpy() @ weight.T + bias))
    total = 0.0
    for user, item, other in zip(*(column.tolist() for column in BATCH), strict=True):
        for share, table in tables:
            total += share * np.log1p(np.exp(-users[user] @ (table[item] - table[other]))) / len(BATCH.users)
    assert float(network.loss(BATCH).detach()) == pytest.approx(total, rel=1e-5)


def test_predictions_use_all_edges_whatever_the_epoch_left_out() -> None:
    network = made()
    users, items = expected(network, interactions().matrix.toarray())
    before = scores(network, [0, 3])
    np.testing.assert_allclose(before, (users @ items.T)[[0, 3]], rtol=1e-4)
    first = network.thinned.to_dense()
    next(iter(network.batches(np.random.default_rng(4))))
    assert not torch.equal(first, network.thinned.to_dense())
    np.testing.assert_array_equal(scores(network, [0, 3]), before)


def test_projections_are_trained_by_their_losses_alone() -> None:
    network = made(replace(CONFIG, modal=0.0))
    network.loss(BATCH).backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is None for weight in network.project.parameters())
    network = made()
    network.loss(BATCH).backward()  # type: ignore[no-untyped-call]
    assert all(float(project.weight.grad.abs().sum()) > 0 for project in network.project)


def test_without_item_graph_and_losses_of_features_it_is_lightgcn() -> None:
    network = made(replace(CONFIG, modal=0.0, hops=0))
    users, items = network.vectors()
    plain_users, plain_items = network.propagated(network.adjacency)
    torch.testing.assert_close((users, items - network.items.weight), (plain_users, plain_items))


@pytest.mark.parametrize("settings", [{"modal": 0.0}, {"modal": 1e-2}])
def test_features_help(make_corpus: Callable[..., Corpus], tmp_path: Path, settings: dict[str, float]) -> None:
    features_help("freedom", make_corpus, tmp_path, **settings)


def test_ids_keep_what_the_item_graph_taught_them(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    """Exchanging titles at test costs little: neighbours at random average to nearly nothing, and the table of ids has
    learned the looks through the true ones. Exchanging them in the fit too costs what the features bring."""
    corpus = sparse_store(make_corpus, shuffled=False)
    model = fitted("freedom", corpus, tmp_path / "true", **QUICK)
    model.save(tmp_path / "true")
    tested = view_of(corpus, View.parse("XT@test")).tested
    assert tested is not None
    shown = type(model)(model.config)
    shown.load(tmp_path / "true", tested, tmp_path / "true")

    def from_the_graph(network: FreedomNetwork) -> float:
        return float((network._alike @ network.items.weight.detach()).norm(dim=1).mean())

    assert from_the_graph(shown.network) < 0.5 * from_the_graph(model.network)
    shuffled = sparse_store(make_corpus, shuffled=True)
    taught = fitted("freedom", shuffled, tmp_path / "exchanged", **QUICK)
    assert hit_rate(shown, corpus) > hit_rate(taught, shuffled) + 0.15
