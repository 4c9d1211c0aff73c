"""Focal token weights (Eq. 8) against a plain computation."""

from __future__ import annotations

import math

import pytest
import torch

from unimp_bench.unimp.learning.loss import focal_losses


@pytest.mark.parametrize("gamma", [0.0, 0.25, 0.5, 1.0, 2.0])
def test_focal_losses(gamma: float) -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.5], [-3.0, 9.0, 1.0]])
    labels = torch.tensor([0, 2, 0])
    expected = []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        p = math.exp(row[label]) / sum(math.exp(value) for value in row)
        expected.append(-((1 - p) ** gamma) * math.log(p))
    torch.testing.assert_close(focal_losses(logits, labels, gamma), torch.tensor(expected))


def test_the_gradient_flows_through_the_weight() -> None:
    """d/dz of -(1-p)^2 log p at one logit z, with p = sigmoid(z) of two classes, worked out by hand."""
    z = 0.3
    logits = torch.tensor([[z, 0.0]], requires_grad=True)
    focal_losses(logits, torch.tensor([0]), 2.0).sum().backward()
    p = 1 / (1 + math.exp(-z))
    by_hand = (2 * (1 - p) * math.log(p) - (1 - p) ** 2 / p) * p * (1 - p)
    assert logits.grad is not None
    assert logits.grad[0, 0].item() == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 1e-3, 0.5, 0.999, 1.0, 2.0])
def test_a_sure_token_has_no_loss_and_no_gradient(gamma: float) -> None:
    """Below 1 the power has an infinite derivative where its base is 0; the loss has none."""
    logits = torch.tensor([[200.0, 0.0], [1.0, 1.0]], requires_grad=True)
    losses = focal_losses(logits, torch.tensor([0, 0]), gamma)
    losses.sum().backward()
    assert losses[0].item() == 0.0
    assert logits.grad is not None and logits.grad[0].tolist() == [0.0, 0.0]
    assert torch.isfinite(logits.grad).all() and logits.grad[1, 0] < 0
