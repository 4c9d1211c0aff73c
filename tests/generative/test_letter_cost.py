"""LETTER and CoST: each loss against an explicit loop, and what it changes in ids of planted items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.stored import write_set
from unimp_bench.errors import UsageError
from unimp_bench.generative import letter_cost, rqvae
from unimp_bench.generative.letter_cost import (
    CoST,
    Letter,
    LetterObjective,
    alignment_loss,
    contrastive_loss,
    diversity_loss,
    groups_of,
)
from unimp_bench.generative.making import behaviour_of, make_ids, training_part
from unimp_bench.generative.quantizers import QuantizerSettings
from unimp_bench.generative.rqvae import RQVAE, Autoencoder
from unimp_bench.records import FloatArray, IntArray
from unimp_bench.testing.planted import write_planted_corpus


@pytest.fixture
def network() -> Autoencoder:
    torch.manual_seed(0)
    made = Autoencoder(6, 2, 5)
    for book in made.codebooks:
        nn.init.normal_(book, std=0.05)
    return made


def drawn(*shape: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def softmax_loss(scores: list[float], right: int) -> float:
    return float(np.log(sum(np.exp(score) for score in scores)) - scores[right])


def test_alignment_is_its_equation(network: Autoencoder) -> None:
    made, behaviour = network(torch.from_numpy(drawn(7, 6))), drawn(7, rqvae.LATENT, seed=1)
    behaviour[3] = 0
    latent = made.latent.detach().numpy().astype(np.float64)
    losses = [softmax_loss([float(latent[i] @ v) for v in behaviour], i) for i in range(7) if i != 3]
    found = alignment_loss(made, torch.from_numpy(behaviour))
    assert found.item() == pytest.approx(np.mean(losses), rel=1e-5)
    found.backward()
    assert network.encoder[0].weight.grad.abs().sum() > 0
    assert not alignment_loss(made, torch.zeros(7, rqvae.LATENT)).item()
    still = made._replace(latent=torch.zeros(7, rqvae.LATENT))
    behaviour[3] = 1
    assert float(alignment_loss(still, torch.from_numpy(behaviour))) == pytest.approx(np.log(7), rel=1e-6)


def test_diversity_is_its_equation(network: Autoencoder) -> None:
    made = network(torch.from_numpy(drawn(7, 6)))
    book, codes = network.codebooks[0], made.codes[:, 0]
    partners = (codes + 1) % 5
    partners[2] = codes[2]
    vectors = book.detach().numpy().astype(np.float64)
    losses = []
    for item in range(7):
        own, partner = int(codes[item]), int(partners[item])
        others = [code for code in range(5) if code != own]
        if partner != own:
            scores = [float(vectors[own] @ vectors[code]) for code in others]
            losses.append(softmax_loss(scores, others.index(partner)))
    found = diversity_loss(made.found[0], codes, partners, book)
    assert found.item() == pytest.approx(np.mean(losses), rel=1e-5)
    found.backward()
    assert torch.isfinite(book.grad).all() and book.grad.abs().sum() > 0
    same = torch.ones(256, 4)
    assert float(diversity_loss(same[:9], torch.arange(9), torch.arange(9) + 1, same)) == pytest.approx(np.log(255))
    assert not diversity_loss(made.found[0], codes, codes, book).item()


def test_contrast_is_its_equation(network: Autoencoder) -> None:
    made = network(torch.from_numpy(drawn(7, 6)))
    given, rebuilt = (each.detach().numpy().astype(np.float64) for each in (made.vectors, made.rebuilt))

    def cosine(a: FloatArray, b: FloatArray) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    losses = [
        softmax_loss([cosine(given[i], rebuilt[j]) / letter_cost.TEMPERATURE for j in range(7)], i) for i in range(7)
    ]
    assert contrastive_loss(made).item() == pytest.approx(np.mean(losses), rel=1e-4)
    same = made._replace(rebuilt=made.rebuilt[:1].expand(7, -1), vectors=made.vectors[:1].expand(7, -1))
    assert float(contrastive_loss(same)) == pytest.approx(np.log(7), rel=1e-5)


def test_groups_are_of_one_size_and_near() -> None:
    centres = 10 * np.eye(4, dtype=np.float32)
    book = np.repeat(centres, 5, axis=0) + 0.1 * drawn(20, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(letter_cost, "GROUPS", 4)
        found = groups_of(book, 0)
    assert np.bincount(found).tolist() == [5, 5, 5, 5]
    assert all(len(set(found[begin : begin + 5])) == 1 for begin in range(0, 20, 5))
    assert max(np.bincount(groups_of(drawn(64, 3), 0))) <= 7 and groups_of(drawn(1, 3), 0).tolist() == [0]


def test_partners_are_the_other_codes_of_a_group() -> None:
    objective = LetterObjective(drawn(4, rqvae.LATENT), 0)
    groups: IntArray = np.array([0, 1, 0, 1, 0, 2])
    codes = torch.from_numpy(np.tile(np.arange(6), 200))
    partners = objective._partners(codes, groups).numpy()
    seen = [set(partners[codes.numpy() == code].tolist()) for code in range(6)]
    assert seen == [{2, 4}, {3}, {0, 4}, {1}, {0, 2}, {5}]


def test_without_its_terms_letter_is_an_rqvae(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rqvae, "EPOCHS", 3)
    monkeypatch.setattr(rqvae, "HIDDEN", (16,))
    points, behaviour, settings = drawn(60, 6), drawn(60, 8, seed=1), QuantizerSettings(2, 6)
    plain = RQVAE.fit(points, settings)
    full = Letter.fit(points, settings, behaviour)
    monkeypatch.setattr(letter_cost, "ALIGNMENT", 0)
    monkeypatch.setattr(letter_cost, "DIVERSITY", 0)
    bare = Letter.fit(points, settings, behaviour)
    weights = [each.network.state_dict() for each in (plain, bare, full)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not all(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])
    with pytest.raises(UsageError, match="no interactions"):
        Letter.fit(points, settings, np.zeros((60, 8), dtype=np.float32))


def purity(codes: IntArray, labels: IntArray) -> float:
    """Share of items whose label is the most frequent one among the items of their first code."""
    return sum(np.bincount(labels[codes[:, 0] == code]).max() for code in set(codes[:, 0].tolist())) / len(labels)


def test_letter_follows_behaviour_that_content_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Content has four strong groups and, weakly, four of behaviour; with four codes only one grouping is coded."""
    monkeypatch.setattr(rqvae, "EPOCHS", 60)
    monkeypatch.setattr(rqvae, "BATCH", 64)
    monkeypatch.setattr(letter_cost, "ALIGNMENT", 1.0)
    rng = np.random.default_rng(0)
    content, audience = rng.integers(4, size=200), rng.integers(4, size=200)
    points = np.concatenate([2 * np.eye(4)[content], np.eye(4)[audience]], axis=1).astype(np.float32)
    points += 0.05 * drawn(200, 8)
    behaviour = 6 * np.eye(4, dtype=np.float32)[audience]
    settings = QuantizerSettings(1, 4)
    plain, led = RQVAE.fit(points, settings).encode(points), Letter.fit(points, settings, behaviour).encode(points)
    assert purity(plain, content) > 0.9 and purity(plain, audience) < 0.5
    assert purity(led, audience) > 0.9 and len(set(led[:, 0].tolist())) == 4


