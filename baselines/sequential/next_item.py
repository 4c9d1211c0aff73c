"""What causal networks share: a state after every item of a history, from which the next one is told.

    r(j | h_1 .. h_t) = state_t . e_j + b_j,        e_j the embedding that item j also enters with

All positions of a window learn in one pass. Padding stands behind the items, where no state of theirs can see it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from baselines.learning.encoder import last_states
from baselines.learning.interactions import Interactions
from baselines.learning.network import Network
from baselines.learning.sequences import Windows, batches, ends_of_histories, of_like_length, padded, windows
from baselines.sequential.objectives import Objective
from unimp_bench.records import Examples


class Steps(NamedTuple):
    """Positions of a batch of windows, and what follows each.

    Attributes:
        items: (B, N) item rows, padded behind with I.
        targets: (positions,) the item after each real position, window after window.
        negatives: what the objective drew.
    """

    items: Tensor
    targets: Tensor
    negatives: Tensor


class NextItemNetwork(Network):
    """Write ``encode``.

    Args:
        interactions: the training part.
        width: of states and item embeddings.
        length: most items that a state looks back on.
        batch_size: windows a step.
        objective: what is learned at each position.
        bias: whether items have a bias.

    Attributes:
        items: the embeddings, (I + 1, width); the last row is the padding's.
        bias: (I,) or None.
    """

    def __init__(
        self,
        interactions: Interactions,
        width: int,
        length: int,
        batch_size: int,
        objective: Objective,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.interactions, self.length, self.batch_size, self.objective = interactions, length, batch_size, objective
        self.padding = len(interactions.items)
        self.items = nn.Embedding(self.padding + 1, width, padding_idx=self.padding)
        self.bias = nn.Parameter(torch.zeros(self.padding)) if bias else None
        self._windows: Windows | None = None

    @abstractmethod
    def encode(self, items: Tensor) -> Tensor:
        """States (B, N, width) after each item of ``items`` (B, N), N at most ``length``."""

    def batches(self, rng: np.random.Generator) -> Iterator[Steps]:
        sequence = self.interactions.sequence
        self._windows = self._windows or windows(self.interactions, self.length)
        for rows in batches(self._windows, self.batch_size, rng, by_items=True):
            starts, stops = self._windows.starts[rows], self._windows.stops[rows]
            items = padded(sequence, starts, stops - 1, self.padding)
            targets = padded(sequence, starts + 1, stops, self.padding)[items != self.padding]
            negatives = self.objective.negatives(np.repeat(self._windows.users[rows], stops - 1 - starts), rng)
            yield Steps(*map(self.tensor, (items, targets, negatives)))

    def loss(self, batch: Steps) -> Tensor:
        states = self.encode(batch.items)[batch.items != self.padding]
        return self.objective.loss(states, self.items.weight[:-1], self.bias, batch.targets, batch.negatives)

    def score(self, examples: Examples) -> Tensor:
        items, lengths = ends_of_histories(examples, self.interactions, self.length)
        states = self.items.weight.new_empty(len(items), self.items.embedding_dim)
        for rows in of_like_length(lengths):
            read = self.tensor(items[rows, : lengths[rows].max()])
            states[self.tensor(rows)] = last_states(self.encode(read), self.tensor(lengths[rows]))
        scores = states @ self.items.weight[:-1].T
        return scores if self.bias is None else scores.add_(self.bias)
