"""CLCRec: its loss against loops, what represents an item without interactions, and learning about such items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from baselines.learning.interactions import Interactions
from baselines.multimodal.clcrec import Candidates, CLCRecConfig, CLCRecNetwork
from tests.baselines.multimodal.visual import LOOKS, features, fitted, hit_rate, interactions, scores, shaken
from unimp_bench.corpus import Corpus
from unimp_bench.ragged import Ragged

CONFIG = CLCRecConfig(width=3, inner=5, negatives=2, content=0.3, temperature=0.7, norms=0.2, batch_size=4)
BATCH = Candidates(torch.tensor([0, 1, 4]), torch.tensor([[0, 3, 5], [1, 4, 1], [6, 0, 2]]))
MASK = torch.tensor([[True, False, True], [False, False, True], [False, True, False]])
COLD = 6


def made(config: CLCRecConfig = CONFIG) -> CLCRecNetwork:
    """Item 6 has no interaction."""
    old = interactions()
    values = np.where(old.sequences.values == COLD, 0, old.sequences.values)
    without = Interactions(old.users, old.items, Ragged(old.sequences.offsets, values))
    network: CLCRecNetwork = shaken(CLCRecNetwork(without, (features(0), features(1)), (), config))
    return network


def contents(network: CLCRecNetwork) -> np.ndarray:
    weights = {name: tensor.detach().double().numpy() for name, tensor in network.named_parameters()}
    tables = [features(seed).double().numpy() for seed in (0, 1)]
    joined = np.concatenate([table / np.linalg.norm(table, axis=1, keepdims=True) for table in tables], axis=1)
    hidden = joined @ weights["encode.0.weight"].T + weights["encode.0.bias"]
    encoded: np.ndarray = np.where(hidden > 0, hidden, 0.01 * hidden) @ weights["encode.2.weight"].T
    return encoded + weights["encode.2.bias"]


def test_the_loss_is_that_of_the_equations() -> None:
    network, total = made(), 0.0
    users, ids = (table.weight.detach().double().numpy() for table in (network.users, network.items))
    encoded = contents(network)
    for user, items, mask in zip(*(part.tolist() for part in (*BATCH, MASK)), strict=True):
        one = ids[items[0]] / np.linalg.norm(ids[items[0]])
        agreement = np.array([one @ encoded[k] / np.linalg.norm(encoded[k]) for k in items]) / 0.7
        margins = np.array([users[user] @ (encoded if m else ids)[k] for k, m in zip(items, mask, strict=True)]) / 0.7
        for weight, logits in ((0.3, agreement), (0.7, margins)):
            total += weight * (np.log(np.exp(logits).sum()) - logits[0]) / 3
        norms = np.linalg.norm(users[user]) + np.mean([np.linalg.norm(ids[k]) for k in items])
        total += 0.2 * norms / 2 / 3
    assert float(network.loss_of(BATCH, MASK).detach()) == pytest.approx(total, rel=1e-5)


def test_an_item_without_interactions_is_scored_by_its_content() -> None:
    network = made()
    users, ids = (table.weight.detach().double().numpy() for table in (network.users, network.items))
    expected = ids.copy()
    expected[COLD] = contents(network)[COLD]
    np.testing.assert_allclose(scores(network, [0, 3]), (users @ expected.T)[[0, 3]], rtol=1e-4)


def test_it_is_no_negative_and_its_id_is_not_trained() -> None:
    network = made()
    drawn = [batch for seed in range(30) for batch in network.batches(np.random.default_rng(seed))]
    negatives = torch.cat([batch.items[:, 1:].flatten() for batch in drawn])
    assert set(negatives.tolist()) == set(range(COLD))
    known = network.interactions.matrix.toarray()
    for batch in drawn:
        assert (known[batch.users.numpy(), batch.items[:, 0].numpy()] == 1).all()
        assert not known[batch.users.numpy()[:, None], batch.items[:, 1:].numpy()].any()
    network.loss(drawn[0]).backward()  # type: ignore[no-untyped-call]
    assert network.items.weight.grad is not None and not network.items.weight.grad[COLD].any()


def test_without_negatives_only_norms_cost() -> None:
    network = made(replace(CONFIG, norms=0.0))
    alone = Candidates(BATCH.users, BATCH.items[:, :1])
    assert float(network.loss_of(alone, MASK[:, :1]).detach()) == pytest.approx(0, abs=1e-6)


def cold_store(make_corpus: Callable[..., Corpus], shuffled: bool) -> Corpus:
    """160 users with six items of one look; the last one, a test target, is among items without other interactions."""
    rng = np.random.default_rng(0)
    look_of = np.arange(len(LOOKS) * 16) % len(LOOKS)
    warm = np.arange(len(look_of)) < len(look_of) // 2
    histories = []
    for user in range(160):
        liked = look_of == user % len(LOOKS)
        seen = rng.choice(np.flatnonzero(liked & warm), size=5, replace=False)
        histories.append([*seen.tolist(), int(rng.choice(np.flatnonzero(liked & ~warm)))])
    titles = rng.permutation(look_of) if shuffled else look_of
    return make_corpus(histories, {"title": pa.array([f"{LOOKS[look]} thing" for look in titles])})


def test_content_finds_items_without_interactions(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    settings = {"epochs": 30, "width": 32, "batch_size": 128, "learning_rate": 1e-2}
    corpus = cold_store(make_corpus, shuffled=False)
    found = hit_rate(fitted("clcrec", corpus, tmp_path / "true", negatives=16, **settings), corpus)
    by_ids = hit_rate(fitted("mf", corpus, tmp_path / "mf", **settings), corpus)
    corpus = cold_store(make_corpus, shuffled=True)
    control = hit_rate(fitted("clcrec", corpus, tmp_path / "shuffled", negatives=16, **settings), corpus)
    assert found > max(by_ids, control) + 0.2, (found, by_ids, control)
