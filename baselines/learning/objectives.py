"""Objectives shared by several families: pairs of items, and the softmax over the whole catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from baselines.learning.interactions import Interactions, NegativeSampler
from baselines.learning.network import Network, shuffled
from unimp_bench.records import Examples

ROWS_ON_CPU = 64
"""Positions with logits in memory at once: 3 MB at 12,000 items, which fits into a core's cache."""

ROWS_ON_GPU = 2048
"""The same where one large product is faster than many small ones: 1 GB at 124,000 items."""


class Triples(NamedTuple):
    """Rows of users, of an item each user interacted with, and of an item without interaction, (B,) each."""

    users: Tensor
    positives: Tensor
    negatives: Tensor


class PairwiseNetwork(Network):
    """Matrix factorisation and graph models: scores are dot products of user and item vectors.

    Trained on (user, positive, negative). Every training interaction is a positive once per epoch, which gives active
    users more weight; the authors of most of these models sample users uniformly instead.

    Attributes:
        users, items: the embedding tables, (U, width) and (I, width).
    """

    def __init__(self, interactions: Interactions, width: int, batch_size: int, init_std: float) -> None:
        super().__init__()
        self.interactions, self.batch_size = interactions, batch_size
        self.users = nn.Embedding(len(interactions.users), width)
        self.items = nn.Embedding(len(interactions.items), width)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=init_std)
        self._sampler: NegativeSampler | None = None
        self._vectors: tuple[Tensor, Tensor] | None = None

    def batches(self, rng: np.random.Generator) -> Iterator[Triples]:
        self._sampler = self._sampler or NegativeSampler(self.interactions)
        owners, positives = self.interactions.owners, self.interactions.sequences.values
        negatives = self._sampler.draw(owners, rng)
        for rows in shuffled(len(owners), self.batch_size, rng):
            yield Triples(*(self.tensor(column[rows]) for column in (owners, positives, negatives)))

    def vectors(self) -> tuple[Tensor, Tensor]:
        """The final vectors of all users, (U, width), and of all items, (I, width)."""
        return self.users.weight, self.items.weight

    def prepare(self) -> None:
        self._vectors = self.vectors()

    def score(self, examples: Examples) -> Tensor:
        assert self._vectors is not None
        users, items = self._vectors
        return users[self.tensor(self.interactions.user_rows(examples.users))] @ items.T


def bpr_loss(positives: Tensor, negatives: Tensor) -> Tensor:
    """Mean of ``-log sigmoid(positive - negative)`` (Rendle et al., 2009), a scalar; both (B,)."""
    return nn.functional.softplus(negatives - positives).mean()


def penalty(*rows: Tensor) -> Tensor:
    """Half the sum of the squared norms of a batch's rows over its size B, a scalar; ``rows[0]`` is (B, width)."""
    return torch.stack([row.square().sum() for row in rows]).sum() / (2 * len(rows[0]))


def catalogue_loss(states: Tensor, table: Tensor, targets: Tensor, bias: Tensor | None = None) -> Tensor:
    """Mean over positions of ``-log softmax(states @ table.T + bias)[target]``, a scalar.

    Logits are computed in blocks of positions, their gradients in the same pass.

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
    """The gradient with respect to the logits is softmax minus 1 at the target. The two terms are added separately,
    and the softmax is normalised through the small factors of the products, to read each block few times."""

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
