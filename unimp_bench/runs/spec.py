"""What a run is, as one frozen record. Its hash is the run's name on disk.

Two specifications with any difference that could change a number have different keys, so no setting can read
another setting's cache. Labels (the corpus's name, the preset's name) are no part of the key.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import Field

from unimp_bench.records import Protocol, Split
from unimp_bench.settings import Strict

KEY_LENGTH = 16


class FitSpec(Strict):
    """What decides a fitted model: shared by all runs that only evaluate it elsewhere.

    Attributes:
        tasks: name and version of each task it is fitted on, sorted.
        model: full name, with the variant of a family.
        config: every field of the model's configuration.
        fingerprint: of the parts of the corpus that the model and its tasks read; in earlier results of all of it.
        seed: of every random choice.
        options: of its tasks, by name, where they differ from the task's own.
        split: whose training part it learns from.
        start: the fitted model that this one goes on from; None for one that begins anew.
        version: of the model (``ModelCard.version``).
        features: versions of the feature extractors that the model reads, by name, where they are not 1.
        selection: versions of the rules that chose among its epochs and settings on validation, by kind of task and
            protocol (``ranking/masked``), where they are not 1.
    """

    tasks: tuple[tuple[str, int], ...]
    model: str
    config: dict[str, Any]
    fingerprint: str
    seed: int
    options: dict[str, dict[str, Any]] = Field(default={})
    split: Split = "loo"
    start: FitSpec | None = None
    version: int = 1
    features: dict[str, int] = Field(default={})
    selection: dict[str, int] = Field(default={})

    @property
    def key(self) -> str:
        """Hexadecimal name of the fit."""
        return _hash(self)

    @property
    def stages(self) -> tuple[FitSpec, ...]:
        """The fits that lead to this one, and itself, in their order."""
        return (*(self.start.stages if self.start else ()), self)


class RunSpec(Strict):
    """A fit, and what it is evaluated on.

    Attributes:
        options: those of the task that differ from its own.
        views: seeded changes of the corpus, one upon the other, in full; a fit that does not read what they change is
            that of the unchanged corpus. Empty in earlier results, whose fingerprints tell views apart.
    """

    fit: FitSpec
    task: str
    task_version: int
    split: Split
    protocol: Protocol
    options: dict[str, Any] = Field(default={})
    views: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Hexadecimal name of the run."""
        return _hash(self)


def _hash(record: Strict) -> str:
    # What is at its default is left out, so that a field that comes later does not rename earlier runs.
    content = record.model_dump(mode="json", exclude_defaults=True)
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:KEY_LENGTH]
