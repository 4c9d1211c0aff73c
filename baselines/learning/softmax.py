"""Cross-entropy over a whole catalogue without ever holding all its logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

ROWS = 256
"""Positions whose logits are held at once: at 12,000 items they take 12 MB, which stays near the cores."""


def catalogue_loss(states: Tensor, table: Tensor, targets: Tensor, bias: Tensor | None = None) -> Tensor:
    """Mean over positions of ``-log softmax(states @ table.T + bias)[target]``, a scalar.

    Logits are computed a block of positions at a time, and their gradients in the same pass.

    Args:
        states: (positions, width).
        table: (items, width).
        targets: (positions,) int64 rows of ``table``.
        bias: (items,) or None.
    """
    if bias is None:
        bias = states.new_zeros(len(table))
    return _CatalogueLoss.apply(states, table, bias, targets)  # type: ignore[no-any-return, no-untyped-call]


class _CatalogueLoss(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, states: Tensor, table: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        states_gradient = torch.empty_like(states)
        table_gradient, bias_gradient = torch.zeros_like(table), torch.zeros_like(bias)
        total = states.new_zeros(())
        for begin in range(0, len(states), ROWS):
            block, wanted = states[begin : begin + ROWS], targets[begin : begin + ROWS, None]
            logits = torch.addmm(bias, block, table.T)
            logits -= logits.amax(dim=1, keepdim=True)
            total -= logits.gather(1, wanted).sum()
            shares = logits.exp_()
            sums = shares.sum(dim=1, keepdim=True)
            total += sums.log().sum()
            shares /= sums
            shares.scatter_add_(1, wanted, torch.full_like(sums, -1.0))
            torch.mm(shares, table, out=states_gradient[begin : begin + ROWS])
            table_gradient.addmm_(shares.T, block)
            bias_gradient += shares.sum(dim=0)
        context.save_for_backward(states_gradient, table_gradient, bias_gradient)
        return total / len(states)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        states, table, bias = context.saved_tensors
        scale = gradients[0] / len(states)
        return states * scale, table * scale, bias * scale, None
