"""BM3: its loss against loops, what has no gradient and no negative, and learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.multimodal.bm3 import BM3Config, BM3Network, Pairs
from tests.baselines.multimodal.planted import dense_adjacency, dense_mean
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
    store_of_looks,
)
from unimp_bench.corpus import Corpus

CONFIG = BM3Config(width=3, layers=2, dropout=0.0, modal=1.7, l2=0.4)
PAIRS = Pairs(BATCH.users, BATCH.positives)


def made(config: BM3Config = CONFIG) -> BM3Network:
    network: BM3Network = shaken(BM3Network(interactions(), (features(0), features(1)), (), config))
    return network


def plain(network: BM3Network) -> dict[str, np.ndarray]:
    return {name: tensor.detach().double().numpy() for name, tensor in network.named_parameters()}


def states(network: BM3Network) -> tuple[np.ndarray, np.ndarray]:
    weights = plain(network)
    tables = np.concatenate([weights["users.weight"], weights["items.weight"]])
    both = dense_mean(dense_adjacency(interactions().matrix.toarray()), tables, CONFIG.layers)
    return both[:USERS], both[USERS:] + weights["items.weight"]


def test_the_loss_is_that_of_the_equations() -> None:
    network = made()
    weights, (users, items) = plain(network), states(network)

    def distance(vector: np.ndarray, copy: np.ndarray) -> float:
        guess = weights["predict.weight"] @ vector + weights["predict.bias"]
        return float(1 - guess @ copy / np.linalg.norm(guess) / np.linalg.norm(copy))

    total = CONFIG.l2 * (np.linalg.norm(users) + np.linalg.norm(items)) / ITEMS
    for user, item in zip(*(column.tolist() for column in PAIRS), strict=True):
        terms = distance(users[user], items[item]) + distance(items[item], users[user])
        for number in range(2):
            view = weights[f"project.{number}.weight"] @ features(number)[item].double().numpy()
            view = view + weights[f"project.{number}.bias"]
            terms += CONFIG.modal * (distance(view, items[item]) + distance(view, view))
        total += terms / len(PAIRS.users)
    assert float(network.loss(PAIRS).detach()) == pytest.approx(total, rel=1e-5)


def test_the_predictor_is_applied_to_both_sides_of_a_score() -> None:
    network = made()
    weights, (users, items) = plain(network), states(network)
    users, items = (each @ weights["predict.weight"].T + weights["predict.bias"] for each in (users, items))
    np.testing.assert_allclose(scores(network, [0, 3]), (users @ items.T)[[0, 3]], rtol=1e-4)


def test_copies_have_no_gradient() -> None:
    """Without hops and norms, the term that predicts an item's copy from a user is constant in the item."""
    network = made(replace(CONFIG, layers=0, modal=0.0, l2=0.0))
    users, items = network.states()
    network.distance(users[PAIRS.users], network.copy(items[PAIRS.positives])).backward()  # type: ignore[no-untyped-call]
    assert network.items.weight.grad is not None and not network.items.weight.grad.any()
    assert network.users.weight.grad is not None and network.users.weight.grad.abs().sum() > 0


def test_dropout_belongs_to_copies_in_training_alone() -> None:
    network = made(replace(CONFIG, dropout=0.5))
    vectors = torch.ones(50, 40)
    assert torch.equal(network.copy(vectors), vectors)
    network.train()
    assert float((network.copy(vectors) == 0).float().mean()) == pytest.approx(0.5, abs=0.05)
    users, items = network.states()
    assert torch.equal(users, network.states()[0]) and torch.equal(items, network.states()[1])


def test_a_perfect_prediction_costs_nothing() -> None:
    network = made(replace(CONFIG, layers=0, modal=0.0, l2=0.0))
    with torch.no_grad():
        network.predict.weight.copy_(torch.eye(3))
        network.predict.bias.zero_()
        network.users.weight[0].copy_(network.items.weight[1])
    pair = Pairs(torch.tensor([0]), torch.tensor([1]))
    assert float(network.loss(pair).detach()) == pytest.approx(0, abs=1e-6)


def test_batches_have_no_negatives_and_each_interaction_once() -> None:
    batches = list(made().batches(np.random.default_rng(0)))
    pairs = {(int(user), int(item)) for batch in batches for user, item in zip(*batch, strict=True)}
    rows, columns = interactions().matrix.nonzero()
    assert pairs == set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert all(len(batch) == 2 for batch in batches)


def test_features_reach_items_through_the_predictor_alone() -> None:
    """The losses of projected features have no gradient in the tables, only in projections and predictor."""
    network = made(replace(CONFIG, l2=0.0))
    network.loss(PAIRS).backward()  # type: ignore[no-untyped-call]
    whole = [table.weight.grad.clone() for table in (network.users, network.items)]  # type: ignore[union-attr]
    network.zero_grad()
    network.config = replace(CONFIG, l2=0.0, modal=0.0)
    network.loss(PAIRS).backward()  # type: ignore[no-untyped-call]
    for grad, table in zip(whole, (network.users, network.items), strict=True):
        torch.testing.assert_close(grad, table.weight.grad)


def test_beats_popularity_and_reads_features(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = store_of_looks(make_corpus)
    floor = hit_rate(fitted("popularity", corpus, tmp_path / "floor"), corpus)
    settings = {"epochs": 40, "width": 32, "batch_size": 256, "learning_rate": 1e-2}
    model = fitted("bm3", corpus, tmp_path / "with", **settings)
    without = fitted("bm3", corpus, tmp_path / "without", modal=0.0, **settings)
    assert hit_rate(model, corpus) > floor + 0.15
    assert "text features alone" in model.remarks()[0]
    assert any(
        (a - b).abs().max() > 1e-3 for a, b in zip(model.network.vectors(), without.network.vectors(), strict=True)
    )
