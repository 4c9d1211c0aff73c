"""Base types of settings and records: strict pydantic models and bounded numbers."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """Frozen, checked field by field when read, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def added(default: Any) -> Any:
    """A field of a configuration that was added after results had been made: specifications omit its default.

    So the keys of earlier fits do not change.
    """
    return dataclasses.field(default=default, metadata={"added": True})


def specified(config: Any) -> dict[str, Any]:
    """The fields of a configuration, a dataclass, that identify a fit."""
    omitted = {each.name: each.default for each in dataclasses.fields(config) if each.metadata.get("added")}
    given = dataclasses.asdict(config)
    return {name: value for name, value in given.items() if name not in omitted or value != omitted[name]}


Count = Annotated[int, Field(ge=1)]
Number = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Portion = Annotated[float, Field(ge=0, le=1)]
"""A share that may be all."""
