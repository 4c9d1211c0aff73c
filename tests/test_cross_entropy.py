"""Cross-entropy in blocks against torch's own, which holds all logits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from baselines.learning.objectives import catalogue_loss
from unimp_bench import cross_entropy
from unimp_bench.cross_entropy import cross_entropies


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
@pytest.mark.parametrize("weighted", [True, False])
def test_equals_cross_entropy_and_its_gradients(
    monkeypatch: pytest.MonkeyPatch, positions: int, biased: bool, weighted: bool
) -> None:
    """In one block, several, and with a remainder; a weight of 0; scaling the sum also tests the incoming gradient."""
    monkeypatch.setattr(cross_entropy, "ROWS_ON_CPU", 5)
    states, table, bias, targets = drawn(positions)
    weights = torch.arange(positions).double() if weighted else None
    sources = [states, table, bias] if biased else [states, table]
    terms = functional.cross_entropy(states @ table.T + (bias if biased else 0), targets, reduction="none")
    wanted = (terms if weights is None else weights * terms).sum()
    gradients = torch.autograd.grad(3 * wanted, sources)
    total, found = cross_entropies(states, table, targets, bias if biased else None, weights)
    torch.testing.assert_close(total, wanted)
    torch.testing.assert_close(found, terms.detach())
    assert not found.requires_grad
    torch.testing.assert_close(torch.autograd.grad(3 * total, sources), gradients)


def test_the_loss_of_a_catalogue_is_the_mean() -> None:
    states, table, bias, targets = drawn(7)
    wanted = functional.cross_entropy(states @ table.T + bias, targets)
    torch.testing.assert_close(catalogue_loss(states, table, targets, bias), wanted)


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