def test_cost_keeps_neighbourhoods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Items of one direction share codes, and reconstructions are near the items of their own direction."""
    monkeypatch.setattr(rqvae, "EPOCHS", 60)
    monkeypatch.setattr(rqvae, "BATCH", 64)
    label = np.random.default_rng(0).integers(8, size=240)
    points = np.linalg.qr(drawn(8, 8))[0][label] + 0.1 * drawn(240, 8, seed=2)
    model = CoST.fit(points, QuantizerSettings(2, 4))
    codes = model.encode(points)
    pairs = codes[:, 0] * 4 + codes[:, 1]
    assert purity(pairs[:, None], label) > 0.75 and len(set(pairs.tolist())) >= 8
    rebuilt, given = (
        each / np.linalg.norm(each, axis=1, keepdims=True)
        for each in (model.decode(codes) - model.mean, points - model.mean)
    )
    cosines, same = rebuilt @ given.T, label[:, None] == label[None]
    assert cosines[same].mean() > 0.4 + cosines[~same].mean() and model.error(points) < 1
    assert np.square(model.decode(codes) - model.mean).mean() == pytest.approx(model.scale**2, rel=1e-4)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    folder = tmp_path / "data" / "planted"
    write_planted_corpus(folder)
    corpus = Corpus.open(folder)
    values = drawn(len(corpus.items), 6)
    write_set(folder, corpus.items.names, "given", "text", values, np.ones(len(values)) > 0, "made")
    return corpus


def test_behaviour_is_the_singular_vectors_of_the_training_part(corpus: Corpus) -> None:
    part, items = training_part(corpus, "loo"), len(corpus.items)
    matrix = np.zeros((part.users, items))
    for user in range(part.users):
        matrix[user, part.items[part.offsets[user] : part.offsets[user + 1]]] = 1
    users, sold = matrix.sum(axis=1, keepdims=True), matrix.sum(axis=0, keepdims=True)
    _, spread, directions = np.linalg.svd(matrix / np.sqrt(np.maximum(users, 1) * np.maximum(sold, 1)))
    expected = (directions[:32] * spread[:32, None]).T
    found = behaviour_of(part, items)
    trained = sold[0] > 0
    assert found.shape == (items, 32) and not found[~trained].any()
    np.testing.assert_allclose(np.square(found[trained]).mean(axis=1), 1, rtol=1e-4)
    expected = expected[trained] / np.linalg.norm(expected[trained], axis=1, keepdims=True)
    np.testing.assert_allclose(found[trained] @ found[trained].T / 32, expected @ expected.T, atol=1e-4)


def test_ids_of_letter_depend_on_the_interactions(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rqvae, "EPOCHS", 2)
    monkeypatch.setattr(rqvae, "HIDDEN", (16,))
    settings = QuantizerSettings(2, 4)
    record, there = make_ids(corpus, "mine", "letter", ["given"], settings, "loo")
    assert not there and len(record.levels) == 3
    assert make_ids(corpus, "mine", "letter", ["given"], settings, "loo") == (record, True)
    plain, _ = make_ids(corpus, "other", "cost", ["given"], settings, "loo")
    assert record.quantization is not None and plain.quantization is not None
    assert record.quantization.fitted != plain.quantization.fitted, "the interactions count for letter alone"
