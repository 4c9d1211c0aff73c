"""What a learned system writes: parameters, an epoch of batches, a loss, the options of its optimizer, and scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from unimp_bench.records import Examples, IntArray
from unimp_bench.settings import Count, Rate


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a training; a system's configuration inherits them and adds its own fields.

    Attributes:
        epochs: maximum number of epochs.
        patience: validations in a row without a better score after which training stops, under each protocol.
        validate_every: epochs from one validation to the next; the best epoch is one of those validated.
        learning_rate: of the optimizer.
        batch_size: training samples per step.
    """

    epochs: Count = 300
    patience: Count = 10
    validate_every: Count = 1
    learning_rate: Rate = 1e-3
    batch_size: Count = 2048


class Trainable(nn.Module, ABC):
    """One system as a module. What is derived and not learned stays out of ``state_dict``.

    Attributes:
        clip_norm: maximum norm of a step's gradient; None for no clipping.
        weight_decay: of the parameters for which ``decays`` holds.
        decoupled: whether the decay is AdamW's (Loshchilov and Hutter, 2019); else it is part of Adam's gradient.
        adam_options: further arguments of the optimizer.
        remarks: what a reader of its results must know, such as a kind of feature that the corpus lacks.
    """

    clip_norm: ClassVar[float | None] = None
    weight_decay: float = 0.0
    decoupled: ClassVar[bool] = False
    adam_options: ClassVar[Mapping[str, Any]] = {"fused": True}
    remarks: tuple[str, ...] = ()

    @abstractmethod
    def batches(self, rng: np.random.Generator) -> Iterator[Any]:
        """The training samples of one epoch, each once, a batch at a time."""

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """The loss of one step, a scalar."""

    def prepare(self) -> None:
        """Compute once what all predictions of the current weights share; called before the first of them."""

    def decays(self, weight: nn.Parameter) -> bool:
        """Whether the weight decay applies to a parameter."""
        return True

    def optimizers(self, settings: TrainingSettings) -> Sequence[torch.optim.Optimizer]:
        """The optimizers of a training, new."""
        return (self.adam(self.parameters(), settings.learning_rate),)

    def adam(self, weights: Iterable[nn.Parameter], rate: float) -> torch.optim.Optimizer:
        """Adam or AdamW of some parameters, with this system's options."""
        groups: dict[bool, list[nn.Parameter]] = {}
        for weight in weights:
            groups.setdefault(self.decays(weight), []).append(weight)
        parameters = [
            {"params": group, "weight_decay": self.weight_decay if decays else 0.0} for decays, group in groups.items()
        ]
        optimizer = torch.optim.AdamW if self.decoupled else torch.optim.Adam
        return optimizer(parameters, lr=rate, **self.adam_options)

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
