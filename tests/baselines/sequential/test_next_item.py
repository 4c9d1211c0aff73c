"""Sequential recommenders: next-item networks, their objectives, and that every system learns."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.sequential.esasrec import ESASRecConfig, ESASRecNetwork
from baselines.sequential.gru4rec import GRU4RecConfig, GRU4RecNetwork
from baselines.sequential.hstu import HSTUConfig, HSTUNetwork
from baselines.sequential.next_item import NextItemNetwork
from baselines.sequential.objectives import (
    BinaryEntropy,
    BprMax,
    CatalogueEntropy,
    Objective,
    SampledSettings,
    SampledSoftmax,
)
from baselines.sequential.sasrec import CatalogueSASRec, OriginalSASRec, SASRecConfig
from tests.baselines.sequential.small import (
    ITEMS,
    SEQUENCES,
    array,
    examples_after,
    fit_data,
    hits,
    interactions,
    large,
    sigmoid,
    softplus,
)
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.records import FloatArray

LENGTH = 4


def ce() -> NextItemNetwork:
    config = SASRecConfig(width=4, inner=6, max_length=LENGTH, batch_size=2)
    return large(CatalogueSASRec(interactions(), config))


def original() -> NextItemNetwork:
    config = SASRecConfig(form="original", width=4, inner=4, heads=1, max_length=LENGTH, batch_size=2)
    return large(OriginalSASRec(interactions(), config))


def gru() -> NextItemNetwork:
    return large(GRU4RecNetwork(interactions(), GRU4RecConfig(width=4, max_length=LENGTH, batch_size=2)))


def sampled() -> NextItemNetwork:
    config = SASRecConfig(form="sampled", samples=5, width=4, inner=6, max_length=LENGTH, batch_size=2)
    return large(CatalogueSASRec(interactions(), config))


def esasrec() -> NextItemNetwork:
    return large(ESASRecNetwork(interactions(), ESASRecConfig(width=4, inner=6, max_length=LENGTH, batch_size=2)))


def hstu() -> NextItemNetwork:
    return large(HSTUNetwork(interactions(), HSTUConfig(width=4, max_length=LENGTH, batch_size=2)))


every = pytest.mark.parametrize("make", [ce, original, gru, sampled, esasrec, hstu])


@every
def test_an_epoch_has_every_transition_once(make: Callable[[], NextItemNetwork]) -> None:
    network = make()
    steps: Counter[tuple[int, int]] = Counter()
    for batch in network.batches(np.random.default_rng(0)):
        real = batch.items != ITEMS
        assert (real.int().diff(dim=1) <= 0).all(), "padding stands behind"
        steps.update(zip(batch.items[real].tolist(), batch.targets.tolist(), strict=True))
    assert steps == Counter(pair for sequence in SEQUENCES for pair in itertools.pairwise(sequence))


@every
def test_changing_an_item_does_not_change_earlier_states(make: Callable[[], NextItemNetwork]) -> None:
    before, after = make().encode(torch.tensor([[1, 2, 3, 4], [1, 2, 5, 4]]))
    torch.testing.assert_close(before[:2], after[:2])
    assert (before[2:] - after[2:]).abs().amax(dim=1).min() > 1e-3


@every
def test_the_embedding_of_padding_reaches_no_real_position(make: Callable[[], NextItemNetwork]) -> None:
    network, items = make(), torch.tensor([[1, 2, ITEMS, ITEMS]])
    before = network.encode(items)
    with torch.no_grad():
        network.items.weight[ITEMS] += torch.tensor([5.0, -2.0, 0.0, 1.0])
    after = network.encode(items)
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2:], after[:, 2:])


@every
def test_padding_is_not_trained_and_not_ranked(make: Callable[[], NextItemNetwork]) -> None:
    network = make()
    network.loss(next(iter(network.batches(np.random.default_rng(0))))).backward()
    gradient = network.items.weight.grad
    assert gradient is not None and not gradient[ITEMS].any() and gradient[:ITEMS].any()
    assert network.score(examples_after((1, 2))).shape == (1, ITEMS)


@every
def test_a_score_is_the_product_of_the_last_state_and_an_embedding(make: Callable[[], NextItemNetwork]) -> None:
    """Independent of the batch; only the last items of a long history are read."""
    network = make()
    scores = network.score(examples_after((1, 2), (8, 7, 3, 2, 1, 0), (5,)))
    for row, history in enumerate(((1, 2), (3, 2, 1, 0), (5,))):
        state = array(network.encode(torch.tensor([history])))[0, -1]
        for item in range(ITEMS):
            bias = 0 if network.bias is None else network.bias[item].item()
            assert scores[row, item].item() == pytest.approx(state @ array(network.table())[item] + bias)


@every
def test_a_step_of_training_lowers_the_loss_of_its_batch(make: Callable[[], NextItemNetwork]) -> None:
    network = make()
    batch = next(iter(network.batches(np.random.default_rng(0))))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    first = network.step(batch, (optimizer,))
    assert network.loss(batch) < first


SLOPE, PENALTY = 0.5, 0.7
TARGETS, NEGATIVES = torch.tensor([3, 0, 4]), torch.tensor([1, 5, 8])


def drawn(biased: bool) -> tuple[Tensor, Tensor, Tensor | None, FloatArray]:
    """States, table and bias, and the scores of all items at each of three positions."""
    generator = torch.Generator().manual_seed(0)
    states, table, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((3, 4), (ITEMS, 4), (ITEMS,))
    )
    scores = np.array([[state @ vector for vector in array(table)] for state in array(states)])
    return states, table, bias if biased else None, scores + (array(bias) if biased else 0)


@pytest.mark.parametrize("biased", [True, False])
def test_cross_entropy_over_the_catalogue(biased: bool) -> None:
    states, table, bias, scores = drawn(biased)
    terms = [math.log(np.exp(row).sum()) - row[target] for row, target in zip(scores, TARGETS, strict=True)]
    loss = CatalogueEntropy().loss(states, table, bias, TARGETS, torch.empty(0))
    assert loss.item() == pytest.approx(np.mean(terms))


@pytest.mark.parametrize("biased", [True, False])
def test_binary_entropy_with_one_negative_per_position(biased: bool) -> None:
    states, table, bias, scores = drawn(biased)
    terms = [
        softplus(-row[target]) + softplus(row[negative])
        for row, target, negative in zip(scores, TARGETS, NEGATIVES, strict=True)
    ]
    loss = BinaryEntropy(interactions()).loss(states, table, bias, TARGETS, NEGATIVES)
    assert loss.item() == pytest.approx(np.mean(terms))


@pytest.mark.parametrize("biased", [True, False])
def test_bpr_max_against_shared_negatives(biased: bool) -> None:
    states, table, bias, scores = drawn(biased)
    elu = np.where(scores > 0, scores, SLOPE * (np.exp(scores) - 1))
    terms = []
    for row, target in zip(elu, TARGETS, strict=True):
        others = row[NEGATIVES]
        shares = np.exp(others) / np.exp(others).sum()
        above = sum(share * sigmoid(row[target] - other) for share, other in zip(shares, others, strict=True))
        terms.append(-math.log(above) + PENALTY * sum(shares * others**2))
    loss = BprMax(interactions(), 3, 0.5, PENALTY, SLOPE).loss(states, table, bias, TARGETS, NEGATIVES)
    assert loss.item() == pytest.approx(np.mean(terms))


@pytest.mark.parametrize("log_q", [True, False])
@pytest.mark.parametrize("biased", [True, False])
def test_sampled_softmax_against_shared_negatives(biased: bool, log_q: bool) -> None:
    """A negative that is the target is left out: the second position has two negatives, and the loss of two."""
    states, table, bias, scores = drawn(biased)
    negatives = torch.tensor([1, 0, 5, 1])
    objective = SampledSoftmax(interactions(), SampledSettings(samples=4, sample_power=0.5, log_q=log_q))
    shift = np.log(4 * objective.shares) if log_q else np.zeros(ITEMS)
    terms = []
    for row, target in zip(scores, TARGETS.tolist(), strict=True):
        others = [np.exp(row[item] - shift[item]) for item in negatives.tolist() if item != target]
        terms.append(-math.log(np.exp(row[target]) / (np.exp(row[target]) + sum(others))))
    loss = objective.loss(states, table, bias, TARGETS, negatives)
    assert loss.item() == pytest.approx(np.mean(terms))


def test_sampled_softmax_estimates_the_sum_over_the_catalogue() -> None:
    """With the correction, by uniform and by popular negatives alike; the target is never among its own negatives."""
    states, table, _, scores = drawn(biased=False)
    for power in (0.0, 1.0):
        objective = SampledSoftmax(interactions(), SampledSettings(samples=200_000, sample_power=power))
        negatives = torch.from_numpy(objective.draw(np.random.default_rng(0)))
        terms = [math.log(np.exp(row).sum()) - row[target] for row, target in zip(scores, TARGETS, strict=True)]
        loss = objective.loss(states, table, None, TARGETS, negatives)
        assert loss.item() == pytest.approx(np.mean(terms), abs=0.01)


def test_positions_whose_negatives_are_all_the_target_have_a_finite_gradient() -> None:
    states, table, _, _ = drawn(biased=False)
    negatives = torch.full((4,), 3)
    vectors = table.clone().requires_grad_()
    objective = SampledSoftmax(interactions(), SampledSettings(samples=4))
    objective.loss(states, vectors, None, TARGETS, negatives).backward()
    assert vectors.grad is not None and vectors.grad.isfinite().all()


@pytest.mark.parametrize(
    ("objective", "value"),
    [
        (CatalogueEntropy(), math.log(ITEMS)),
        (BinaryEntropy(interactions()), 2 * math.log(2)),
        (BprMax(interactions(), 3, 0.5, PENALTY, SLOPE), math.log(2)),
        (SampledSoftmax(interactions(), SampledSettings(samples=3, log_q=False)), math.log(4)),
    ],
)
def test_values_at_scores_of_zero(objective: Objective, value: float) -> None:
    loss = objective.loss(torch.zeros(3, 4), torch.zeros(ITEMS, 4), None, TARGETS, NEGATIVES)
    assert loss.item() == pytest.approx(value)


def test_negatives_of_binary_entropy_are_not_items_of_the_user() -> None:
    users = np.repeat(np.arange(len(SEQUENCES)), 50)
    drawn = BinaryEntropy(interactions()).negatives(users, np.random.default_rng(0))
    assert all(item not in SEQUENCES[user] for user, item in zip(users, drawn, strict=True))
    assert set(drawn[users == 1]) == set(range(ITEMS)) - set(SEQUENCES[1])


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_negatives_of_bpr_max_follow_popularity(power: float) -> None:
    """An item without interactions is never drawn."""
    part = interactions(((0, 0, 0, 0), (1, 1), (2, 0, 0, 0, 0, 0)), items=4)
    drawn = BprMax(part, 20_000, power, PENALTY, SLOPE).negatives(np.zeros(5, np.int64), np.random.default_rng(0))
    wanted = np.array([9.0, 2.0, 1.0, 0.0]) ** power * [1, 1, 1, 0]
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / len(drawn), wanted / wanted.sum(), atol=0.015)


MARGIN = 0.4
"""The next item on the ring is the target in 85% of cases; the five most popular items in less than 25%."""

TWO_STAGES: dict[str, Any] = {
    **{"dropout": 0.1, "attention_dropout": 0.1, "width": 32, "inner": 64, "learning_rate": 5e-3, "batch_size": 64},
    **{"pretraining_rate": 5e-3, "pretraining_batch_size": 64},
}

SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "sasrec ce": ("sasrec", {"epochs": 20, "dropout": 0.1, "width": 32, "inner": 64, "learning_rate": 5e-3}),
    "sasrec original": (
        "sasrec",
        {"form": "original", "epochs": 40, "dropout": 0.1, "width": 32, "heads": 1, "inner": 32, "learning_rate": 1e-2},
    ),
    "sasrec sampled": (
        "sasrec",
        {"form": "sampled", "samples": 32, "epochs": 30, "dropout": 0, "width": 32, "inner": 64, "learning_rate": 5e-3},
    ),
    "esasrec": ("esasrec", {"epochs": 40, "width": 32, "inner": 64, "samples": 32, "learning_rate": 5e-3}),
    "hstu": ("hstu", {"epochs": 60, "width": 32, "samples": 32, "learning_rate": 1e-2}),
    "gru4rec ce": ("gru4rec", {"epochs": 20, "width": 32, "learning_rate": 1e-2}),
    "gru4rec bpr-max": (
        "gru4rec",
        {"loss": "bpr-max", "epochs": 40, "width": 32, "samples": 64, "learning_rate": 1e-2},
    ),
    "bert4rec": (
        "bert4rec",
        {
            **{"epochs": 160, "dropout": 0.1, "attention_dropout": 0.1, "width": 32, "inner": 64},
            **{"mask_share": 0.2, "last_share": 0.5, "batch_size": 32, "learning_rate": 5e-3},
        },
    ),
    "s3rec": ("s3rec", TWO_STAGES | {"epochs": 60, "pretraining_epochs": 10}),
    "unisrec": ("unisrec", TWO_STAGES | {"epochs": 40, "pretraining_epochs": 100}),
    "unisrec sampled": (
        "unisrec",
        TWO_STAGES | {"epochs": 40, "pretraining_epochs": 100, "form": "sampled", "samples": 32},
    ),
    "unisrec-inductive": ("unisrec-inductive", TWO_STAGES | {"epochs": 40, "pretraining_epochs": 100}),
    "recformer": (
        "recformer",
        {
            **{"epochs": 3, "fixed_epochs": 3, "pretraining_epochs": 60, "width": 32, "inner": 64, "dropout": 0},
            **{"attention_dropout": 0, "max_length": 2, "pretraining_rate": 3e-3},
        },
    ),
    "hgn": (
        "hgn",
        {"epochs": 40, "length": 3, "targets": 1, "width": 32, "batch_size": 128, "learning_rate": 1e-2},
    ),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_beats_popularity(planted: Corpus, tmp_path: Path, case: str) -> None:
    name, settings = SETTINGS[case]
    model = registry.make_model(name, settings=settings | {"validate_every": settings["epochs"]})
    model.fit(fit_data(planted, tmp_path))
    popularity = registry.make_model("popularity")
    popularity.fit(fit_data(planted, tmp_path))
    assert hits(model, planted) > hits(popularity, planted) + MARGIN
