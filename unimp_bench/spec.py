"""What a run is, as one frozen record. Its hash is the run's name on disk.

Two specifications with any difference that could change a number have different keys, so no setting can read
another setting's cache. Labels (the corpus's name, the preset's name) are no part of the key.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from unimp_bench.records import Protocol, Split
from unimp_bench.strict import Strict

KEY_LENGTH = 16


class FitSpec(Strict):
    """What decides a fitted model: shared by all runs that only evaluate it elsewhere.

    Attributes:
        tasks: name and version of each task it is fitted on, sorted.
        model: full name, with the variant of a family.
        config: every field of the model's configuration.
        fingerprint: of the corpus.
        seed: of every random choice.
    """

    tasks: tuple[tuple[str, int], ...]
    model: str
    config: dict[str, Any]
    fingerprint: str
    seed: int

    @property
    def key(self) -> str:
        """Hexadecimal name of the fit."""
        return _hash(self.model_dump(mode="json"))


class RunSpec(Strict):
    """A fit, and what it is evaluated on."""

    fit: FitSpec
    task: str
    task_version: int
    split: Split
    protocol: Protocol

    @property
    def key(self) -> str:
        """Hexadecimal name of the run."""
        return _hash(self.model_dump(mode="json"))


def _hash(record: dict[str, Any]) -> str:
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:KEY_LENGTH]
