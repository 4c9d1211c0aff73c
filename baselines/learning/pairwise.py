"""What matrix factorisation and its graph kin share: user and item tables, and one negative for each interaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from baselines.learning.interactions import Interactions
from baselines.learning.network import Network, shuffled
from baselines.learning.sampling import NegativeSampler
from unimp_bench.records import Examples


class Triples(NamedTuple):
    """Rows of users, of an item that each interacted with, and of one that it did not, (B,) each."""

    users: Tensor
    positives: Tensor
    negatives: Tensor


class PairwiseNetwork(Network):
    """Scores are products of a user's and an item's vector; learning goes over (user, positive, negative).

    Every training interaction is a positive once an epoch, so active users weigh more; the authors of most of these
    models draw users uniformly instead.

    Attributes:
        users, items: the tables, (U, width) and (I, width).
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
        owners, positives = self.interactions.owners, self.interactions.sequence
        negatives = self._sampler.draw(owners, rng)
        for rows in shuffled(len(owners), self.batch_size, rng):
            yield Triples(*(self.tensor(column[rows]) for column in (owners, positives, negatives)))

    def vectors(self) -> tuple[Tensor, Tensor]:
        """What scores are products of: of all users, (U, width), and all items, (I, width)."""
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
    """Half the squared norms of a step's rows of the tables, over its size B, a scalar; the first are (B, width)."""
    return torch.stack([row.square().sum() for row in rows]).sum() / (2 * len(rows[0]))
