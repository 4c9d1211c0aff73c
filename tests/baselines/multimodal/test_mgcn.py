"""MGCN: its loss against dense matrices, its views in special cases, and learning from features."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.multimodal.mgcn import MGCNConfig, MGCNNetwork
from baselines.multimodal.mmgcl import across_views
from tests.baselines.multimodal.planted import dense_adjacency, dense_mean, dense_neighbours, features_help
from tests.baselines.multimodal.visual import BATCH, USERS, features, interactions, scores, shaken
from unimp_bench.corpus import Corpus

CONFIG = MGCNConfig(width=3, layers=2, neighbours=3, contrast=0.4, temperature=0.3, l2=0.2)


def made(second: int = 1) -> MGCNNetwork:
    network: MGCNNetwork = shaken(MGCNNetwork(interactions(), (features(0), features(second)), (), CONFIG))
    return network


def affine(weights: dict[str, np.ndarray], name: str, rows: np.ndarray) -> np.ndarray:
    product: np.ndarray = rows @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0)
    return product


def sigmoid(values: np.ndarray) -> np.ndarray:
    squashed: np.ndarray = 1 / (1 + np.exp(-values))
    return squashed


def states(network: MGCNNetwork) -> tuple[np.ndarray, np.ndarray]:
    weights = {name: tensor.detach().double().numpy() for name, tensor in network.named_parameters()}
    adjacency = dense_adjacency(interactions().matrix.toarray())
    items = weights["items.weight"]
    behaviour = dense_mean(adjacency, np.concatenate([weights["users.weight"], items]), CONFIG.layers)
    views = []
    for number in range(2):
        table = features(number).double().numpy()
        similar = dense_neighbours(table, CONFIG.neighbours)
        sums = similar.sum(axis=1)
        gate = sigmoid(affine(weights, f"purify.{number}", affine(weights, f"project.{number}", table)))
        spread = similar / np.sqrt(np.outer(sums, sums)) @ (items * gate)
        views.append(np.concatenate([adjacency[:USERS, USERS:] @ spread, spread]))
    logits = np.stack([affine(weights, "judge.2", np.tanh(affine(weights, "judge.0", view))) for view in views])
    shares = np.exp(logits) / np.exp(logits).sum(axis=0)
    common = (shares * np.stack(views)).sum(axis=0)
    special = [sigmoid(affine(weights, f"prefer.{m}", behaviour)) * (view - common) for m, view in enumerate(views)]
    return behaviour, (common + special[0] + special[1]) / 3


def test_the_loss_is_that_of_the_equations() -> None:
    network = made()
    behaviour, side = states(network)
    final = behaviour + side
    users, positives, negatives = (column.tolist() for column in BATCH)
    total = 0.0
    for user, item, other in zip(users, positives, negatives, strict=True):
        rows = final[user], final[USERS + item], final[USERS + other]
        total += np.log1p(np.exp(-rows[0] @ (rows[1] - rows[2]))) + CONFIG.l2 / 2 * sum(row @ row for row in rows)
    for nodes in (users, [USERS + item for item in positives]):
        for x in nodes:
            logits = {
                b: side[x] @ behaviour[b] / np.linalg.norm(side[x]) / np.linalg.norm(behaviour[b]) / CONFIG.temperature
                for b in set(nodes)
            }
            # A node that occurs twice in the batch is a negative of the others twice, of itself never.
            below = sum(math.exp(logits[b]) for b in nodes if b != x) + math.exp(logits[x])
            total += CONFIG.contrast * (math.log(below) - logits[x])
    assert float(network.loss(BATCH).detach()) == pytest.approx(total / len(users), rel=1e-5)
    np.testing.assert_allclose(scores(network, [0, 3]), (final[:USERS] @ final[USERS:].T)[[0, 3]], rtol=1e-4)


def test_two_equal_modalities_leave_nothing_special() -> None:
    network = made(second=0)
    for one, other in ((network.project[0], network.project[1]), (network.purify[0], network.purify[1])):
        other.load_state_dict(one.state_dict())
    _, side = network.states()
    first, second = network.views()
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(side, first / 3)
    assert not torch.allclose(made().states()[1], made().views()[0] / 3)


def test_users_have_the_propagated_rows_of_their_items() -> None:
    view = made().views()[0]
    block = torch.from_numpy(dense_adjacency(interactions().matrix.toarray())[:USERS, USERS:]).float()
    torch.testing.assert_close(view[:USERS], block @ view[USERS:])


def test_infonce_of_an_orthonormal_batch() -> None:
    same = torch.eye(6)
    expected = -math.log(math.exp(5) / (math.exp(5) + 5))
    assert float(across_views(same, same, torch.arange(6), 0.2)) == pytest.approx(expected, abs=1e-5)


def test_features_help(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    features_help("mgcn", make_corpus, tmp_path)
