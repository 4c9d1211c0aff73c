"""MMGCL: its loss against loops written from the paper's equations, gradients of its contrast, and learning."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import torch

from baselines.learning.graph import mean_propagation, normalised_adjacency
from baselines.multimodal.graph import split_propagation
from baselines.multimodal.mmgcl import MMGCLConfig, MMGCLNetwork, across_views
from tests.baselines.multimodal.visual import BATCH, ITEMS, USERS, fitted, hit_rate, interactions, store_of_looks
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError

Array = npt.NDArray[np.float64]
Rows = list[Array]
CONFIG = MMGCLConfig(width=4, layers=2, edge_dropout=0.4, contrast=0.7, temperature=0.3, batch_size=16, init_std=0.5)


@pytest.fixture
def network() -> MMGCLNetwork:
    torch.manual_seed(0)
    made = MMGCLNetwork(interactions(), (torch.randn(ITEMS, 3), torch.randn(ITEMS, 2)), (), CONFIG)
    for projection in made.project:
        projection.data[-1] = torch.randn(4)
    next(iter(made.batches(np.random.default_rng(3))))
    return made


def propagated(edges: Array, users: Array, items: Array, layers: int) -> Array:
    """The mean of all layers, node by node."""
    count, states = len(users), np.concatenate([users, items])
    neighbours = [[count + i for i in np.flatnonzero(row)] for row in edges]
    neighbours += [list(np.flatnonzero(column)) for column in edges.T]
    total = states.copy()
    for _ in range(layers):
        following = np.zeros_like(states)
        for node, those in enumerate(neighbours):
            for other in those:
                following[node] += states[other] / math.sqrt(len(those) * len(neighbours[other]))
        states = following
        total += states
    return total / (layers + 1)


def contrast_by_loops(first: Rows, second: Rows, names: list[int], challenge: Rows | None) -> float:
    def similarity(one: Array, other: Array) -> float:
        return math.exp(one @ other / np.linalg.norm(one) / np.linalg.norm(other) / CONFIG.temperature)

    total = 0.0
    for x in range(len(first)):
        others = [b for b in range(len(first)) if b == x or names[b] != names[x]]
        below = sum(similarity(first[x], second[b]) for b in others)
        below += 0 if challenge is None else similarity(first[x], challenge[x])
        total -= math.log(similarity(first[x], second[x]) / below)
    return total / len(first)


@pytest.mark.parametrize(("masked", "swapped"), [(0, 1), (1, 1), (1, 0)])
def test_the_loss_is_that_of_the_equations(network: MMGCLNetwork, masked: int, swapped: int) -> None:
    weights = {name: tensor.detach().double().numpy() for name, tensor in network.state_dict().items()}
    features = [np.concatenate([table[:, :-1].numpy(), np.ones((ITEMS, 1))], axis=1) for table in network.features]
    inputs = [weights["items.weight"], *(f @ weights[f"project.{m}"] for m, f in enumerate(features))]
    blanked = [*inputs]
    blanked[1 + masked] = network.blank.double().numpy()
    assert network.thinned is not None
    edges = network.interactions.matrix.toarray()
    kept = network.thinned.adjacency.to_dense()[:USERS, USERS:].sign().numpy()
    assert kept.sum() < edges.sum() and (kept <= edges).all()

    def channels(which: Array, tables: Rows) -> Rows:
        return [propagated(which, weights["users.weight"], table, CONFIG.layers) for table in tables]

    def mixed(side: str, of_channels: Rows, node: int) -> Array:
        joined = np.concatenate([channel[node] for channel in of_channels])
        vector: Array = weights[f"mix_{side}.weight"] @ joined + weights[f"mix_{side}.bias"]
        return vector

    whole, first, second = channels(edges, inputs), channels(kept, inputs), channels(edges, blanked)
    users, positives, negatives = (column.tolist() for column in BATCH)
    ranking, challenge = 0.0, []
    for user, item, other in zip(users, positives, negatives, strict=True):
        difference = mixed("items", whole, USERS + item) - mixed("items", whole, USERS + other)
        margin = mixed("users", whole, user) @ difference
        ranking += math.log1p(math.exp(-margin)) / len(users)
        rows = [channel[USERS + item] for channel in whole]
        rows[1 + swapped] = whole[1 + swapped][USERS + other]
        challenge.append(weights["mix_items.weight"] @ np.concatenate(rows) + weights["mix_items.bias"])
    of_users = ([mixed("users", view, user) for user in users] for view in (first, second))
    of_items = ([mixed("items", view, USERS + item) for item in positives] for view in (first, second))
    contrast = contrast_by_loops(next(of_users), next(of_users), users, None)
    contrast += contrast_by_loops(next(of_items), next(of_items), positives, challenge)
    expected = ranking + CONFIG.contrast * contrast
    assert float(network.loss_of(BATCH, masked, swapped).detach()) == pytest.approx(expected, rel=1e-5)


def test_scores_are_products_of_mixed_channels(network: MMGCLNetwork) -> None:
    users, items = network.vectors()
    margins = (users[BATCH.users] * (items[BATCH.positives] - items[BATCH.negatives])).sum(dim=1)
    network.config = MMGCLConfig(width=4, layers=2, contrast=0.0)
    expected = torch.nn.functional.softplus(-margins).mean()
    assert float(network.loss_of(BATCH, 0, 0).detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_the_masked_view_contributes_gradients(network: MMGCLNetwork) -> None:
    """The random vectors occur only in view 2, so only a contrast with view 2 gives them a gradient."""
    network.blank.requires_grad_(True)
    network.loss_of(BATCH, 0, 1).backward()  # type: ignore[no-untyped-call]
    assert network.blank.grad is not None and float(network.blank.grad.abs().sum()) > 0


def test_infonce_of_identical_vectors_is_the_log_of_the_batch_size() -> None:
    same, nodes = torch.ones(7, 3), torch.arange(7)
    assert float(across_views(same, same, nodes, 0.2)) == pytest.approx(math.log(7))
    assert float(across_views(same, same, nodes, 0.2, same)) == pytest.approx(math.log(8))
    assert float(across_views(same, same, torch.zeros(7), 0.2)) == pytest.approx(0)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_split_propagation_adds_up(layers: int) -> None:
    adjacency = normalised_adjacency(interactions().matrix)
    users, items = torch.randn(USERS, 3, requires_grad=True), torch.randn(ITEMS, 3, requires_grad=True)
    both = torch.cat([users, items])
    sent = split_propagation(adjacency, users, items, layers)
    silent = torch.cat([users, torch.zeros_like(items)])
    torch.testing.assert_close(sent[0], mean_propagation(adjacency, silent, layers))
    torch.testing.assert_close(sent[0] + sent[1], mean_propagation(adjacency, both, layers))
    weights = torch.randn(2, USERS + ITEMS, 3)
    (weights[0] * sent[0] + weights[1] * sent[1]).sum().backward()  # type: ignore[no-untyped-call]
    found = users.grad, items.grad
    users.grad = items.grad = None
    expected = weights[0] * mean_propagation(adjacency, silent, layers)
    expected = expected + weights[1] * mean_propagation(adjacency, both - silent, layers)
    expected.sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(found, (users.grad, items.grad))


def test_beats_popularity_and_remarks_on_features(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = store_of_looks(make_corpus)
    floor = hit_rate(fitted("popularity", corpus, tmp_path), corpus)
    model = fitted("mmgcl", corpus, tmp_path, epochs=15, width=32, batch_size=256, learning_rate=1e-2)
    assert hit_rate(model, corpus) > floor + 0.15
    assert "text features alone" in model.remarks()[0]


def test_a_corpus_without_content_is_refused(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = make_corpus([[0, 1, 2, 3], [1, 2, 3, 0]] * 3, {"price": pa.array([1.0] * 6)})
    with pytest.raises(UsageError, match="neither pictures nor text"):
        fitted("mmgcl", corpus, tmp_path, epochs=1)
