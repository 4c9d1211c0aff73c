"""What a user sets of RecBole's models."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from pydantic import BeforeValidator, Field, JsonValue


def _parsed(value: object) -> object:
    """Options typed on a command line are JSON."""
    return json.loads(value) if isinstance(value, str) else value


Options = Annotated[dict[str, JsonValue], BeforeValidator(_parsed)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Settings(Protocol):
    """What the adapter reads of a configuration; the fields are described in ``RecBoleConfig``."""

    @property
    def model(self) -> str: ...

    @property
    def epochs(self) -> int: ...

    @property
    def patience(self) -> int: ...

    @property
    def learning_rate(self) -> float: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def max_length(self) -> int: ...

    def model_options(self) -> dict[str, Any]:
        """The model's own settings under RecBole's names."""


@dataclass(frozen=True)
class RecBoleConfig:
    """Any model of RecBole, with RecBole's own defaults.

    Attributes:
        model: RecBole's name of the model.
        epochs: most epochs; models without gradient training take one.
        patience: epochs in a row without a better validation NDCG@5 after which training stops.
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

    def model_options(self) -> dict[str, Any]:
        return dict(self.options)


@dataclass(frozen=True)
class SASRecConfig:
    """SASRec as RecBole ships it; the fields that are not here are those of ``RecBoleConfig``.

    Attributes:
        hidden_size: width of the item embeddings and of every layer, a multiple of ``heads``.
        inner_size: width inside the feed-forward layers.
        layers: blocks of attention and feed-forward.
        heads: attention heads of a block.
        dropout: of embeddings, attention and feed-forward.
    """

    epochs: Count = 300
    patience: Count = 10
    learning_rate: Rate = 1e-3
    batch_size: Count = 2048
    max_length: Count = 50
    hidden_size: Count = 64
    inner_size: Count = 256
    layers: Count = 2
    heads: Count = 2
    dropout: Share = 0.5

    def __post_init__(self) -> None:
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size {self.hidden_size} is no multiple of heads {self.heads}")

    @property
    def model(self) -> str:
        return "SASRec"

    def model_options(self) -> dict[str, Any]:
        return {
            "hidden_size": self.hidden_size,
            "inner_size": self.inner_size,
            "n_layers": self.layers,
            "n_heads": self.heads,
            "hidden_dropout_prob": self.dropout,
            "attn_dropout_prob": self.dropout,
        }
