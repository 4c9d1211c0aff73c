"""AlignRec: its loss against dense matrices, its special cases, and learning from features."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from baselines.multimodal.alignrec import AlignRecConfig, AlignRecNetwork, similarity_loss
from baselines.multimodal.features import joined
from baselines.multimodal.mgcn import MGCNNetwork
from tests.baselines.multimodal.planted import dense_adjacency, dense_mean, dense_neighbours, features_help
from tests.baselines.multimodal.test_mgcn import affine, sigmoid
from tests.baselines.multimodal.visual import BATCH, USERS, features, interactions, scores, shaken
from unimp_bench.corpus import Corpus

CONFIG = AlignRecConfig(
    width=3, layers=2, neighbours=3, contrast=0.4, temperature=0.3, l2=0.2, user_item=0.6, similarity=0.7
)
TABLE = joined((features(0), features(1)))


def made(config: AlignRecConfig = CONFIG) -> AlignRecNetwork:
    network: AlignRecNetwork = shaken(AlignRecNetwork(interactions(), TABLE, (), config))
    return network


def states(network: AlignRecNetwork) -> tuple[np.ndarray, np.ndarray]:
    weights = {name: tensor.detach().double().numpy() for name, tensor in network.named_parameters()}
    adjacency = dense_adjacency(interactions().matrix.toarray())
    items = weights["items.weight"]
    behaviour = dense_mean(adjacency, np.concatenate([weights["users.weight"], items]), CONFIG.layers)
    table = TABLE.double().numpy()
    similar = dense_neighbours(table, CONFIG.neighbours)
    sums = similar.sum(axis=1)
    gate = sigmoid(affine(weights, "purify.0", affine(weights, "project.0", table)))
    spread = similar / np.sqrt(np.outer(sums, sums)) @ (items * gate)
    return behaviour, np.concatenate([adjacency[:USERS, USERS:] @ spread, spread])


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_the_loss_is_that_of_the_equations() -> None:
    network = made()
    behaviour, side = states(network)
    final = behaviour + side
    users, positives, negatives = (column.tolist() for column in BATCH)
    total = 0.0
    for user, item, other in zip(users, positives, negatives, strict=True):
        rows = final[user], final[USERS + item], final[USERS + other]
        total += np.log1p(np.exp(-rows[0] @ (rows[1] - rows[2]))) + CONFIG.l2 / 2 * sum(row @ row for row in rows)
        total += CONFIG.user_item * (1 - cosine(rows[0], rows[1]))
    for nodes in (users, [USERS + item for item in positives]):
        for x in nodes:
            logits = {b: cosine(side[x], behaviour[b]) / CONFIG.temperature for b in set(nodes)}
            below = sum(math.exp(logits[b]) for b in nodes if b != x) + math.exp(logits[x])
            total += CONFIG.contrast * (math.log(below) - logits[x])
    table = TABLE.double().numpy()
    squares = sum(
        (side[USERS + one] @ side[USERS + other] - cosine(table[one], table[other])) ** 2
        for one in positives
        for other in positives
    )
    total += CONFIG.similarity * math.sqrt(squares)
    assert float(network.loss(BATCH).detach()) == pytest.approx(total / len(users), rel=1e-5)
    np.testing.assert_allclose(scores(network, [0, 3]), (final[:USERS] @ final[USERS:].T)[[0, 3]], rtol=1e-4)


def test_similarities_of_vectors_are_compared_with_cosines_of_features() -> None:
    table = TABLE.clone().requires_grad_()
    vectors = functional.normalize(TABLE).requires_grad_()
    assert float(similarity_loss(vectors, 5 * table).detach()) == pytest.approx(0, abs=1e-6)  # cosines have no scale
    doubled = similarity_loss(2 * vectors, table)  # products have one
    expected = 3 * float((vectors @ vectors.T).norm().detach()) / len(TABLE)
    assert float(doubled.detach()) == pytest.approx(expected, rel=1e-5)


def test_features_are_targets_without_gradient() -> None:
    network = made()
    network.loss(BATCH).backward()  # type: ignore[no-untyped-call]
    assert not network.features[0].requires_grad and network.project[0].weight.grad is not None


def test_without_its_own_losses_it_is_mgcn_of_one_view() -> None:
    """MGCN halves the view: it is the mean of a common and an (empty) special part."""
    network = made(replace(CONFIG, user_item=0.0, similarity=0.0))
    other = MGCNNetwork(interactions(), (TABLE,), (), CONFIG)
    other.load_state_dict(network.state_dict(), strict=False)
    (behaviour, side), (same, half) = network.states(), other.states()
    torch.testing.assert_close(behaviour, same)
    torch.testing.assert_close(side, 2 * half)
    torch.testing.assert_close(network.loss_of(behaviour, side, BATCH), other.loss_of(behaviour, side, BATCH))
    assert float(made().loss(BATCH).detach()) > float(network.loss(BATCH).detach())


def test_modalities_count_alike_and_a_missing_one_is_zero() -> None:
    first, second = features(0), 100 * features(1)
    first[2] = 0
    fused = joined((first, second))
    cosines = [functional.cosine_similarity(table[0], table[1], dim=0) for table in (first, second)]
    torch.testing.assert_close(fused[0] @ fused[1], cosines[0] + cosines[1])
    assert not fused[2, : first.shape[1]].any() and float(fused[2].norm()) == pytest.approx(1)


def test_features_help(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    features_help("alignrec", make_corpus, tmp_path)
