"""Item graphs against dense matrices, pruned edges against their distribution, and what enters neither."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from baselines.multimodal import item_graphs
from baselines.multimodal.graph import Operator
from baselines.multimodal.item_graphs import nearest_items, pruned, row_normalised, shares, similarity_graph, unweighted

ROWS, COUNT = 23, 4


def table(missing: tuple[int, ...] = ()) -> torch.Tensor:
    made = torch.from_numpy(np.random.default_rng(5).normal(size=(ROWS, 6)).astype(np.float32))
    made[list(missing)] = 0
    return made


def test_neighbours_are_those_of_the_dense_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    features = table().double().numpy()
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    dense = unit @ unit.T
    whole = nearest_items(table(), COUNT)
    monkeypatch.setattr(item_graphs, "BLOCK_BYTES", 4 * ROWS * 5)  # five rows a block
    blocks = nearest_items(table(), COUNT)
    for row in range(ROWS):
        best = set(np.argsort(-dense[row])[:COUNT].tolist())
        assert set(whole[1][row].tolist()) == set(blocks[1][row].tolist()) == best and row in best
    graph = similarity_graph(table(), COUNT).toarray()
    lowest = np.sort(dense, axis=1)[:, -COUNT, None]
    np.testing.assert_allclose(graph, np.where(dense >= lowest, dense.clip(min=0), 0), atol=1e-6)


def test_an_item_without_features_has_no_edge() -> None:
    graph = row_normalised(similarity_graph(table((3, 7)), COUNT)).toarray()
    assert np.isfinite(graph).all()
    assert not graph[[3, 7]].any() and not graph[:, [3, 7]].any() and (graph.diagonal() > 0).sum() == ROWS - 2


def test_an_unweighted_graph_is_one_over_its_edges() -> None:
    graph = row_normalised(unweighted(similarity_graph(table().abs(), COUNT)))
    assert np.allclose(graph.data, 1 / COUNT) and np.allclose(graph.sum(axis=1), 1)
    weighted = row_normalised(similarity_graph(table().abs(), COUNT))
    assert not np.allclose(weighted.data, 1 / COUNT)
    dense = similarity_graph(table().abs(), COUNT).toarray()
    sums = dense.sum(axis=1)
    assert np.allclose(weighted.toarray(), dense / np.sqrt(np.outer(sums, sums)))


def test_an_operator_has_the_gradient_of_the_dense_product() -> None:
    graph = row_normalised(similarity_graph(table(), COUNT))
    vectors, weights = torch.randn(ROWS, 3, requires_grad=True), torch.randn(ROWS, 3)
    product = Operator.of(graph, torch.device("cpu")) @ vectors
    dense = torch.from_numpy(graph.toarray()).float()
    assert not torch.equal(dense, dense.T)
    torch.testing.assert_close(product, dense @ vectors)
    (product * weights).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(vectors.grad, dense.T @ weights)


def test_pruning_keeps_a_share_of_different_edges_fresh_in_each_draw() -> None:
    rng = np.random.default_rng(0)
    matrix = sparse.csr_array((rng.random((40, 30)) < 0.3).astype(np.float32))
    one, two = (pruned(matrix, 0.8, rng) for _ in range(2))
    assert one.nnz == two.nnz == int(0.2 * matrix.nnz) and one.max() == 1
    assert ((matrix.toarray() - one.toarray()) >= 0).all() and (one.toarray() != two.toarray()).any()
    again = pruned(matrix, 0.8, np.random.default_rng(9)).toarray()
    assert (again == pruned(matrix, 0.8, np.random.default_rng(9)).toarray()).all()
    assert pruned(matrix, 1.0, rng).nnz == 0 and (pruned(matrix, 0.0, rng).toarray() == matrix.toarray()).all()


def test_an_edge_of_four_times_the_degrees_is_kept_half_as_often() -> None:
    """Sixteen users with one item each, and one user with four of four items that four others have too."""
    pairs = [(user, user) for user in range(16)] + [(16 + u, 16 + i) for u in range(2) for i in range(2)]
    users, items = np.array(pairs).T
    matrix = sparse.csr_array((np.ones(len(pairs), np.float32), (users, items)))
    rng = np.random.default_rng(1)
    kept = sum(pruned(matrix, 0.9, rng).toarray() for _ in range(1500))
    single = kept[np.arange(16), np.arange(16)].mean()  # type: ignore[index]
    double = kept[16:, 16:].mean()  # type: ignore[index]
    assert double / single == pytest.approx(0.5, abs=0.08)


def test_shares_of_modalities() -> None:
    assert shares(2, 0.1) == (0.1, 0.9) and shares(1, 0.1) == (1.0,)
