"""Selection of the best epoch and early stopping by validation, separately per protocol.

One training serves all protocols of a table: an epoch's scores are the same, the treatment of seen items differs.
Once its patience is exhausted a protocol is decided, so its best epoch does not depend on the other protocols.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from pydantic import TypeAdapter, ValidationError

from unimp_bench.contracts import Training
from unimp_bench.errors import ModelError
from unimp_bench.files import damaged
from unimp_bench.records import Protocol

Scores = Mapping[Protocol, float]
"""Result of ``FitData.validate``: higher is better."""


def mean_scores(scores: Sequence[Scores]) -> dict[Protocol, float]:
    """The mean over tasks under each protocol."""
    return {protocol: fmean(each[protocol] for each in scores) for protocol in scores[0]}


@dataclass
class BestEpoch:
    """The best epoch under one protocol so far.

    Attributes:
        score: its validation score; None before the first.
        epoch: its number, counted from 1.
        waited: validations since.
        steps: optimizer steps that led to it; 0 where they do not count.
    """

    score: float | None = None
    epoch: int = 0
    waited: int = 0
    steps: int = 0


@dataclass
class EarlyStopping:
    """The best epoch under each protocol so far, and whether training may stop.

    Attributes:
        patience: validations without a better score after which a protocol is decided; None for never.
        best: by protocol, those that have been validated.
        least_steps: optimizer steps without a better score that must have passed as well.
        steps: optimizer steps so far, where these count.
    """

    patience: int | None = None
    best: dict[Protocol, BestEpoch] = field(default_factory=dict)
    least_steps: int = 0
    steps: int = 0

    @property
    def is_over(self) -> bool:
        """Whether every protocol is decided."""
        return bool(self.best) and all(map(self.is_decided, self.best))

    @property
    def scores(self) -> dict[Protocol, float]:
        """Of the best epochs, where there are any."""
        return {protocol: best.score for protocol, best in self.best.items() if best.score is not None}

    def is_decided(self, protocol: Protocol) -> bool:
        """Whether the best epoch under a protocol can no longer change."""
        best = self.best[protocol]
        out_of_patience = self.patience is not None and best.waited >= self.patience
        return out_of_patience and self.steps - best.steps >= self.least_steps

    def update(self, epoch: int, scores: Scores, label: str, steps: int = 0) -> list[Protocol]:
        """Record the scores of an epoch; returns the protocols under which it is the best, to save its weights.

        Args:
            epoch: counted from 1.
            scores: what ``FitData.validate`` gave.
            label: the model's name, for the error.
            steps: optimizer steps so far.

        Raises:
            ModelError: a score is not finite.
        """
        if not all(map(math.isfinite, scores.values())):
            raise ModelError(f"{label}: the validation score of epoch {epoch} is not finite: {dict(scores)}")
        improved: list[Protocol] = []
        for protocol, score in scores.items():
            best = self.best.setdefault(protocol, BestEpoch())
            if self.is_decided(protocol):
                continue
            if best.score is None or score > best.score:
                self.best[protocol] = BestEpoch(score, epoch, steps=steps)
                improved.append(protocol)
            else:
                best.waited += 1
        self.steps = steps
        return improved

    def dump(self) -> str:
        """As JSON, for a checkpoint."""
        return _ADAPTER.dump_json(self).decode()

    @classmethod
    def parse(cls, text: str) -> EarlyStopping:
        """Read the output of ``dump``.

        Raises:
            ValueError: the text is invalid.
        """
        return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(EarlyStopping)
_TRAINING = TypeAdapter(Training)
_TRAINING_NAME = "training.json"


def write_training(training: Training | None, folder: Path) -> None:
    """Write what ``Model.training`` gives into the folder of a saved model."""
    if training is not None:
        (folder / _TRAINING_NAME).write_bytes(_TRAINING.dump_json(training))


def read_training(folder: Path) -> Training | None:
    """Read what ``write_training`` wrote; None for a model of an earlier version, or without a training.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / _TRAINING_NAME
    if not path.is_file():
        return None
    try:
        return _TRAINING.validate_json(path.read_bytes())
    except ValidationError as error:
        raise damaged(path, error.errors()[0]["msg"]) from None
