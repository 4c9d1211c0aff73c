"""CausalRec: its equations in plain loops, Cornac's scores before side effects, and its choice of debiasing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.learning.objectives import Triples
from baselines.multimodal.causalrec import CausalRecConfig, CausalRecNetwork
from tests.baselines.multimodal.visual import (
    BATCH,
    ITEMS,
    USERS,
    VISUAL_WIDTH,
    WIDTH,
    features,
    fit_data,
    fitted,
    hit_rate,
    interactions,
    plain,
    scores,
    shaken,
    store_of_looks,
)
from unimp_bench import registry
from unimp_bench.corpus import Corpus

Parts = dict[str, np.ndarray]
EVERYONE = list(range(USERS))


def network(debias: float = 0.6, **settings: Any) -> CausalRecNetwork:
    config = CausalRecConfig(width=WIDTH, visual_width=VISUAL_WIDTH, debias=(debias,), **settings)
    made: CausalRecNetwork = shaken(CausalRecNetwork(interactions(), features(), (), config))
    return made


def sigmoid(value: float) -> float:
    return 1 / (1 + float(np.exp(-value)))


def match(parts: Parts, user: int, bias: float, vector: np.ndarray, looks: np.ndarray) -> float:
    """m(u, i) of an item with the given bias, vector and feature."""
    total = float(bias)
    for k in range(WIDTH):
        total += parts["users.weight"][user, k] * vector[k]
        total += parts["users.weight"][user, k] * vector[k] * np.tanh(sum(parts["modulate.weight"][k] * looks))
    return total


def indirect(parts: Parts, user: int, item: int) -> float:
    return match(parts, user, parts["biases"][item], parts["items.weight"][item], parts["features"][item])


def untreated(parts: Parts, user: int) -> float:
    """m* of a user."""
    means = (parts[name].mean(axis=0) for name in ("biases", "items.weight", "features"))
    return match(parts, user, *means)


def direct(parts: Parts, user: int, item: int) -> float:
    looks = parts["features"][item]
    total = float(sum(parts["style.weight"][0] * looks))
    for k in range(VISUAL_WIDTH):
        total += parts["tastes.weight"][user, k] * np.tanh(sum(parts["project.weight"][k] * looks))
    return total


def y(m: float, n: float) -> float:
    return sigmoid(m + n) * sigmoid(m) * sigmoid(n)


def effect(parts: Parts, user: int, item: int, debias: float) -> float:
    n = direct(parts, user, item)
    return y(indirect(parts, user, item), n) - debias * y(untreated(parts, user), n)


@pytest.mark.parametrize("debias", [0.0, 0.6, 1.0])
def test_scores_are_total_indirect_effects(debias: float) -> None:
    """With ``lambda_2`` = 0, the fused score used in training."""
    model = network(debias)
    expected = [[effect(plain(model), user, item, debias) for item in range(ITEMS)] for user in EVERYONE]
    np.testing.assert_allclose(scores(model, EVERYONE), expected, rtol=1e-4, atol=1e-6)


def test_the_mean_item_keeps_one_minus_lambda_of_its_score() -> None:
    model = network(0.6)
    with torch.no_grad():
        for table in (model.biases, model.items.weight, model.features):
            table[-1] = table[:-1].mean(dim=0)
    found = float(scores(model, [2])[0, -1])
    model.debias.fill_(0.0)
    biased = float(scores(model, [2])[0, -1])
    assert found == pytest.approx(0.4 * biased, rel=1e-4)


def test_the_loss_is_that_of_the_equation() -> None:
    model = network(l2=0.3, feature_l2=0.7)
    parts, total = plain(model), 0.0
    for user, positive, negative in zip(*(column.tolist() for column in BATCH), strict=True):
        (m, n), (other_m, other_n) = (
            (indirect(parts, user, item), direct(parts, user, item)) for item in (positive, negative)
        )
        for margin in (y(m, n) - y(other_m, other_n), m - other_m, n - other_n):
            total += np.log1p(np.exp(-margin))
        squares = sum(np.sum(parts[name][user] ** 2) for name in ("users.weight", "tastes.weight"))
        for item in (positive, negative):
            squares += np.sum(parts["items.weight"][item] ** 2) + parts["biases"][item] ** 2
        total += 0.3 / 2 * squares
    maps = sum(np.sum(parts[f"{name}.weight"] ** 2) for name in ("project", "modulate", "style"))
    assert model.loss(BATCH).item() == pytest.approx(total / 4 + 0.7 / 2 * maps, rel=1e-5)


def test_the_loss_of_a_batch_is_the_mean_of_its_triples() -> None:
    """Fails for Cornac's (B,) + (B, 1), which mixes triples."""
    model = network(l2=0.0)
    alone = [model.loss(Triples(*(column[row : row + 1] for column in BATCH))).item() for row in range(4)]
    assert model.loss(BATCH).item() == pytest.approx(np.mean(alone), rel=1e-5)


