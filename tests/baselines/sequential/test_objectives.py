"""What next-item networks descend on, against loops over positions and items."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.sequential.objectives import BinaryEntropy, BprMax, CatalogueEntropy, Objective
from tests.baselines.sequential.small import ITEMS, SEQUENCES, array, interactions, sigmoid, softplus
from unimp_bench.records import FloatArray

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
def test_binary_entropy_with_one_negative_a_position(biased: bool) -> None:
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


@pytest.mark.parametrize(
    ("objective", "value"),
    [
        (CatalogueEntropy(), math.log(ITEMS)),
        (BinaryEntropy(interactions()), 2 * math.log(2)),
        (BprMax(interactions(), 3, 0.5, PENALTY, SLOPE), math.log(2)),
    ],
)
def test_values_at_scores_of_zero(objective: Objective, value: float) -> None:
    loss = objective.loss(torch.zeros(3, 4), torch.zeros(ITEMS, 4), None, TARGETS, NEGATIVES)
    assert loss.item() == pytest.approx(value)


def test_negatives_of_binary_entropy_are_unknown_to_the_user() -> None:
    users = np.repeat(np.arange(len(SEQUENCES)), 50)
    drawn = BinaryEntropy(interactions()).negatives(users, np.random.default_rng(0))
    assert all(item not in SEQUENCES[user] for user, item in zip(users, drawn, strict=True))
    assert set(drawn[users == 1]) == set(range(ITEMS)) - set(SEQUENCES[1])


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_negatives_of_bpr_max_follow_popularity(power: float) -> None:
    """An item that nobody has is never one."""
    part = interactions(((0, 0, 0, 0), (1, 1), (2, 0, 0, 0, 0, 0)), items=4)
    drawn = BprMax(part, 20_000, power, PENALTY, SLOPE).negatives(np.zeros(5, np.int64), np.random.default_rng(0))
    wanted = np.array([9.0, 2.0, 1.0, 0.0]) ** power * [1, 1, 1, 0]
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / len(drawn), wanted / wanted.sum(), atol=0.015)
