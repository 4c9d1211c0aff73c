"""What every training has to be told; a system's configuration inherits it and adds its own fields."""

from __future__ import annotations

from dataclasses import dataclass

from unimp_bench.settings import Count, Rate


@dataclass(frozen=True)
class TrainingSettings:
    """The course of a training.

    Attributes:
        epochs: most epochs.
        patience: validations in a row without a better score after which training stops, under each protocol.
        validate_every: epochs from one validation to the next; the best epoch is one of those validated.
        learning_rate: of the optimizer.
        batch_size: training samples a step.
    """

    epochs: Count = 300
    patience: Count = 10
    validate_every: Count = 1
    learning_rate: Rate = 1e-3
    batch_size: Count = 2048
