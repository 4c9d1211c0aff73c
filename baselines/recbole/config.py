"""What a user sets of RecBole's models."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue


def _parsed(value: object) -> object:
    """Options typed on a command line are JSON."""
    return json.loads(value) if isinstance(value, str) else value


Options = Annotated[dict[str, JsonValue], BeforeValidator(_parsed)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class RecBoleConfig:
    """Any model of RecBole, with RecBole's own defaults.

    Attributes:
        model: RecBole's name of the model.
        epochs: most epochs; models without gradient training take one.
        patience: epochs in a row without a better validation score after which training stops.
        learning_rate: of the optimizer.
        batch_size: training samples a step (users, for autoencoders).
        max_length: most recent history items that a sequential model reads.
        options: further settings under RecBole's names, those of the model's own file and a few of training;
            a mapping, or its JSON text.
    """

    model: str = "SASRec"
    epochs: Count = 300
    patience: Count = 10
    learning_rate: Rate = 1e-3
    batch_size: Count = 2048
    max_length: Count = 50
    options: Options = field(default_factory=dict)
