"""Cross-entropy over a whole catalogue without ever holding all its logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

ROWS_ON_CPU = 64
"""Positions whose logits are held at once: at 12,000 items they take 3 MB, which stay in a core's cache."""

ROWS_ON_GPU = 2048
"""The same where one large product is quicker than many: at 124,000 items they take 1 GB."""


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
    """The gradient of a position's loss in its logits is softmax less 1 at the target: the two parts are added apart,
    and softmax is divided by its sums in the small factors of the products, so that the block is passed seldom."""

    @staticmethod
    def forward(context: Any, states: Tensor, table: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        states_gradient = -table[targets]
        table_gradient = torch.zeros_like(table).index_add_(0, targets, states, alpha=-1)
        bias_gradient = -torch.bincount(targets, minlength=len(table)).to(bias.dtype)
        total = states.new_zeros(())
        rows = ROWS_ON_CPU if states.device.type == "cpu" else ROWS_ON_GPU
        block = states.new_empty(min(rows, len(states)), len(table))
        for begin in range(0, len(states), rows):
            some = slice(begin, begin + rows)
            logits = torch.addmm(bias, states[some], table.T, out=block[: len(states) - begin])
            total -= logits.gather(1, targets[some, None]).sum()
            highest = logits.amax(dim=1, keepdim=True)
            shares = logits.sub_(highest).exp_()
            sums = shares.sum(dim=1, keepdim=True)
            total += (highest + sums.log()).sum()
            states_gradient[some] += (shares @ table).div_(sums)
            table_gradient.addmm_(shares.T, states[some] / sums)
            if context.needs_input_grad[2]:
                bias_gradient.addmv_(shares.T, 1 / sums[:, 0])
        context.save_for_backward(states_gradient, table_gradient, bias_gradient)
        return total / len(states)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        states, table, bias = context.saved_tensors
        scale = gradients[0] / len(states)
        return states * scale, table * scale, bias * scale, None
