"""MMGCN: its loss against loops over neighbours, which tables are trained, and learning from features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.multimodal.mmgcn import MMGCNConfig, MMGCNNetwork
from tests.baselines.multimodal.planted import features_help
from tests.baselines.multimodal.visual import BATCH, USERS, features, interactions, scores, shaken
from unimp_bench.corpus import Corpus

CONFIG = MMGCNConfig(width=3, layers=2, l2=0.7)


def made(config: MMGCNConfig = CONFIG) -> MMGCNNetwork:
    network: MMGCNNetwork = shaken(MMGCNNetwork(interactions(), (features(0), features(1)), (), config))
    return network


def leaky(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, 0.01 * values)


def expected(weights: dict[str, np.ndarray]) -> np.ndarray:
    edges = interactions().matrix.toarray()
    neighbours = [USERS + np.flatnonzero(row) for row in edges] + [np.flatnonzero(column) for column in edges.T]
    ids, total = np.concatenate([weights["users.weight"], weights["items.weight"]]), np.zeros((1, 3))
    for number in range(2):
        projected = features(number).double().numpy() @ weights[f"project.{number}.weight"].T
        nodes = np.concatenate([weights[f"tastes.{number}"], projected + weights[f"project.{number}.bias"]])
        nodes = nodes / np.linalg.norm(nodes, axis=1, keepdims=True)
        for layer in range(CONFIG.layers):
            maps = {name: weights[f"stacks.{number}.{layer}.{name}.weight"] for name in ("send", "keep", "join")}
            following = []
            for node, those in enumerate(neighbours):
                heard = np.mean([maps["send"] @ nodes[other] for other in those], axis=0) if len(those) else np.zeros(3)
                kept = leaky(maps["keep"] @ nodes[node] + weights[f"stacks.{number}.{layer}.keep.bias"]) + ids[node]
                joined = maps["join"] @ np.concatenate([leaky(heard), kept])
                following.append(leaky(joined + weights[f"stacks.{number}.{layer}.join.bias"]))
            nodes = np.array(following)
        total = total + nodes / 2
    return total


def test_the_loss_is_that_of_the_equations() -> None:
    network = made()
    weights = {name: tensor.detach().double().numpy() for name, tensor in network.named_parameters()}
    vectors, loss, squares = expected(weights), 0.0, []
    for user, item, other in zip(*(column.tolist() for column in BATCH), strict=True):
        loss += np.log1p(np.exp(-vectors[user] @ (vectors[USERS + item] - vectors[USERS + other]))) / len(BATCH.users)
        squares += [weights["users.weight"][user], weights["items.weight"][item], weights["items.weight"][other]]
    loss += CONFIG.l2 * (np.square(squares).mean() + sum(np.square(weights[f"tastes.{m}"]).mean() for m in range(2)))
    assert float(network.loss(BATCH).detach()) == pytest.approx(loss, rel=1e-5)
    products = vectors[:USERS] @ vectors[USERS:].T
    np.testing.assert_allclose(scores(network, [0, 3]), products[[0, 3]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ids", ["trained", "frozen"])
def test_ids_and_preferences_are_trained_unless_frozen(ids: str) -> None:
    network = made(replace(CONFIG, ids=ids))  # type: ignore[arg-type]
    tables = [network.users.weight, network.items.weight, *network.tastes]
    before = [table.detach().clone() for table in tables]
    (optimizer,) = network.optimizers(network.config)
    for _ in range(5):
        network.step(BATCH, (optimizer,))
    changed = [not torch.equal(table, old) for table, old in zip(tables, before, strict=True)]
    assert changed == [ids == "trained"] * 4
    assert network.project[0].weight.grad is not None


def test_features_help(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    features_help("mmgcn", make_corpus, tmp_path, learning_rate=3e-3, layers=2)
