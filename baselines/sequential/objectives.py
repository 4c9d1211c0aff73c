"""What networks that tell the next item at every position descend on.

``r`` are the scores of all items at one position, ``i`` is the item that follows it. All are means over positions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from baselines.learning.interactions import Interactions, NegativeSampler
from baselines.learning.objectives import catalogue_loss
from unimp_bench.records import IntArray

_TINY = 1e-24


class Objective(ABC):
    """A loss, and the negatives that it needs."""

    @abstractmethod
    def negatives(self, users: IntArray, rng: np.random.Generator) -> IntArray:
        """Item rows that a batch is told apart from; ``users`` (positions,) are the user rows of its positions."""

    @abstractmethod
    def loss(self, states: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor, negatives: Tensor) -> Tensor:
        """A scalar.

        Args:
            states: (positions, width).
            table, bias: (I, width), and (I,) or None, with ``r = states @ table.T + bias``.
            targets: (positions,) item rows.
            negatives: as drawn for the batch.
        """


class CatalogueEntropy(Objective):
    """``-log softmax(r)_i``: every other item is a negative."""

    def negatives(self, users: IntArray, rng: np.random.Generator) -> IntArray:
        return np.zeros(0, dtype=np.int64)

    def loss(self, states: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor, negatives: Tensor) -> Tensor:
        return catalogue_loss(states, table, targets, bias)


class BinaryEntropy(Objective):
    """``-log sigmoid(r_i) - log(1 - sigmoid(r_j))`` with one item ``j`` that the user does not know, for each position
    (Kang and McAuley, ICDM 2018, Eq. 7)."""

    def __init__(self, interactions: Interactions) -> None:
        self._sampler = NegativeSampler(interactions)

    def negatives(self, users: IntArray, rng: np.random.Generator) -> IntArray:
        return self._sampler.draw(users, rng)

    def loss(self, states: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor, negatives: Tensor) -> Tensor:
        wanted, others = (_scores_of(rows, states, table, bias) for rows in (targets, negatives))
        return (functional.softplus(-wanted) + functional.softplus(others)).mean()


class BprMax(Objective):
    """``-log sum_j s_j sigmoid(r_i - r_j) + penalty sum_j s_j r_j^2`` with ``s`` the softmax of the negatives' scores
    (Hidasi and Karatzoglou, CIKM 2018, Eq. 10 and Section 3.4), all scores after ELU as in the authors' program.

    Every batch has its own negatives, the same for all its positions, drawn in proportion to ``support ** power``
    (Section 3.2). A position's own target may be among them, as in the authors' program.

    Args:
        interactions: the training part, which says how often an item occurs.
        samples: negatives a batch.
        power: 0 draws uniformly, 1 by popularity.
        penalty: weight of the squared scores of negatives.
        slope: of ELU below zero.
    """

    def __init__(self, interactions: Interactions, samples: int, power: float, penalty: float, slope: float) -> None:
        support = np.bincount(interactions.sequence, minlength=len(interactions.items))
        weights = np.where(support > 0, np.maximum(support, 1.0) ** power, 0.0)
        self._reach = np.cumsum(weights) / weights.sum()
        self.samples, self.penalty, self.slope = samples, penalty, slope

    def negatives(self, users: IntArray, rng: np.random.Generator) -> IntArray:
        drawn: IntArray = np.searchsorted(self._reach, rng.random(self.samples), side="right")
        return np.minimum(drawn, len(self._reach) - 1)

    def loss(self, states: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor, negatives: Tensor) -> Tensor:
        wanted = _scores_of(targets, states, table, bias)[:, None]
        others = states @ functional.embedding(negatives, table).T
        if bias is not None:
            others = others + bias[negatives]
        wanted, others = (functional.elu(scores, self.slope) for scores in (wanted, others))
        shares = others.softmax(dim=1)
        above = (shares * torch.sigmoid(wanted - others)).sum(dim=1)
        return (self.penalty * (shares * others.square()).sum(dim=1) - torch.log(above + _TINY)).mean()


def _scores_of(rows: Tensor, states: Tensor, table: Tensor, bias: Tensor | None) -> Tensor:
    """The score of one item at each position, (positions,)."""
    scores = (states * functional.embedding(rows, table)).sum(dim=1)
    return scores if bias is None else scores + bias[rows]
