"""What a system writes: its parameters, an epoch of batches, its loss, and, if it ranks, its scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from baselines.learning.settings import TrainingSettings
from unimp_bench.records import Examples, IntArray


class Trainable(nn.Module, ABC):
    """One system as a module. What is derived and not learned stays out of ``state_dict``.

    Attributes:
        clip_norm: the largest norm of a step's gradient; None for any.
        remarks: what a reader of its results must know, such as a kind of feature that the corpus lacks.
    """

    clip_norm: ClassVar[float | None] = None
    remarks: tuple[str, ...] = ()

    @abstractmethod
    def batches(self, rng: np.random.Generator) -> Iterator[Any]:
        """The training samples of one epoch, each once, a batch at a time."""

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """What a step descends on, a scalar."""

    def prepare(self) -> None:
        """Compute once what all answers of the present weights share; called before the first of them."""

    def optimizers(self, settings: TrainingSettings) -> Sequence[torch.optim.Optimizer]:
        """The optimizers of a training, new."""
        return (torch.optim.Adam(self.parameters(), lr=settings.learning_rate, fused=True),)

    def pace(self, epoch: int) -> float:
        """Factor on every learning rate in an epoch, counted from 0."""
        return 1.0

    def step(self, batch: Any, optimizers: Sequence[torch.optim.Optimizer]) -> Tensor:
        """Learn from one batch; returns its loss."""
        (optimizer,) = optimizers
        optimizer.zero_grad()
        loss = self.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters(), self.clip_norm)
        optimizer.step()
        return loss.detach()

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def tensor(self, array: np.ndarray) -> Tensor:
        """An array on the network's device; one that is read-only is copied."""
        return torch.from_numpy(np.require(array, requirements=("C", "W"))).to(self.device)


class Network(Trainable):
    """One recommender as a module."""

    @abstractmethod
    def score(self, examples: Examples) -> Tensor:
        """Scores of all items of the fit's catalogue, (examples, I); without gradient, in eval mode."""


def shuffled(size: int, batch_size: int, rng: np.random.Generator) -> Iterator[IntArray]:
    """The numbers below ``size`` in random order, a batch at a time."""
    order = rng.permutation(size)
    for start in range(0, size, batch_size):
        yield order[start : start + batch_size]
