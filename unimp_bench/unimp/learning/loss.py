"""The training objective: token predictions of task and context, hard tokens first (UniMP, Eq. 7 and 8)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from unimp_bench.unimp.sentence.batches import Batch


def focal_losses(logits: Tensor, labels: Tensor, gamma: float) -> Tensor:
    """``-(1 - p)^gamma log p`` of each labelled token, (labels,).

    The gradient flows through ``(1 - p)`` too, as in the authors' code.

    Args:
        logits: (labels, vocabulary).
        labels: (labels,) int64.
        gamma: 0 gives plain cross-entropy.
    """
    log_p = -functional.cross_entropy(logits.float(), labels, reduction="none")
    return -((1 - log_p.exp()) ** gamma) * log_p


def objective(logits: Tensor, batch: Batch, gamma: float, context_weight: float) -> Tensor:
    """Task loss and context loss of a batch over the number of its labelled tokens, a scalar.

    A token of a shared sentence counts once for every example that reads it.
    """
    weights = torch.where(batch.is_task, batch.weights, context_weight * batch.weights)
    return (weights * focal_losses(logits, batch.labels, gamma)).sum() / batch.readers.sum()
