"""Cross-entropy of a softmax over a wide catalogue, without holding all logits.

Logits are computed in blocks of positions, and their gradients in the same pass: the gradient with respect to the
logits is softmax minus 1 at the target.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

ROWS_ON_CPU = 64
"""Positions with logits in memory at once: 3 MB at 12,000 items, which fits into a core's cache."""

ROWS_ON_GPU = 2048
"""The same where one large product is faster than many small ones: 1 GB at 124,000 items."""


def cross_entropies(
    states: Tensor, table: Tensor, targets: Tensor, bias: Tensor | None = None, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Weighted sum of ``-log softmax(states @ table.T + bias)[target]``, a scalar, and its terms, (positions,).

    The terms are without weights and have no gradient.

    Args:
        states: (positions, width).
        table: (items, width).
        targets: (positions,) int64 rows of ``table``.
        bias: (items,) or None.
        weights: (positions,), at least 0; None for ones.
    """
    if bias is None:
        bias = states.new_zeros(len(table))
    found: tuple[Tensor, Tensor] = _CrossEntropies.apply(states, table, bias, targets, weights)  # type: ignore[no-untyped-call]
    return found


class _CrossEntropies(torch.autograd.Function):
    """The two terms of the gradient are added separately, and the softmax is normalised through the small factors of
    the products, to read each block few times."""

    @staticmethod
    def forward(
        context: Any, states: Tensor, table: Tensor, bias: Tensor, targets: Tensor, weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        column = None if weights is None else weights[:, None]
        wanted, weighted = table[targets], states
        if column is not None:
            wanted, weighted = wanted * column, states * column
        states_gradient = -wanted
        table_gradient = torch.zeros_like(table).index_add_(0, targets, weighted, alpha=-1)
        bias_gradient = -torch.bincount(targets, weights, minlength=len(table)).to(bias.dtype)
        losses = states.new_empty(len(states))
        rows = ROWS_ON_CPU if states.device.type == "cpu" else ROWS_ON_GPU
        block = states.new_empty(min(rows, len(states)), len(table))
        for begin in range(0, len(states), rows):
            some = slice(begin, begin + rows)
            logits = torch.addmm(bias, states[some], table.T, out=block[: len(states) - begin])
            own = logits.gather(1, targets[some, None])
            highest = logits.amax(dim=1, keepdim=True)
            shares = logits.sub_(highest).exp_()
            sums = shares.sum(dim=1, keepdim=True)
            losses[some] = (highest + sums.log() - own)[:, 0]
            divisor = sums if column is None else sums / column[some]
            states_gradient[some] += (shares @ table).div_(divisor)
            table_gradient.addmm_(shares.T, states[some] / divisor)
            if context.needs_input_grad[2]:
                bias_gradient.addmv_(shares.T, 1 / divisor[:, 0])
        context.save_for_backward(states_gradient, table_gradient, bias_gradient)
        context.mark_non_differentiable(losses)
        return (losses if weights is None else losses * weights).sum(), losses

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        states, table, bias = context.saved_tensors
        scale = gradients[0]
        return states * scale, table * scale, bias * scale, None, None
