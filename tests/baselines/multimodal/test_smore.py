"""SMORE: its filters against circular convolutions, its vectors against dense matrices, and learning from features."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from baselines.multimodal.smore import SMOREConfig, SMORENetwork
from tests.baselines.multimodal.planted import dense_adjacency, dense_mean, dense_neighbours, features_help
from tests.baselines.multimodal.test_mgcn import affine, sigmoid
from tests.baselines.multimodal.visual import USERS, features, interactions, scores, shaken
from unimp_bench.corpus import Corpus

CONFIG = SMOREConfig(width=4, layers=2, neighbours=2, picture_neighbours=4)


def made() -> SMORENetwork:
    network: SMORENetwork = shaken(SMORENetwork(interactions(), (features(0), features(1)), (), CONFIG))
    return network


def circular(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Rows of the circular convolution along the last axis, by loops."""
    width = one.shape[-1]
    out = np.zeros_like(one)
    for place in range(width):
        for shift in range(width):
            out[..., place] += one[..., shift] * other[..., (place - shift) % width]
    return out


def convolved(network: SMORENetwork) -> list[np.ndarray]:
    weights = {name: tensor.detach().double().numpy() for name, tensor in network.named_parameters()}
    projected = [affine(weights, f"project.{m}", features(m).double().numpy()) for m in range(2)]
    kernels = [np.fft.irfft(real + 1j * imaginary, n=4) for real, imaginary in np.moveaxis(weights["filters"], 2, 1)]
    fused = circular(projected[0], projected[1]) / np.sqrt(4)  # orthonormal transforms
    return [circular(each, kernel) for each, kernel in zip([*projected, fused], kernels, strict=True)]


def test_filters_are_circular_convolutions() -> None:
    network = made()
    for found, expected in zip(network.filtered(), convolved(network), strict=True):
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        network.filters.copy_(torch.tensor([1.0, 0.0]).expand_as(network.filters))
    for found, projected in zip(network.filtered()[:2], network.projected(), strict=True):
        torch.testing.assert_close(found, projected)


def test_scores_are_those_of_the_equations() -> None:
    network = made()
    weights = {name: tensor.detach().double().numpy() for name, tensor in network.named_parameters()}
    adjacency = dense_adjacency(interactions().matrix.toarray())
    items = weights["items.weight"]
    behaviour = dense_mean(adjacency, np.concatenate([weights["users.weight"], items]), CONFIG.layers)
    graphs = []
    for number, count in enumerate((CONFIG.picture_neighbours, CONFIG.neighbours)):
        similar = dense_neighbours(features(number).double().numpy(), count)
        graphs.append(similar / np.sqrt(np.outer(similar.sum(axis=1), similar.sum(axis=1))))
    graphs.append(np.maximum(*graphs))
    views = []
    for number, (graph, filtered) in enumerate(zip(graphs, convolved(network), strict=True)):
        spread = graph @ (items * sigmoid(affine(weights, f"purify.{number}", filtered)))
        views.append(np.concatenate([adjacency[:USERS, USERS:] @ spread, spread]))
    parts = []
    for number in range(2):
        logits = affine(weights, f"weigh.{number}.2", np.tanh(affine(weights, f"weigh.{number}.0", views[2])))
        parts.append(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) * views[number])
    parts.append(views[2])
    gates = [sigmoid(affine(weights, f"prefer.{number}", behaviour)) for number in range(3)]
    final = behaviour + sum(gate * part for gate, part in zip(gates, parts, strict=True)) / 3
    np.testing.assert_allclose(scores(network, [0, 3]), (final[:USERS] @ final[USERS:].T)[[0, 3]], rtol=1e-4)


def test_the_fused_graph_has_the_edges_of_both() -> None:
    pictures, text, fused = ((torch.stack([graph @ torch.eye(7)])[0] != 0).numpy() for graph in made()._alike)
    assert (fused == (pictures | text)).all() and fused.sum() > pictures.sum() > text.sum()


def test_features_help(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    features_help("smore", make_corpus, tmp_path)
