"""The interface of trained systems: parameters, an epoch of batches, a loss, optimizer options, and scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from unimp_bench.records import Examples, IntArray
from unimp_bench.settings import Count, Number, Rate, added


@dataclass(frozen=True)
class TrainingSettings:
    """Training settings; the configuration of a system inherits them and adds its own fields.

    Attributes:
        epochs: maximum number of epochs.
        patience: validations in a row without a better score after which training stops, under each protocol.
        validate_every: epochs from one validation to the next; the best epoch is one of those validated.
        learning_rate: of the optimizer.
        batch_size: training samples per step.
        least_steps: optimizer steps without a better score that patience lasts at least.
    """

    epochs: Count = 300
    patience: Count = 10
    validate_every: Count = 1
    learning_rate: Rate = 1e-3
    batch_size: Count = 2048
    least_steps: Number = added(0)


class Trainable(nn.Module, ABC):
    """The network of one system. Buffers that can be derived from the artifacts stay out of ``state_dict``.

    Attributes:
        clip_norm: maximum norm of a step's gradient; None for no clipping.
        weight_decay: of the parameters for which ``decays`` holds.
        decoupled: whether the decay is decoupled, as in AdamW (Loshchilov and Hutter, 2019); else it is added to the
            gradient.
        adam_options: further arguments of the optimizer.
        remarks: limitations that readers of the results need to know, such as a missing modality.
    """

    clip_norm: ClassVar[float | None] = None
    weight_decay: float = 0.0
    decoupled: ClassVar[bool] = False
    adam_options: ClassVar[Mapping[str, Any]] = {"fused": True}
    remarks: tuple[str, ...] = ()

    @abstractmethod
    def batches(self, rng: np.random.Generator) -> Iterator[Any]:
        """The batches of one epoch, each training sample once."""

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """The loss of one batch, a scalar."""

    def size(self, batch: Any) -> int:
        """Number of training examples in a batch: the rows of its first part."""
        return len(batch[0])

    def prepare(self) -> None:
        """Precompute what all predictions with the current weights share; called before the first prediction."""

    def decays(self, weight: nn.Parameter) -> bool:
        """Whether the weight decay applies to a parameter."""
        return True

    def optimizers(self, settings: TrainingSettings) -> Sequence[torch.optim.Optimizer]:
        """New optimizers for a training run."""
        return (self.adam(self.parameters(), settings.learning_rate),)

    def adam(self, weights: Iterable[nn.Parameter], rate: float) -> torch.optim.Optimizer:
        """Adam or AdamW over the given parameters, with this system's options."""
        groups: dict[bool, list[nn.Parameter]] = {}
        for weight in weights:
            groups.setdefault(self.decays(weight), []).append(weight)
        parameters = [
            {"params": group, "weight_decay": self.weight_decay if decays else 0.0} for decays, group in groups.items()
        ]
        optimizer = torch.optim.AdamW if self.decoupled else torch.optim.Adam
        return optimizer(parameters, lr=rate, **self.adam_options)

    def pace(self, epoch: int) -> float:
        """Learning rate factor in an epoch, counted from 0."""
        return 1.0

    def step(self, batch: Any, optimizers: Sequence[torch.optim.Optimizer]) -> Tensor:
        """Update the parameters on one batch; returns its loss."""
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
        """An array as a tensor on the network's device; read-only arrays are copied."""
        return torch.from_numpy(np.require(array, requirements=("C", "W"))).to(self.device)


class Network(Trainable):
    """The network of a recommender."""

    @abstractmethod
    def score(self, examples: Examples) -> Tensor:
        """Scores of all items in the catalogue of the fit, (examples, I); called without gradient, in eval mode."""


def shuffled(size: int, batch_size: int, rng: np.random.Generator) -> Iterator[IntArray]:
    """The integers below ``size`` in random order, in batches."""
    order = rng.permutation(size)
    for start in range(0, size, batch_size):
        yield order[start : start + batch_size]
