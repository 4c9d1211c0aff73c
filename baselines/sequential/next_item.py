"""Base of sequential recommenders: the state after each item of a history predicts the next one.

    r(j | h_1 .. h_t) = state_t . e_j + b_j,        e_j the input embedding of item j

All positions of a window are trained in one pass. Padding is on the right, so states of real items do not depend on it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from baselines.learning.encoder import NORM_EPSILON, Encoder, last_states
from baselines.learning.interactions import Interactions
from baselines.learning.network import Network, Trainable, TrainingSettings
from baselines.learning.sequences import Windows, batches, ends_of_histories, of_like_length, padded, windows
from baselines.learning.training import NetworkTrainer, Outcome, train
from baselines.sequential.objectives import Objective
from unimp_bench.contracts import FitData
from unimp_bench.records import Examples, IntArray
from unimp_bench.settings import Count, Share

SAVED_EVERY = 5
"""Epochs between checkpoints of pre-training."""


@dataclass(frozen=True)
class TransformerSettings(TrainingSettings):
    """Sizes of a transformer over a history.

    Attributes:
        max_length: maximum number of items of a history, the last ones.
        width: of item vectors and states, a multiple of ``heads``.
        inner: width of the feed-forward layers.
        layers, heads: of the transformer.
        dropout: of the embedded history, and of the outputs of attention and feed-forward.
        attention_dropout: of the attention weights.
    """

    max_length: Count = 50
    width: Count = 64
    inner: Count = 256
    layers: Count = 2
    heads: Count = 2
    dropout: Share = 0.5
    attention_dropout: Share = 0.5

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of the {self.heads} heads")


class HistoryEncoder(nn.Module):
    """``Encoder(dropout(LN(vectors + positions)))``; positions count from the first item of the input."""

    def __init__(self, settings: TransformerSettings, causal: bool) -> None:
        super().__init__()
        self.places = nn.Embedding(settings.max_length, settings.width)
        self.norm = nn.LayerNorm(settings.width, eps=NORM_EPSILON)
        self.dropout = nn.Dropout(settings.dropout)
        self.encoder = Encoder(
            settings.width,
            settings.inner,
            settings.layers,
            settings.heads,
            settings.dropout,
            settings.attention_dropout,
            causal,
        )

    def forward(self, vectors: Tensor, real: Tensor | None = None) -> Tensor:
        """States of all positions, (B, N, width).

        Args:
            vectors: (B, N, width) of items and tokens, N at most ``max_length``.
            real: (B, N) bool, false at padding; for a bidirectional encoder.
        """
        states: Tensor = self.encoder(self.dropout(self.norm(vectors + self.places.weight[: vectors.shape[1]])), real)
        return states


class Steps(NamedTuple):
    """A batch of windows, with the next item at each position.

    Attributes:
        items: (B, N) item rows, right-padded with I.
        targets: (positions,) the item after each real position, window after window.
        negatives: drawn by the objective.
        times: (B, N) int64 of the items, for systems that read them.
    """

    items: Tensor
    targets: Tensor
    negatives: Tensor
    times: Tensor | None = None


class NextItemNetwork(Network):
    """A causal network over item embeddings; a system implements ``encode``.

    Args:
        interactions: the training part.
        width: of states and item embeddings.
        length: maximum number of items that a state depends on.
        batch_size: windows per step.
        objective: the loss.
        bias: whether items have a bias.

    Attributes:
        items: the embeddings, (I + 1, width); the last row is padding.
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
        self._windows = self._windows or windows(self.interactions, self.length)
        for rows in batches(self._windows, self.batch_size, rng, by_items=True):
            yield self.steps(self._windows.take(rows), rng)

    def steps(self, chosen: Windows, rng: np.random.Generator) -> Steps:
        """The batch of some windows."""
        items, targets = inputs_and_targets(self.interactions, chosen)
        negatives = self.objective.negatives(np.repeat(chosen.users, chosen.lengths() - 1), rng)
        return Steps(*map(self.tensor, (items, targets, negatives)))

    def states(self, batch: Steps) -> Tensor:
        """States (B, N, width) of a batch."""
        return self.encode(batch.items)

    def loss(self, batch: Steps) -> Tensor:
        states = self.states(batch)[batch.items != self.padding]
        return self.objective.loss(states, self.table(), self.bias, batch.targets, batch.negatives)

    def table(self) -> Tensor:
        """The vectors ``e`` that states are multiplied with, (I, width)."""
        return self.items.weight[:-1]

    def score(self, examples: Examples) -> Tensor:
        items, lengths = ends_of_histories(examples, self.interactions, self.length)
        scores = end_states(self, items, lengths, self.items.embedding_dim, self.encode) @ self.table().T
        return scores if self.bias is None else scores.add_(self.bias)


def inputs_and_targets(interactions: Interactions, windows: Windows) -> tuple[IntArray, IntArray]:
    """Item rows, (n, N), right-padded with I, and the item after each of them, (positions,), window after window."""
    sequence, padding = interactions.sequences.values, len(interactions.items)
    items = padded(sequence, windows.starts, windows.stops - 1, padding)
    targets = padded(sequence, windows.starts + 1, windows.stops, padding)
    return items, targets[items != padding]


def end_states(
    network: Network, items: IntArray, lengths: IntArray, width: int, encode: Callable[[Tensor], Tensor]
) -> Tensor:
    """The state of the last item of each history, (n, width), computed in batches of similar length.

    Args:
        items: (n, N) ids, right-padded; ``lengths`` (n,) are at least 1.
        width: of the states.
        encode: states (B, N, width) of ids (B, N).
    """
    states = next(network.parameters()).new_empty(len(items), width)
    for rows in of_like_length(lengths):
        read = network.tensor(items[rows, : lengths[rows].max()])
        states[network.tensor(rows)] = last_states(encode(read), network.tensor(lengths[rows]))
    return states


def pretrain(
    first: Trainable, data: FitData, name: str, *, epochs: int, learning_rate: float, batch_size: int
) -> Outcome:
    """Train the network of a pre-training stage to its last epoch, without validation; resumes if interrupted.

    Args:
        first: the network, on its device.
        data: of the fit; checkpoints are written to its work folder.
        name: of the system.
        epochs, learning_rate, batch_size: of this stage.
    """
    settings = TrainingSettings(
        epochs=epochs, validate_every=SAVED_EVERY, learning_rate=learning_rate, batch_size=batch_size
    )
    trainer = NetworkTrainer(first, settings, data.seed, f"{name}, pre-training")
    return train(trainer, data.work / "pretraining", validate=None)
