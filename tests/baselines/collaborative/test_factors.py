"""Factor models: their equations as loops, and that every collaborative model beats popularity."""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt
from typing import Any

import numpy as np
import pytest
import torch

from baselines.collaborative.lightgcn import LightGCNConfig, LightGCNNetwork
from baselines.collaborative.macr import CONSTANTS, MACR, MACRConfig, MACRNetwork
from baselines.collaborative.mf import MFConfig, MFNetwork
from baselines.collaborative.ultragcn import Batch, UltraGCNConfig, UltraGCNNetwork, item_graph
from baselines.learning.graph import mean_propagation, normalised_adjacency
from baselines.learning.objectives import Triples
from tests.baselines.collaborative.small import HISTORIES, ITEMS, examples, interactions, matrix, sigmoid
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue

TRIPLES = [(0, 1, 4), (3, 4, 0), (4, 2, 5), (0, 2, 3)]
USERS = len(HISTORIES)


def triples() -> Triples:
    return Triples(*torch.tensor(TRIPLES).T)


def tables(network: Any) -> tuple[np.ndarray, np.ndarray]:
    return tuple(table.weight.detach().double().numpy() for table in (network.users, network.items))


def loss(network: Any, batch: Any) -> float:
    with torch.no_grad():
        found: float = network.loss(batch).item()
    return found


def scores(network: Any) -> np.ndarray:
    with torch.no_grad():
        network.eval()
        network.prepare()
        found: np.ndarray = network.score(examples()).numpy()
    return found


def half_squares(p: np.ndarray, q: np.ndarray) -> float:
    return float(sum(p[u] @ p[u] + q[i] @ q[i] + q[j] @ q[j] for u, i, j in TRIPLES) / (2 * len(TRIPLES)))


def bpr(match: np.ndarray) -> float:
    return sum(-log(sigmoid(match[u, i] - match[u, j])) for u, i, j in TRIPLES) / len(TRIPLES)


