"""VBPR: its equations in plain loops, Cornac's scores, learning, and corpora without pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from baselines.learning.objectives import Triples
from baselines.multimodal.vbpr import VBPRConfig, VBPRNetwork
from tests.baselines.multimodal.visual import (
    BATCH,
    ITEMS,
    LOOKS,
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
from unimp_bench.errors import UsageError

CONFIG = VBPRConfig(width=WIDTH, visual_width=VISUAL_WIDTH, l2=0.3, feature_l2=0.7)


def network(config: VBPRConfig = CONFIG) -> VBPRNetwork:
    made: VBPRNetwork = shaken(VBPRNetwork(interactions(), features(), (), config))
    return made


def score(parts: dict[str, np.ndarray], user: int, item: int) -> float:
    """Eq. 4, product by product."""
    looks = parts["features"][item]
    total = float(parts["biases"][item])
    for k in range(WIDTH):
        total += parts["users.weight"][user, k] * parts["items.weight"][item, k]
    for k in range(VISUAL_WIDTH):
        total += parts["tastes.weight"][user, k] * sum(parts["project.weight"][k] * looks)
    return total + float(sum(parts["style.weight"][0] * looks))


def test_scores_are_those_of_the_equation() -> None:
    model = network()
    expected = [[score(plain(model), user, item) for item in range(ITEMS)] for user in range(USERS)]
    np.testing.assert_allclose(scores(model, list(range(USERS))), expected, rtol=1e-4, atol=1e-5)


def test_the_loss_is_that_of_the_equation() -> None:
    """Fails for Cornac's (B,) + (B, 1), which mixes triples."""
    model = network()
    parts, total = plain(model), 0.0
    for user, positive, negative in zip(*(column.tolist() for column in BATCH), strict=True):
        margin = score(parts, user, positive) - score(parts, user, negative)
        squares = sum(np.sum(parts[name][user] ** 2) for name in ("users.weight", "tastes.weight"))
        for item in (positive, negative):
            squares += np.sum(parts["items.weight"][item] ** 2) + parts["biases"][item] ** 2
        total += np.log1p(np.exp(-margin)) + 0.3 / 2 * squares
    maps = np.sum(parts["project.weight"] ** 2) + np.sum(parts["style.weight"] ** 2)
    assert model.loss(BATCH).item() == pytest.approx(total / 4 + 0.7 / 2 * maps, rel=1e-5)


def test_the_loss_of_a_batch_is_the_mean_of_its_triples() -> None:
    model = network(VBPRConfig(width=WIDTH, visual_width=VISUAL_WIDTH, l2=0.0))
    alone = [model.loss(Triples(*(column[row : row + 1] for column in BATCH))).item() for row in range(4)]
    assert model.loss(BATCH).item() == pytest.approx(np.mean(alone), rel=1e-5)


def test_at_zero_the_loss_is_ln_2() -> None:
    model = network()
    torch.nn.utils.vector_to_parameters(torch.zeros(sum(p.numel() for p in model.parameters())), model.parameters())
    assert model.loss(BATCH).item() == pytest.approx(np.log(2))


def test_with_equal_features_it_is_biased_matrix_factorisation() -> None:
    model = network()
    model.features[:] = model.features[0]
    parts = plain(model)
    expected = parts["users.weight"] @ parts["items.weight"].T + parts["biases"]
    found = scores(model, list(range(USERS)))
    np.testing.assert_allclose(found - found[:, :1], expected - expected[:, :1], rtol=1e-4, atol=1e-4)


def test_cornac_scores_the_same() -> None:
    """Cornac's prediction is correct; only its training is not."""
    models = pytest.importorskip("cornac.models")
    model = network()
    parts = {name: tensor.astype(np.float32) for name, tensor in plain(model).items()}
    theirs = models.VBPR(
        init_params={
            "Bi": parts["biases"],
            "Gu": parts["users.weight"],
            "Gi": parts["items.weight"],
            "Tu": parts["tastes.weight"],
            "E": parts["project.weight"].T,
            "Bp": parts["style.weight"].T,
        }
    )
    theirs._init(USERS, ITEMS, parts["features"])
    expected = [theirs.score(user) for user in range(USERS)]
    np.testing.assert_allclose(scores(model, list(range(USERS))), expected, rtol=1e-4, atol=1e-5)


def test_learns_visual_preferences(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    """HR@10 of 0.6 is the upper bound for a model that knows the looks; chance among 120 items is 8%."""
    corpus = store_of_looks(make_corpus)
    settings = {"epochs": 40, "learning_rate": 0.01, "batch_size": 256}
    ours = hit_rate(fitted("vbpr", corpus, tmp_path / "vbpr", **settings), corpus)
    popular = hit_rate(fitted("popularity", corpus, tmp_path / "popularity"), corpus)
    assert ours > popular + 0.2


def test_without_pictures_it_uses_texts_with_a_remark(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    model = fitted("vbpr", store_of_looks(make_corpus), tmp_path / "fit", epochs=1)
    assert "no pictures in this corpus: text features alone" in model.remarks()


def test_a_corpus_without_pictures_and_texts_is_refused(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = make_corpus([[0, 1, 2, 3]] * 3, {"price": pa.array([float(len(LOOKS))] * 5)})
    with pytest.raises(UsageError, match="neither pictures nor text"):
        registry.make_model("vbpr", settings={}).fit(fit_data(corpus, tmp_path / "fit"))
