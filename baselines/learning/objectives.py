"""Objectives shared by several families: pairs of items, and the softmax over the whole catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from baselines.learning.interactions import Interactions, NegativeSampler
from baselines.learning.network import Network, shuffled
from unimp_bench.cross_entropy import cross_entropies
from unimp_bench.records import Examples


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
    """Mean over positions of ``-log softmax(states @ table.T + bias)[target]``, a scalar; see ``cross_entropies``."""
    return cross_entropies(states, table, targets, bias)[0] / len(states)