def test_scoring_has_no_side_effects() -> None:
    """Scores depend neither on earlier calls nor on the batch; Cornac's grow with every call."""
    model = network()
    first = scores(model, [3])
    assert np.array_equal(scores(model, [3]), first)
    np.testing.assert_allclose(scores(model, [0, 3, 1])[1], first[0], rtol=1e-5)


def test_the_first_scores_of_cornac_are_equal() -> None:
    """Cornac's first call on fresh parameters, which changes the results of later calls."""
    models = pytest.importorskip("cornac.models")
    model = network(0.6)
    parts = {name: tensor.astype(np.float32) for name, tensor in plain(model).items()}
    expected = []
    for user in EVERYONE:
        theirs = models.CausalRec(lambda_2=0.6, tanh=1)
        theirs.gamma_user, theirs.gamma_item = parts["users.weight"], parts["items.weight"]
        theirs.theta_user, theirs.beta_item = parts["tastes.weight"], parts["biases"].copy()
        theirs.theta_item = np.tanh(parts["features"] @ parts["project.weight"].T)
        theirs.ind_theta_item = np.tanh(parts["features"] @ parts["modulate.weight"].T)
        theirs.visual_bias = parts["features"] @ parts["style.weight"][0]
        theirs.beta_item_mean = parts["biases"].mean(keepdims=True)
        theirs.gamma_item_mean = parts["items.weight"].mean(axis=0, keepdims=True)
        theirs.mean_feat = np.tanh(parts["features"].mean(axis=0, keepdims=True) @ parts["modulate.weight"].T)
        expected.append(theirs.score(user))
    np.testing.assert_allclose(scores(model, EVERYONE), expected, rtol=1e-4, atol=1e-6)


def test_the_debiasing_is_chosen_on_validation_and_kept(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    """With a validation whose maximum is at 0.4, neither the first value nor the last."""
    corpus = store_of_looks(make_corpus)
    like = fit_data(corpus, tmp_path / "fit")
    data = replace(like, validate=lambda model, _: {"paper": 1 - abs(float(model._network.debias) - 0.4)})
    model: Any = registry.make_model("causalrec", settings={"epochs": 2})
    model.fit(data)
    assert float(model._network.debias) == pytest.approx(0.4)
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    loaded: Any = registry.make_model("causalrec", settings={"epochs": 2})
    loaded.load(tmp_path / "saved", corpus.items, tmp_path / "fit")
    assert float(loaded._network.debias) == pytest.approx(0.4)


def test_learns_visual_preferences(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = store_of_looks(make_corpus)
    settings = {"epochs": 40, "learning_rate": 0.01, "batch_size": 256}
    ours = hit_rate(fitted("causalrec", corpus, tmp_path / "causalrec", **settings), corpus)
    popular = hit_rate(fitted("popularity", corpus, tmp_path / "popularity"), corpus)
    assert ours > popular + 0.2