def test_mf_follows_its_equations() -> None:
    network = MFNetwork(interactions(), MFConfig(width=3, l2=0.3, init_std=1.0))
    p, q = tables(network)
    assert loss(network, triples()) == pytest.approx(bpr(p @ q.T) + 0.3 * half_squares(p, q), rel=1e-5)
    np.testing.assert_allclose(scores(network), p @ q.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_lightgcn_follows_its_equations(layers: int) -> None:
    network = LightGCNNetwork(interactions(), LightGCNConfig(width=3, layers=layers, l2=0.3, init_std=1.0))
    p, q = tables(network)
    smooth = propagated(np.concatenate([p, q]), layers)
    match = smooth[:USERS] @ smooth[USERS:].T
    assert loss(network, triples()) == pytest.approx(bpr(match) + 0.3 * half_squares(p, q), rel=1e-5)
    np.testing.assert_allclose(scores(network), match, rtol=1e-5, atol=1e-6)


def propagated(vectors: np.ndarray, layers: int) -> np.ndarray:
    """Eq. 3 and 4 node by node: the mean over hops of sums over neighbours."""
    edges = [(user, USERS + item) for user, history in enumerate(HISTORIES) for item in history]
    degree = [sum(node in edge for edge in edges) for node in range(len(vectors))]
    hop, total = vectors, vectors.copy()
    for _ in range(layers):
        following = np.zeros_like(hop)
        for one, other in edges:
            following[one] += hop[other] / sqrt(degree[one] * degree[other])
            following[other] += hop[one] / sqrt(degree[one] * degree[other])
        hop = following
        total += hop
    return total / (layers + 1)


def test_lightgcn_without_a_hop_is_matrix_factorisation() -> None:
    plain, graph = MFNetwork(interactions(), MFConfig()), LightGCNNetwork(interactions(), LightGCNConfig(layers=0))
    graph.load_state_dict(plain.state_dict())
    assert loss(graph, triples()) == pytest.approx(loss(plain, triples()))
    np.testing.assert_allclose(scores(graph), scores(plain), rtol=1e-6)


def test_one_edge_averages_both_nodes() -> None:
    network = LightGCNNetwork(interactions(((0,),), items=1), LightGCNConfig(layers=1, width=2))
    p, q = tables(network)
    for vector in network.vectors():
        np.testing.assert_allclose(vector.detach().numpy(), (p + q) / 2, rtol=1e-6)


def test_the_largest_eigenvalue_of_the_graph_is_one() -> None:
    values = np.linalg.eigvalsh(normalised_adjacency(matrix()).to_dense().numpy())
    assert values.max() == pytest.approx(1)


@pytest.mark.parametrize("layers", [0, 1, 4])
def test_the_gradient_of_the_propagation_is_that_of_dense_matrices(layers: int) -> None:
    adjacency = normalised_adjacency(matrix())
    start = torch.randn(USERS + ITEMS, 3, generator=torch.Generator().manual_seed(0))
    weights = torch.randn(USERS + ITEMS, 3, generator=torch.Generator().manual_seed(1))
    ours, plain = start.clone().requires_grad_(), start.clone().requires_grad_()
    (mean_propagation(adjacency, ours, layers) ** 2 * weights).sum().backward()  # type: ignore[no-untyped-call]
    hops = [plain]
    for _ in range(layers):
        hops.append(adjacency.to_dense() @ hops[-1])
    (torch.stack(hops).mean(dim=0) ** 2 * weights).sum().backward()  # type: ignore[no-untyped-call]
    assert ours.grad is not None and plain.grad is not None
    torch.testing.assert_close(ours.grad, plain.grad)


def macr(**settings: Any) -> MACRNetwork:
    return MACRNetwork(interactions(), MACRConfig(width=3, init_std=1.0, **settings))


def branches(network: MACRNetwork) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``y_k`` (U, I), and the sigmoids of ``y_i`` and ``y_u``."""
    p, q = tables(network)
    of_items = q @ network.item_branch.detach().double().numpy()
    of_users = p @ network.user_branch.detach().double().numpy()
    return p @ q.T, np.vectorize(sigmoid)(of_items), np.vectorize(sigmoid)(of_users)


def test_macr_follows_its_equations() -> None:
    network = macr(item_weight=0.2, user_weight=0.4, l2=0.3)
    match, of_items, of_users = branches(network)
    fused = match * of_items * of_users[:, None]
    expected = 0.3 * half_squares(*tables(network))
    for u, i, j in TRIPLES:
        both = -log(sigmoid(fused[u, i])) - log(1 - sigmoid(fused[u, j]))
        items = -log(of_items[i]) - log(1 - of_items[j])
        users = -log(of_users[u]) - log(1 - of_users[u])
        expected += (both + 0.2 * items + 0.4 * users) / len(TRIPLES)
    assert loss(network, triples()) == pytest.approx(expected, rel=1e-5)
    for constant in (0.0, 40.0):
        network.constant.fill_(constant)
        np.testing.assert_allclose(
            scores(network), (match - constant) * of_items * of_users[:, None], rtol=1e-4, atol=1e-5
        )


def test_initial_loss_of_macr_is_two_ln_two_per_branch() -> None:
    network = macr(item_weight=1, user_weight=1, l2=1)
    for weights in network.parameters():
        torch.nn.init.zeros_(weights)
    assert loss(network, triples()) == pytest.approx(3 * 2 * log(2))


def test_macr_reverses_popularity_for_large_constants() -> None:
    network = macr()
    network.constant.fill_(1e5)
    _, of_items, _ = branches(network)
    assert (np.argsort(-scores(network), axis=1) == np.argsort(of_items)).all()


def test_macr_chooses_its_constant_on_validation_and_saves_it(
    fit: Callable[..., Any], reload: Callable[..., Any], planted: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a validation whose maximum is at the middle constant."""
    wanted = CONSTANTS[2]
    seen = []

    def liking(self: MACR, data: Any) -> dict[str, float]:
        seen.append(float(self.network.constant))  # type: ignore[arg-type]
        return {"paper": 1 / (1 + abs(seen[-1] - wanted))}

    monkeypatch.setattr(MACR, "quality", liking)
    model = fit("macr", planted, "recommendation", epochs=1)
    assert seen == list(CONSTANTS)
    loaded = reload(model, planted)
    assert float(loaded._network.constant) == wanted
    items = catalogue(planted, "loo")
    asked = registry.make_task("recommendation").examples(planted, "loo", "test").hidden().select(slice(0, 4))
    np.testing.assert_array_equal(model.score(asked, items), loaded.score(asked, items))


def ultragcn(**settings: Any) -> UltraGCNNetwork:
    return UltraGCNNetwork(interactions(), UltraGCNConfig(width=3, init_std=1.0, neighbours=2, **settings))


def omega(first: int, second: int) -> float:
    """Eq. 13 on the sets of users."""
    counts = np.array(
        [[sum({i, j} <= set(history) for history in HISTORIES) for j in range(ITEMS)] for i in range(ITEMS)]
    )
    sums = counts.sum(axis=1)
    return float(counts[first, second] / (sums[first] - counts[first, first]) * sqrt(sums[first] / sums[second]))


def neighbours_of(item: int, k: int) -> list[int]:
    others = [j for j in range(ITEMS) if j != item and any({item, j} <= set(history) for history in HISTORIES)]
    return sorted(others, key=lambda other: (-omega(item, other), other))[:k]


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_item_graph_is_that_of_the_paper(k: int) -> None:
    nearest, weights = item_graph(matrix(), k)
    for item in range(ITEMS):
        expected = {other: omega(item, other) for other in neighbours_of(item, k)}
        found = {int(j): float(w) for j, w in zip(nearest[item], weights[item], strict=True) if w > 0}
        assert found == pytest.approx(expected, rel=1e-5)


def test_ultragcn_follows_its_equations() -> None:
    weights = {"w1": 0.3, "w2": 0.9, "w3": 0.2, "w4": 1.1}
    network = ultragcn(negative_weight=7.0, item_weight=0.6, **weights)
    p, q = tables(network)
    match = p @ q.T
    degree = [sum(item in history for history in HISTORIES) for item in range(ITEMS)]
    negatives = [0, 3, 3, 5]

    def beta(user: int, item: int) -> float:
        size = len(HISTORIES[user])
        return sqrt(size + 1) / size / sqrt(degree[item] + 1)

    expected = 0.0
    for u, i, _ in TRIPLES:
        expected -= (0.3 + 0.9 * beta(u, i)) * log(sigmoid(match[u, i]))
        for j in negatives:
            expected -= 7.0 / len(negatives) * (0.2 + 1.1 * beta(u, j)) * log(sigmoid(-match[u, j]))
        for j in neighbours_of(i, 2):
            expected -= 0.6 * omega(i, j) * log(sigmoid(match[u, j]))
    users, positives, _ = triples()
    assert loss(network, Batch(users, positives, torch.tensor(negatives))) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(scores(network), match, rtol=1e-5, atol=1e-6)


def test_the_mean_over_negatives_keeps_its_scale() -> None:
    network = ultragcn()
    users, positives, _ = triples()
    once, twice = torch.tensor([0, 3, 5]), torch.tensor([0, 3, 5, 0, 3, 5])
    losses = [loss(network, Batch(users, positives, drawn)) for drawn in (once, twice)]
    assert losses[0] == pytest.approx(losses[1])


def test_weight_decay_is_the_penalty_on_all_parameters() -> None:
    """One step of Adam on the loss with the penalty written out."""
    config = UltraGCNConfig(l2=0.5, learning_rate=0.1)
    ours, plain = ultragcn(l2=0.5), ultragcn(l2=0.5)
    plain.load_state_dict(ours.state_dict())
    users, positives, _ = triples()
    batch = Batch(users, positives, torch.tensor([0, 5]))
    ours.step(batch, ours.optimizers(config))
    adam = torch.optim.Adam(plain.parameters(), lr=0.1)
    (plain.loss(batch) + 0.5 / 2 * sum(table.square().sum() for table in plain.parameters())).backward()  # type: ignore[no-untyped-call]
    adam.step()
    for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other)


MARGIN = 0.6
"""Knowing the user's group leaves few unseen items, so HR@10 is 1; popularity finds one target in nine."""

SETTINGS: dict[str, dict[str, Any]] = {
    "mf": {"epochs": 30, "learning_rate": 0.02, "batch_size": 256},
    "lightgcn": {"epochs": 20, "learning_rate": 0.02, "batch_size": 256},
    "macr": {"epochs": 40, "learning_rate": 0.02, "batch_size": 256},
    "ultragcn": {"epochs": 20, "learning_rate": 0.02, "batch_size": 128, "negatives": 50, "negative_weight": 20.0},
    "itemknn": {},
    "ease": {},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_beats_popularity(crowds: Corpus, quality: Callable[..., float], name: str) -> None:
    assert quality(name, crowds, **SETTINGS[name]) > quality("popularity", crowds) + MARGIN
