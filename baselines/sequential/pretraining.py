"""A first stage that teaches a network without validation, as S3-Rec and UniSRec have."""

from __future__ import annotations

from typing import Protocol

from baselines.learning.network import Trainable, TrainingSettings
from baselines.learning.training import NetworkTrainer, train
from unimp_bench.contracts import FitData

SAVED_EVERY = 5
"""Epochs from one checkpoint to the next."""


class Pretrained(Protocol):
    """The course of a first stage, as part of a configuration."""

    @property
    def pretraining_epochs(self) -> int: ...

    @property
    def pretraining_rate(self) -> float: ...

    @property
    def pretraining_batch_size(self) -> int: ...


def pretrain(first: Trainable, config: Pretrained, data: FitData, name: str) -> None:
    """Train the network of the first stage to its last epoch, or go on with it.

    Args:
        first: on its device.
        config: of the system.
        data: of the fit; checkpoints stand in its work folder.
        name: of the system.
    """
    settings = TrainingSettings(
        epochs=config.pretraining_epochs,
        validate_every=SAVED_EVERY,
        learning_rate=config.pretraining_rate,
        batch_size=config.pretraining_batch_size,
    )
    folder, label = data.work / "pretraining", f"{name}, pre-training"
    train(NetworkTrainer(first, settings, data.seed, label), folder, validate=None)
