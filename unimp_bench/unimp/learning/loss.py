"""The training objective: token predictions of task and context, hard tokens first (UniMP, Eq. 7 and 8)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.network.model import UniMPModel
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
    # A sure token's 1 - p is 0, and below gamma = 1 the power has no derivative there.
    unsure = (-log_p.expm1()).clamp(min=torch.finfo(log_p.dtype).eps)
    return -(unsure**gamma) * log_p


class Losses(NamedTuple):
    """Of a batch: ``whole``, a scalar to descend on, and ``task``, its share without the context loss (no gradient)."""

    whole: Tensor
    task: Tensor


class Objective(nn.Module):
    """Task loss and context loss of a batch over the number of labelled tokens.

    A token of a shared sentence counts once for every example that reads it. Logits are computed for ``logit_rows``
    labels at a time, and again on the way back where there are more, so that a step holds no more of them at once.
    A module of its own, so that what distributes a model sees one forward pass from batch to loss.
    """

    def __init__(self, model: UniMPModel, config: UniMPConfig) -> None:
        super().__init__()
        self.model = model
        self.gamma, self.context_weight, self.rows = config.gamma, config.context_weight, config.logit_rows
        # What FSDP gathers at a time, by class (accelerate looks here where its configuration names none).
        self._no_split_modules = sorted({type(layer).__name__ for layer in model.decoder.layers})

    def forward(self, batch: Batch, labelled: Tensor | None = None) -> Losses:
        """The losses of a batch.

        Args:
            batch: of examples with their answers.
            labelled: what to divide by, a scalar: the labelled tokens of all batches of a step; None for those of this
                batch.
        """
        states = self.model(batch)
        weights = torch.where(batch.is_task, batch.weights, self.context_weight * batch.weights)
        losses, task = [], []
        for begin in range(0, len(states), self.rows):
            end = begin + self.rows
            chunk = states[begin:end], batch.labels[begin:end], _within(batch.naming, begin, end)
            whole = len(states) <= self.rows
            found = self._losses(*chunk) if whole else checkpoint(self._losses, *chunk, use_reentrant=False)
            weighted = weights[begin:end] * found
            losses.append(weighted.sum())
            task.append((weighted.detach() * batch.is_task[begin:end]).sum())
        count = batch.readers.sum() if labelled is None else labelled
        return Losses(torch.stack(losses).sum() / count, torch.stack(task).sum() / count)

    def _losses(self, states: Tensor, labels: Tensor, naming: Tensor) -> Tensor:
        return focal_losses(self.model.logits(states, naming), labels, self.gamma)


def _within(naming: Tensor, begin: int, end: int) -> Tensor:
    """What is named at some of the labels, these counted from ``begin``."""
    inside = (naming[0] >= begin) & (naming[0] < end)
    label, place, item = naming[:, inside]
    return torch.stack([label - begin, place, item])
