"""MMSSL: forward pass and losses against loops written from its equations, critic, learned graphs, and learning."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import torch
from scipy import sparse
from torch import nn

from baselines.multimodal import graph
from baselines.multimodal.graph import unknown_neighbours
from baselines.multimodal.mmssl import (
    HEADS,
    MMSSLConfig,
    MMSSLNetwork,
    critic_loss,
    fake_rows,
    real_rows,
    within_and_across,
)
from tests.baselines.multimodal.visual import BATCH, ITEMS, USERS, fitted, hit_rate, interactions, store_of_looks
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError

Array = npt.NDArray[np.float64]
WIDTH = 8
CONFIG = MMSSLConfig(
    width=WIDTH, dropout=0.0, neighbours=2, contrast=0.7, adversarial=0.3, critic_items=4, l2=0.2, feature_l2=0.4
)


@pytest.fixture
def network() -> MMSSLNetwork:
    torch.manual_seed(0)
    made = MMSSLNetwork(interactions(), (torch.randn(ITEMS, 3), torch.randn(ITEMS, 2)), (), CONFIG)
    made.relate()
    made.critic.eval()
    return made


def unit(rows: Array) -> Array:
    lengths: Array = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


def gathered(edges: Array, senders: Array) -> Array:
    """Sums over neighbours, divided by the root of their number."""
    received = np.zeros((len(edges), senders.shape[1]))
    for node, row in enumerate(edges):
        for sender in np.flatnonzero(row):
            received[node] += senders[sender] / math.sqrt(row.sum())
    return received


def attended(weights: Array, related: list[Array]) -> Array:
    """Self-attention across modalities, node by node and head by head, and its mean."""
    result, head = np.zeros_like(related[0]), WIDTH // HEADS
    for node in range(len(result)):
        queries, keys, values = np.split(np.stack([view[node] for view in related]) @ weights.T, 3, axis=1)
        for start in range(0, WIDTH, head):
            part = slice(start, start + head)
            logits = np.exp(queries[:, part] @ keys[:, part].T / math.sqrt(head))
            result[node, part] = (logits / logits.sum(axis=1, keepdims=True) @ values[:, part]).mean(axis=0)
    return result


def expected_contrast(first: Array, second: Array) -> float:
    first, second, total = unit(first), unit(second), 0.0
    for x in range(len(first)):
        below = sum(math.exp(first[x] @ row / CONFIG.temperature) for row in second)
        below += sum(math.exp(first[x] @ first[b] / CONFIG.temperature) for b in range(len(first)) if b != x)
        total -= math.log(math.exp(first[x] @ second[x] / CONFIG.temperature) / below)
    return total / len(first)


def test_passes_and_loss_are_those_of_the_equations(network: MMSSLNetwork) -> None:
    weights = {name: tensor.detach().double().numpy() for name, tensor in network.state_dict().items()}
    edges = network.interactions.matrix.toarray().astype(np.float64)
    ids = weights["users.weight"], weights["items.weight"]
    modal_users, modal_items, related = [], [], ([], [])  # type: ignore[var-annotated]
    for m, table in enumerate(network.features):
        inputs = table.double().numpy() @ weights[f"project.{m}.weight"].T + weights[f"project.{m}.bias"]
        modal_users.append(gathered(edges, inputs))
        modal_items.append(gathered(edges.T, modal_users[m]))
        products = np.where(edges > 0, -np.inf, modal_users[m] @ modal_items[m].T)
        learned = np.zeros_like(edges)
        np.put_along_axis(learned, np.argsort(-products, axis=1)[:, : CONFIG.neighbours], 1, axis=1)
        related[0].append(gathered(learned, ids[1]))
        related[1].append(gathered(learned.T, ids[0]))

    def normed(rows: Array) -> Array:
        result: Array = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return result

    hops = [ids[s] + CONFIG.attended * normed(attended(weights["attention.weight"], related[s])) for s in (0, 1)]
    totals = [hops[0].copy(), hops[1].copy()]
    for _ in range(2):
        hops = [gathered(edges, hops[1]), gathered(edges.T, hops[0])]
        totals = [totals[0] + hops[0], totals[1] + hops[1]]
    users, items = (
        totals[s] / 3 + CONFIG.modal * sum(normed(view) for view in views)
        for s, views in ((0, modal_users), (1, modal_items))
    )
    states = network.states()
    np.testing.assert_allclose(states.users.detach(), users, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(states.items.detach(), items, rtol=1e-4, atol=1e-5)

    rows, positives, negatives = (column.numpy() for column in BATCH)
    margins = (users[rows] * (items[positives] - items[negatives])).sum(axis=1)
    squares = sum((part**2).sum() for part in (users[rows], items[positives], items[negatives]))
    expected = np.log1p(np.exp(-margins)).mean() + CONFIG.l2 * squares / 2 / len(rows)
    expected += CONFIG.feature_l2 * sum((part**2).sum() for part in (*modal_users, *modal_items)) / 2 / ITEMS
    people, seen = np.unique(rows), weights["seen"].astype(int)
    expected += CONFIG.contrast * sum(expected_contrast(view[people], users[people]) for view in related[0])
    fakes = [
        normed((views[0] @ views[1][seen].T * (1 - edges[:, seen]))[people])
        for views in zip(modal_users, modal_items, strict=True)
    ]
    judged = network.critic(torch.from_numpy(np.concatenate(fakes)).float()).mean()
    expected -= CONFIG.adversarial * float(judged.detach())
    assert float(network.loss(BATCH).detach()) == pytest.approx(expected, rel=1e-4)


def test_every_user_has_neighbours_in_every_learned_graph(network: MMSSLNetwork) -> None:
    for _ in network.batches(np.random.default_rng(0)):
        assert network.relations is not None
        assert [relation.edges for relation in network.relations] == [USERS * CONFIG.neighbours] * 2


def test_neighbours_are_the_best_of_the_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "BLOCK_BYTES", 4 * 5 * 2)  # blocks of two users
    users, items = torch.tensor([[1.0], [-1.0], [1.0]]), torch.arange(5.0)[:, None]
    known = sparse.csr_array(np.array([[0, 0, 0, 0, 1], [1, 0, 0, 0, 0], [1, 1, 1, 1, 0]]))
    found = unknown_neighbours(users, items, known, 2).toarray()
    assert found.tolist() == [[0, 0, 1, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 1]]


def test_within_and_across_identical_vectors() -> None:
    """The pair of a view with itself is left out: ln(2 B - 1)."""
    assert float(within_and_across(torch.ones(6, 3), torch.ones(6, 3), 0.5)) == pytest.approx(math.log(11))


def test_the_contrast_has_a_gradient(network: MMSSLNetwork) -> None:
    states = network.states()
    contrast = sum(within_and_across(view, states.users, 0.5) for view in states.related)
    assert isinstance(contrast, torch.Tensor)
    (gradient,) = torch.autograd.grad(contrast, network.items.weight)
    assert float(gradient.abs().sum()) > 0


def test_rows_of_relations_are_unit() -> None:
    known = torch.tensor([[1.0, 0, 0], [0, 0, 1]])
    fake = fake_rows(torch.randn(2, 4), torch.randn(3, 4), known)
    real = real_rows(known, torch.randn(2, 3), 0.005, 1e-5, 100.0)
    for rows in (fake, real):
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(2))
    assert (fake[known > 0] == 0).all()
    alone = real_rows(torch.tensor([[1.0, 0, 1]]), torch.zeros(1, 3), 0.005, 0.0, 100.0)
    torch.testing.assert_close(alone, torch.tensor([[0.5**0.5, 0, 0.5**0.5]]))


def test_the_gradient_penalty_uses_the_slope_of_the_critic() -> None:
    """A linear critic of slope (3, 4) has gradient norm 5 everywhere."""
    critic = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Flatten(0))
    critic[0].weight.data = torch.tensor([[3.0, 4.0]])
    loss = critic_loss(critic, torch.tensor([[1.0, 0.0]] * 3), torch.tensor([[0.0, 1.0]] * 3), 0.3)
    assert float(loss.detach()) == pytest.approx(4 - 3 + 0.3 * 16)


def test_a_step_moves_the_critic_and_the_recommender(network: MMSSLNetwork) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    network.step(BATCH, network.optimizers(CONFIG))
    moved = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == set(before) - {"seen"}


def test_beats_popularity_and_remarks_on_features(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = store_of_looks(make_corpus)
    floor = hit_rate(fitted("popularity", corpus, tmp_path), corpus)
    settings = {"epochs": 15, "width": 32, "batch_size": 256, "learning_rate": 1e-2, "critic_items": 32}
    model = fitted("mmssl", corpus, tmp_path, **settings)
    assert hit_rate(model, corpus) > floor + 0.15
    assert "text features alone" in model.remarks()[0]


def test_unsupported_corpora_and_widths_are_refused(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = make_corpus([[0, 1, 2, 3], [1, 2, 3, 0]] * 3, {"price": pa.array([1.0] * 6)})
    with pytest.raises(UsageError, match="neither pictures nor text"):
        fitted("mmssl", corpus, tmp_path, epochs=1)
    with pytest.raises(UsageError, match="multiple of 4"):
        fitted("mmssl", corpus, tmp_path, width=6)
