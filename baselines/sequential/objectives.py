"""Objectives of next-item networks: over the whole catalogue, or against sampled items.

At a position with the state ``s`` the score of item j is ``r_j = s . e_j + b_j``; ``i`` is the next item.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from baselines.learning.interactions import Interactions, NegativeSampler
from baselines.learning.objectives import catalogue_loss
from unimp_bench.records import IntArray
from unimp_bench.settings import Count, Weight, added

_TINY = 1e-24
_LEFT_OUT = -5e4
"""Score of a negative that is the target; finite, so that a position whose negatives all are has a gradient."""

Loss = Literal["ce", "sampled"]


@dataclass(frozen=True)
class SampledSettings:
    """Sampling of the negatives of ``sampled``.

    Attributes:
        samples: negatives of a batch, which all of its positions share.
        sample_power: exponent of popularity in the sampling probability of a negative; 0 draws uniformly.
        log_q: whether ``sampled`` estimates the softmax over the catalogue, by the logarithm of the expected count.
    """

    samples: Count = added(256)
    sample_power: Weight = added(0.0)
    log_q: bool = added(True)


class Objective(ABC):
    """A loss averaged over positions, and its negatives."""

    @abstractmethod
    def negatives(self, users: IntArray, rng: np.random.Generator) -> IntArray:
        """Negative item rows of a batch; ``users`` (positions,) are the user rows of the positions."""

    @abstractmethod
    def loss(self, states: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor, negatives: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            states: (positions, width).
            table, bias: (I, width), and (I,) or None, with ``r = states @ table.T + bias``.
            targets: (positions,) item rows.
            negatives: as returned by ``negatives``.
        """


class CatalogueEntropy(Objective):
    """``-log softmax(r)_i``: all other items are negatives."""

    def negatives(self, users: IntArray, rng: np.random.Generator) -> IntArray:
        return np.zeros(0, dtype=np.int64)

    def loss(self, states: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor, negatives: Tensor) -> Tensor:
        return catalogue_loss(states, table, targets, bias)


class BinaryEntropy(Objective):
    """``-log sigmoid(r_i) - log(1 - sigmoid(r_j))`` with one item ``j`` per position that the user did not interact
    with (Kang and McAuley, ICDM 2018, Eq. 7)."""

    def __init__(self, interactions: Interactions) -> None:
        self._sampler = NegativeSampler(interactions)

    def negatives(self, users: IntArray, rng: np.random.Generator) -> IntArray:
        return self._sampler.draw(users, rng)

    def loss(self, states: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor, negatives: Tensor) -> Tensor:
        wanted, others = (_scores_of(rows, states, table, bias) for rows in (targets, negatives))
        return (functional.softplus(-wanted) + functional.softplus(others)).mean()


class SharedNegatives(Objective):
    """Base of objectives against items that all positions of a batch share: one product of states and their vectors.

    Negatives are drawn with replacement, in proportion to ``support ** power`` among items with a training interaction.

    Args:
        interactions: the training part, for item frequencies.
        samples: negatives per batch.
        power: 0 draws uniformly, 1 by popularity.

    Attributes:
        shares: (I,) the sampling probability of each item.
    """

    def __init__(self, interactions: Interactions, samples: int, power: float) -> None:
        support = np.bincount(interactions.sequences.values, minlength=len(interactions.items))
        weights = np.where(support > 0, np.maximum(support, 1.0) ** power, 0.0)
        self.samples, self.shares = samples, weights / weights.sum()
        self._cumulative = np.cumsum(weights) / weights.sum()

    def negatives(self, users: IntArray, rng: np.random.Generator) -> IntArray:
        return self.draw(rng)

    def draw(self, rng: np.random.Generator) -> IntArray:
        """The negatives of a batch, (samples,) item rows."""
        drawn: IntArray = np.searchsorted(self._cumulative, rng.random(self.samples), side="right")
        return np.minimum(drawn, len(self._cumulative) - 1)

    def loss(self, states: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor, negatives: Tensor) -> Tensor:
        wanted = _scores_of(targets, states, table, bias)
        others = states @ functional.embedding(negatives, table).T
        if bias is not None:
            others = others + bias[negatives]
        return self.compare(wanted, others, targets, negatives)

    @abstractmethod
    def compare(self, wanted: Tensor, others: Tensor, targets: Tensor, negatives: Tensor) -> Tensor:
        """The loss of given scores, a scalar.

        Args:
            wanted: (positions,) scores of the next items.
            others: (positions, samples) scores of the negatives.
            targets, negatives: (positions,) and (samples,) their item rows.
        """


class BprMax(SharedNegatives):
    """``-log sum_j s_j sigmoid(r_i - r_j) + penalty sum_j s_j r_j^2`` with ``s`` the softmax of the negatives' scores
    (Hidasi and Karatzoglou, CIKM 2018, Eq. 10 and Section 3.4), all scores after ELU as in the authors' program.

    Negatives may include the target of a position, as in the authors' program.

    Args:
        interactions, samples, power: of ``SharedNegatives`` (Section 3.2).
        penalty: weight of the squared scores of negatives.
        slope: alpha of ELU.
    """

    def __init__(self, interactions: Interactions, samples: int, power: float, penalty: float, slope: float) -> None:
        super().__init__(interactions, samples, power)
        self.penalty, self.slope = penalty, slope

    def compare(self, wanted: Tensor, others: Tensor, targets: Tensor, negatives: Tensor) -> Tensor:
        wanted, others = (functional.elu(scores, self.slope) for scores in (wanted[:, None], others))
        shares = others.softmax(dim=1)
        above = (shares * torch.sigmoid(wanted - others)).sum(dim=1)
        return (self.penalty * (shares * others.square()).sum(dim=1) - torch.log(above + _TINY)).mean()


class SampledSoftmax(SharedNegatives):
    """``-log( exp(r_i) / (exp(r_i) + sum over negatives j other than i of exp(r_j - c_j)) )``.

    With ``log_q``, ``c_j = log(samples q_j)`` for the sampling probability ``q``: the sum then has the expectation of
    that of the softmax over the catalogue (Bengio and Senecal, 2008). Else ``c = 0``, as in eSASRec and HSTU, whose
    positions have negatives of their own.
    """

    def __init__(self, interactions: Interactions, settings: SampledSettings) -> None:
        super().__init__(interactions, settings.samples, settings.sample_power)
        self._shift: Tensor | None = None
        if settings.log_q:
            expected = np.maximum(self.samples * self.shares, _TINY)
            self._shift = torch.from_numpy(-np.log(expected))

    def compare(self, wanted: Tensor, others: Tensor, targets: Tensor, negatives: Tensor) -> Tensor:
        if self._shift is not None:
            self._shift = self._shift.to(others)
            others = others + self._shift[negatives]
        others = others.masked_fill(targets[:, None] == negatives, _LEFT_OUT)
        return functional.softplus(others.logsumexp(dim=1) - wanted).mean()


def objective_of(loss: Loss, interactions: Interactions, settings: SampledSettings) -> Objective:
    """The objective with the given name."""
    return CatalogueEntropy() if loss == "ce" else SampledSoftmax(interactions, settings)


def _scores_of(rows: Tensor, states: Tensor, table: Tensor, bias: Tensor | None) -> Tensor:
    """The score of one item per position, (positions,)."""
    scores = (states * functional.embedding(rows, table)).sum(dim=1)
    return scores if bias is None else scores + bias[rows]
