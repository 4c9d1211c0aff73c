"""LATTICE: its graphs and loss against dense matrices, when the projections are trained, and learning from features."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.multimodal.lattice import LatticeConfig, LatticeNetwork
from tests.baselines.multimodal.planted import dense_mean, dense_neighbours, features_help
from tests.baselines.multimodal.visual import BATCH, ITEMS, USERS, features, interactions, scores, shaken
from unimp_bench.corpus import Corpus

CONFIG = LatticeConfig(width=3, layers=2, neighbours=3, hops=2, keep=0.6, l2=0.3)


@pytest.fixture
def network() -> LatticeNetwork:
    made: LatticeNetwork = shaken(LatticeNetwork(interactions(), (features(0), features(1)), (), CONFIG))
    next(iter(made.batches(np.random.default_rng(3))))
    return made


def normal(matrix: np.ndarray) -> np.ndarray:
    sums = matrix.sum(axis=1)
    scaled: np.ndarray = matrix / np.sqrt(np.outer(sums, sums))
    return scaled


def dense_graph(network: LatticeNetwork) -> np.ndarray:
    weights = {name: tensor.detach().double().numpy() for name, tensor in network.named_parameters()}
    shares = np.exp(weights["logits"]) / np.exp(weights["logits"]).sum()
    given, learned = np.zeros((ITEMS, ITEMS)), np.zeros((ITEMS, ITEMS))
    for number, share in enumerate(shares):
        table = features(number).double().numpy()
        projected = table @ weights[f"project.{number}.weight"].T + weights[f"project.{number}.bias"]
        given += share * normal(dense_neighbours(table, CONFIG.neighbours))
        learned += share * dense_neighbours(projected, CONFIG.neighbours)
    return CONFIG.keep * given + (1 - CONFIG.keep) * normal(learned)


def expected(network: LatticeNetwork) -> tuple[np.ndarray, np.ndarray]:
    users, items = (table.weight.detach().double().numpy() for table in (network.users, network.items))
    edges = interactions().matrix.toarray()
    both = np.block([[np.eye(USERS), edges], [edges.T, np.eye(ITEMS)]])
    averaged = dense_mean(both / both.sum(axis=1, keepdims=True), np.concatenate([users, items]), CONFIG.layers)
    graph = dense_graph(network)
    alike = graph @ graph @ items
    return averaged[:USERS], averaged[USERS:] + alike / np.linalg.norm(alike, axis=1, keepdims=True)


def test_the_loss_is_that_of_the_equations(network: LatticeNetwork) -> None:
    users, items = expected(network)
    total = 0.0
    for user, item, other in zip(*(column.tolist() for column in BATCH), strict=True):
        total += np.log1p(np.exp(-users[user] @ (items[item] - items[other])))
        total += CONFIG.l2 / 2 * sum(row @ row for row in (users[user], items[item], items[other]))
    first = float(network.loss(BATCH).detach())
    assert first == pytest.approx(total / len(BATCH.users), rel=1e-5)
    assert network.mined is not None and float(network.loss(BATCH).detach()) == pytest.approx(first, rel=1e-5)
    np.testing.assert_allclose(scores(network, [0, 3]), (users @ items.T)[[0, 3]], rtol=1e-4)


def test_the_mined_graph_is_trained_at_the_first_step_of_an_epoch_alone(network: LatticeNetwork) -> None:
    for _ in range(2):
        network.zero_grad()
        network.loss(BATCH).backward()  # type: ignore[no-untyped-call]
        assert float(network.logits.grad.abs().sum()) > 0  # type: ignore[union-attr]
        assert all(float(project.weight.grad.abs().sum()) > 0 for project in network.project)
        network.zero_grad()
        network.loss(BATCH).backward()  # type: ignore[no-untyped-call]
        assert network.logits.grad is None and all(project.weight.grad is None for project in network.project)
        next(iter(network.batches(np.random.default_rng(5))))


def test_the_part_of_similar_items_has_length_one(network: LatticeNetwork) -> None:
    users, _ = network.vectors()
    without, _ = expected(network)
    assert torch.allclose(users.double(), torch.from_numpy(without), atol=1e-5)
    network.layers = 0
    lengths = (network.vectors()[1] - network.items.weight).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(ITEMS))


def test_a_missing_feature_has_no_edge_in_either_graph() -> None:
    table = features(0)
    table[2] = 0
    made: LatticeNetwork = shaken(LatticeNetwork(interactions(), (table,), (), CONFIG))
    with torch.no_grad():
        dense = torch.stack([made.mine() @ torch.eye(ITEMS)])[0]
    assert not dense[2].any() and not dense[:, 2].any() and int((dense.diagonal() > 0).sum()) == ITEMS - 1


def test_features_help(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    features_help("lattice", make_corpus, tmp_path)
