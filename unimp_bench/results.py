"""The result of a run, as it is written, published and read again.

A result keeps the target rank of every example (clipped at ``RANK_CEILING``), so that each metric, interval and
paired test in a table can be computed again from the file alone.
"""

from __future__ import annotations

import base64
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from unimp_bench.errors import DataError
from unimp_bench.files import write_atomically
from unimp_bench.records import IntArray
from unimp_bench.spec import RunSpec
from unimp_bench.strict import Strict

RANK_CEILING = 255
RESULT_NAME = "result.json"


class Estimate(Strict):
    """A mean over the examples with its 95% bootstrap interval."""

    value: float
    low: float
    high: float


class Cost(Strict):
    """What the run took on its machine.

    Attributes:
        fit_seconds, predict_seconds: wall time; fit includes validation, and the parts before an interrupt, though
            not what a killed process did not live to write down.
        examples_per_second: of prediction and scoring.
        peak_memory_mib: largest resident memory of the process during fit or prediction.
        parameters_trained, parameters_total: numbers of parameters.
    """

    fit_seconds: float
    predict_seconds: float
    examples_per_second: float
    peak_memory_mib: float
    parameters_trained: int
    parameters_total: int


class Provenance(Strict):
    """Where a number comes from.

    Attributes:
        command: the exact command that gives it.
        commit: of the code, or empty where the code is no checkout; ``clean`` is false when files were changed.
        versions: of Python and the packages that matter.
        machine: processor, cores and accelerator.
        time: UTC, ISO 8601, when the result was written.
    """

    command: str
    commit: str
    clean: bool
    versions: dict[str, str]
    machine: str
    time: str


class CorpusFacts(Strict):
    """What a table says of the corpus without opening it."""

    name: str
    synthetic: bool
    users: int
    items: int
    interactions: int
    pictures: int
    catalogue: int


class ModelFacts(Strict):
    """What a table says of the model without importing it."""

    name: str
    preset: str
    settings: dict[str, str]
    about: str
    source: str
    reads: tuple[str, ...]


class Result(Strict):
    """One run's outcome.

    Attributes:
        metrics: by name, as ``HR@5``.
        examples: number of examples scored.
        ranks: target ranks in example order: uint8, clipped at 255, zlib-packed, base64.
        remarks: what a reader must know of this number, such as a training that was cut short.
    """

    format: Literal["unimp-bench-result"] = "unimp-bench-result"
    version: Literal[1] = 1
    spec: RunSpec
    corpus: CorpusFacts
    model: ModelFacts
    metrics: dict[str, Estimate]
    examples: int
    ranks: str
    remarks: tuple[str, ...]
    cost: Cost
    provenance: Provenance

    @classmethod
    def read(cls, path: Path) -> Result:
        """Parse one result file.

        Raises:
            DataError: it cannot be read, is no result, or its ranks do not belong to it.
        """
        try:
            result = cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
            raise DataError(f"{path} is no result that this version reads ({reason}); run it again") from None
        if len(result.target_ranks()) != result.examples:
            raise DataError(f"{path} is damaged: it holds {len(result.target_ranks())} ranks of {result.examples}")
        return result

    def write(self, path: Path) -> None:
        """Write the result so that it is there whole or not at all."""
        write_atomically(path, self.model_dump_json(indent=1) + "\n")

    def target_ranks(self) -> IntArray:
        """(examples,) int64 ranks, those beyond ``RANK_CEILING`` given as the ceiling."""
        try:
            packed = zlib.decompress(base64.b64decode(self.ranks, validate=True))
        except (ValueError, zlib.error):
            return np.zeros(0, dtype=np.int64)
        return np.frombuffer(packed, dtype=np.uint8).astype(np.int64)


def pack_ranks(ranks: IntArray) -> str:
    """The text form of target ranks in a result."""
    clipped = np.minimum(ranks, RANK_CEILING).astype(np.uint8)
    return base64.b64encode(zlib.compress(clipped.tobytes(), 9)).decode("ascii")
