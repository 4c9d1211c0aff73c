"""The catalogue softmax against torch's own, which holds all logits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from baselines.learning import objectives
from baselines.learning.objectives import catalogue_loss


def drawn(positions: int, items: int = 37, width: int = 8) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """States, table, bias and targets in double precision, asking for gradients."""
    generator = torch.Generator().manual_seed(positions)
    shapes = ((positions, width), (items, width), (items,))
    states, table, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes
    )
    return states, table, bias, torch.randint(items, (positions,), generator=generator)


@pytest.mark.parametrize("positions", [1, 5, 6, 17])
@pytest.mark.parametrize("biased", [True, False])
def test_equals_cross_entropy_and_its_gradients(monkeypatch: pytest.MonkeyPatch, positions: int, biased: bool) -> None:
    """In one block, several, and with a remainder; scaling the loss also tests the incoming gradient."""
    monkeypatch.setattr(objectives, "ROWS_ON_CPU", 5)
    states, table, bias, targets = drawn(positions)
    sources = [states, table, bias] if biased else [states, table]
    wanted = functional.cross_entropy(states @ table.T + (bias if biased else 0), targets)
    gradients = torch.autograd.grad(3 * wanted, sources)
    loss = catalogue_loss(states, table, targets, bias if biased else None)
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(torch.autograd.grad(3 * loss, sources), gradients)


def test_gradients_reach_a_part_of_a_table() -> None:
    """As in systems with rows for padding and special tokens at the end of the table."""
    states, table, _, targets = drawn(9)
    targets = targets % 30
    (gradient,) = torch.autograd.grad(catalogue_loss(states, table[:30], targets), table)
    (wanted,) = torch.autograd.grad(functional.cross_entropy(states @ table[:30].T, targets), table)
    torch.testing.assert_close(gradient, wanted)
    assert not gradient[30:].any()


def test_large_logits_do_not_overflow() -> None:
    states, table, bias, targets = drawn(4)
    loss = catalogue_loss(1e4 * states, table, targets, bias)
    torch.testing.assert_close(loss, functional.cross_entropy(1e4 * states @ table.T + bias, targets))
    assert torch.isfinite(loss) and loss > 1e3
