"""The base of every record that is written to disk and read again."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Frozen, checked field by field when read, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
