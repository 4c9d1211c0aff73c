"""The specification of a run as a frozen record. Its hash names the run on disk.

Two specifications that differ in anything that could change a number have different keys, so no setting can read
another setting's cache. Labels (names of corpora and presets) are not part of the key.
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
    """The specification of a fitted model, shared by all runs that evaluate it.

    Attributes:
        tasks: name and version of each training task, sorted.
        model: full name, with the variant of a family.
        config: every field of the model's configuration.
        fingerprint: of the parts of the corpus that the model and its tasks read; in earlier results of all of it.
        seed: of every random choice.
        options: options of the tasks that differ from the defaults, by task.
        split: split of the training part.
        start: the fitted model that initialises this one; None if it is trained from scratch.
        version: of the model (``ModelCard.version``).
        features: versions of the model's feature extractors, by name, if they are not 1.
        selection: versions of the rules that select epochs and settings on validation, by kind of task and protocol
            (``ranking/masked``), if they are not 1.
        given: keys of the stored feature sets that the model reads instead of its own encoders' output, by modality;
            ``none`` where it reads none of a modality.
        parts: of an ensemble, the fits that it mixes; its own ``config`` says how.
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
    given: dict[str, str] = Field(default={})
    parts: tuple[FitSpec, ...] = Field(default=())

    @property
    def key(self) -> str:
        """Hexadecimal name of the fit."""
        return _hash(self)

    @property
    def stages(self) -> tuple[FitSpec, ...]:
        """The fits that initialise this one, in order, and this one."""
        return (*(self.start.stages if self.start else ()), self)


class RunSpec(Strict):
    """A fit, and what it is evaluated on.

    Attributes:
        options: those of the task that differ from its own.
        views: seeded changes of the corpus, one upon the other, in full; a fit that does not read what they change is
            that of the unchanged corpus, and so is the fit of changes at test. Empty in earlier results, whose
            fingerprints tell views apart.
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
    # Fields at their defaults are omitted, so that a new field does not change earlier keys.
    content = record.model_dump(mode="json", exclude_defaults=True)
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:KEY_LENGTH]
