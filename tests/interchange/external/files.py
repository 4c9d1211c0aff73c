"""Prediction files and their reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from unimp_bench.interchange.predictions import PredictionFile, read_predictions
from unimp_bench.kinds import Setting
from unimp_bench.records import Examples

Rows = list[dict[str, Any]]

TASKS = ("recommendation", "preference", "explanation", "selection", "image_generation")
CODES, LENGTH = 8, 4


@dataclass(frozen=True)
class ValidAnswers:
    """The test examples of a task, with valid answers."""

    examples: Examples
    setting: Setting
    rows: Rows

    def read(self, path: Path) -> Any:
        """The prediction in a file."""
        with PredictionFile.open(path) as file:
            return read_predictions(file, self.examples, self.setting)


def write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def write_parquet(path: Path, rows: Rows) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path
