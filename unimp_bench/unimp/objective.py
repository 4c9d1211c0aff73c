"""The objective of UniMP: task loss and context loss, each token weighted by its difficulty (Eq. 7 and 8)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from unimp_bench.cross_entropy import cross_entropies
from unimp_bench.unimp.batches import Batch
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.model import UniMPModel


def focal_losses(logits: Tensor, labels: Tensor, gamma: float) -> Tensor:
    """``-(1 - p)^gamma log p`` of each labelled token (Eq. 8), (labels,).

    The gradient flows through ``(1 - p)`` too, as in the authors' code.

    Args:
        logits: (labels, vocabulary).
        labels: (labels,) int64.
        gamma: 0 gives plain cross-entropy.
    """
    log_p = -functional.cross_entropy(logits.float(), labels, reduction="none")
    # Where p = 1, the power has no derivative for gamma < 1.
    difficulty = (-log_p.expm1()).clamp(min=torch.finfo(log_p.dtype).eps)
    return -(difficulty**gamma) * log_p


class Losses(NamedTuple):
    """Of a batch: ``whole``, a scalar to minimise, and ``task``, its share without the context loss (no gradient)."""

    whole: Tensor
    task: Tensor


class Objective(nn.Module):
    """Task loss plus weighted context loss (Eq. 7) of a batch, over the number of labelled tokens.

    A token of a shared sentence counts once for every example that reads it. Logits are computed for ``logit_rows``
    labels at a time, and recomputed in the backward pass where there are more, to bound their memory; those of plain
    cross-entropy over one table in the small blocks of ``cross_entropies``. A module of its own, so that what
    distributes a model sees one forward pass from batch to loss.

    Args:
        first_item: the tokens from this one on are items, which ``config.negatives`` are drawn from.
    """

    def __init__(self, model: UniMPModel, config: UniMPConfig, first_item: int = 0) -> None:
        super().__init__()
        self.model = model
        self.negatives, self.first_item = config.negatives, first_item
        self.gamma, self.context_weight, self.rows = config.gamma, config.context_weight, config.logit_rows
        # What FSDP gathers at a time, by class (accelerate looks here where its configuration names none).
        self._no_split_modules = sorted({type(layer).__name__ for layer in model.decoder.layers})

    def forward(self, batch: Batch, labelled: Tensor | None = None) -> Losses:
        """The losses of a batch of examples with their answers.

        Args:
            labelled: the divisor, a scalar: labelled tokens of all batches of a step; None for those of this batch.
        """
        states = self.model(batch)
        weights = torch.where(batch.is_task, batch.weights, self.context_weight * batch.weights)
        labels, naming, is_task = batch.labels, batch.naming, batch.is_task
        losses, task = [], []
        if self.negatives:
            items = labels >= self.first_item
            weighted = weights[items] * self._sampled_losses(states[items], labels[items])
            losses.append(weighted.sum())
            task.append((weighted.detach() * is_task[items]).sum())
            naming = torch.stack([(~items).cumsum(0)[naming[0]] - 1, *naming[1:]])
            states, labels, weights, is_task = states[~items], labels[~items], weights[~items], is_task[~items]
        table = self._table(states, naming) if len(states) else None
        if table is not None:
            total, found = cross_entropies(states, table, labels, weights=weights)
            losses.append(total)
            task.append((weights * found * is_task).sum())
            states = states[:0]
        for begin in range(0, len(states), self.rows):
            end = begin + self.rows
            chunk = states[begin:end], labels[begin:end], _naming_within(naming, begin, end)
            whole = len(states) <= self.rows
            found = self._losses(*chunk) if whole else checkpoint(self._losses, *chunk, use_reentrant=False)
            weighted = weights[begin:end] * found
            losses.append(weighted.sum())
            task.append((weighted.detach() * is_task[begin:end]).sum())
        count = batch.readers.sum() if labelled is None else labelled
        return Losses(torch.stack(losses).sum() / count, torch.stack(task).sum() / count)

    def _table(self, states: Tensor, naming: Tensor) -> Tensor | None:
        """The one table that plain cross-entropy in full precision multiplies states with; None for other losses."""
        if self.gamma or naming.shape[1] or torch.is_autocast_enabled(states.device.type):
            return None
        return self.model.decoder.output_table()

    def _losses(self, states: Tensor, labels: Tensor, naming: Tensor) -> Tensor:
        return focal_losses(self.model.logits(states, naming), labels, self.gamma)

    def _sampled_losses(self, states: Tensor, labels: Tensor) -> Tensor:
        """Of labels that are items against the same drawn items, those equal to a label left out of its loss.

        Each drawn item stands for its share of the catalogue, so that the sum over them has the expectation of that
        over all items (Bengio and Senecal, 2008).
        """
        decoder = self.model.decoder
        drawn = torch.randint(self.first_item, decoder.vocabulary_size, (self.negatives,), device=states.device)
        share = math.log((decoder.vocabulary_size - self.first_item) / self.negatives)
        own = (states * decoder.output_rows(labels)).sum(dim=1, keepdim=True)
        others = states @ decoder.output_rows(drawn).T + share
        others = others.masked_fill(labels[:, None] == drawn, -torch.inf)
        return focal_losses(torch.cat([own, others], dim=1), torch.zeros_like(labels), self.gamma)


def _naming_within(naming: Tensor, begin: int, end: int) -> Tensor:
    """What is named at some of the labels, these numbered from ``begin``."""
    label, position, item = naming[:, (naming[0] >= begin) & (naming[0] < end)]
    return torch.stack([label - begin, position, item])
