"""Reads prediction files of any kind, Parquet or JSONL, in bounded memory. Files are untrusted."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unimp_bench.errors import DataError
from unimp_bench.kinds import Setting, kind_of
from unimp_bench.kinds.base import MAX_LIST, AnswerError, AnswerReader, Fields, quoted
from unimp_bench.kinds.rendering import example_ids
from unimp_bench.records import Examples

ID = "id"
MAX_LINE = 1 << 20
_ROWS_AT_ONCE = 256
_BYTES_AT_ONCE = 256 << 20
_BYTES_IN_GROUP = 2 << 30
_PARQUET = b"PAR1"
_INDEX = re.compile(r"__index_level_\d+__")
"""Name of a pandas index in a Parquet file."""


@dataclass(frozen=True)
class Row:
    """One prediction: its place in the file, counted from 1, and its cells."""

    place: str
    fields: Fields


@dataclass(frozen=True)
class PredictionFile:
    """An open file of predictions.

    Attributes:
        name: without its folder.
        sha256: of the content, hexadecimal.
        stream: at its beginning.
    """

    name: str
    sha256: str
    stream: BinaryIO

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[PredictionFile]:
        """Open a file to be read once.

        Raises:
            DataError: the file does not exist, or its name has unprintable characters.
        """
        if not path.is_file():
            raise DataError(f"predictions file {quoted(str(path))} does not exist")
        if not path.name.isprintable():
            raise DataError(f"the file name {quoted(path.name)} has unprintable characters; rename it")
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            stream.seek(0)
            yield cls(path.name, digest, stream)

    def rows(self, reader: type[AnswerReader]) -> Iterator[Row]:
        """All rows, with the columns that ``reader`` requires, without those that it ignores.

        Raises:
            DataError: the file is neither Parquet nor JSONL, is damaged, exceeds a size limit, or has an unknown
                column.
        """
        is_parquet = self.stream.read(len(_PARQUET)) == _PARQUET
        self.stream.seek(0)
        return self._parquet(reader) if is_parquet else self._jsonl(reader)

    def _jsonl(self, reader: type[AnswerReader]) -> Iterator[Row]:
        number = 0
        while line := self.stream.readline(MAX_LINE + 1):
            number += 1
            place = f"line {number}"
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if len(line) > MAX_LINE:
                raise DataError(f"{self.name}, {place}: longer than {MAX_LINE:,} bytes")
            if not line.strip():
                continue
            try:
                fields = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise DataError(
                    f"{self.name}, {place}: not JSON ({error.msg}); predictions are a Parquet file or one JSON "
                    "object per line"
                ) from None
            if not isinstance(fields, dict):
                raise DataError(f"{self.name}, {place}: not a JSON object but {quoted(fields)}")
            self._check_columns(fields, reader, f", {place}")
            yield Row(place, fields)

    def _parquet(self, reader: type[AnswerReader]) -> Iterator[Row]:
        try:
            file = pq.ParquetFile(self.stream)
            wanted = self._check_schema(file, reader)
            number = 0
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=wanted):
                self._check_size(batch, number)
                for fields in batch.to_pylist():
                    number += 1
                    yield Row(f"row {number}", fields)
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            reason = quoted(" ".join(str(error).split()))
            raise DataError(f"{self.name} is damaged: not readable as Parquet ({reason})") from None

    def _check_schema(self, file: pq.ParquetFile, reader: type[AnswerReader]) -> list[str]:
        """The columns to read."""
        names = list(file.schema_arrow.names)
        self._check_columns(names, reader, "")
        doubled = [name for name, count in Counter(names).items() if count > 1]
        if doubled:
            raise DataError(f"{self.name} has the column {quoted(doubled[0])} twice")
        wanted = [name for name in names if name not in reader.ignored]
        for name in wanted:
            kind = file.schema_arrow.field(name).type
            if not _is_plain(kind.value_type if _is_list(kind) else kind):
                raise DataError(
                    f"{self.name}: column {name} has the type {quoted(str(kind))}, which predictions cannot have"
                )
        groups = (file.metadata.row_group(group) for group in range(file.metadata.num_row_groups))
        if any(group.total_byte_size > _BYTES_IN_GROUP for group in groups):
            raise DataError(f"{self.name} has a row group of more than 2 GiB; write it with smaller ones")
        return wanted

    def _check_columns(self, names: Iterable[str], reader: type[AnswerReader], place: str) -> None:
        known = (ID, *reader.columns)
        names = list(names)
        for name in names:
            if _INDEX.fullmatch(name):
                raise DataError(
                    f"{self.name}{place}: column {quoted(name)} is the index of a pandas table; write the file with "
                    "to_parquet(..., index=False)"
                )
            if name not in known and name not in reader.ignored:
                raise DataError(
                    f"{self.name}{place}: unknown column {quoted(name)}; predictions have {', '.join(known)}"
                )
        if ID not in names:
            raise DataError(f"{self.name}{place}: missing column {ID}; predictions have {', '.join(known)}")

    def _check_size(self, batch: pa.RecordBatch, number: int) -> None:
        rows = f"{self.name}, rows {number + 1} to {number + len(batch)}"
        if batch.nbytes > _BYTES_AT_ONCE:
            raise DataError(f"{rows}: together larger than {_BYTES_AT_ONCE:,} bytes")
        for column in batch.columns:
            if _is_list(column.type) and (pc.max(pc.list_value_length(column)).as_py() or 0) > MAX_LIST:
                raise DataError(f"{rows}: a list has more than {MAX_LIST:,} values")


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_plain(kind: pa.DataType) -> bool:
    """Text, a number, or null, the type of columns of empty lists or nulls."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_floating, pa.types.is_null)
    return any(check(kind) for check in checks)


NAMED = 3


@dataclass
class _Tally:
    """Number of ids with an error, and the first few of them."""

    wrong: str
    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if self.count <= NAMED:
            self.first.append(quoted(name))

    def __str__(self) -> str:
        more = ", ..." if self.count > NAMED else ""
        return f"{self.count:,} {self.wrong} ({', '.join(self.first)}{more})"


def read_predictions(file: PredictionFile, examples: Examples, setting: Setting) -> Any:
    """The prediction in a file for the given examples, one row per example, in any order.

    Raises:
        DataError: an id is missing, duplicate or unknown, or an answer is invalid.
    """
    reader = kind_of(setting.task.kind).reader(examples, setting)
    ids = example_ids(setting.corpus, examples)
    example_of = {name: example for example, name in enumerate(ids)}
    answered = np.zeros(len(ids), dtype=np.bool_)
    missing, duplicate, unknown = _Tally("missing"), _Tally("duplicate"), _Tally("unknown")
    for row in file.rows(type(reader)):
        name = row.fields[ID]
        if not isinstance(name, str):
            raise DataError(f"{file.name}, {row.place}: the id is {quoted(name)}, not a string")
        example = example_of.get(name)
        if example is None:
            unknown.add(name)
        elif answered[example]:
            duplicate.add(name)
        else:
            answered[example] = True
            try:
                reader.take(example, row.fields)
            except AnswerError as error:
                raise DataError(f"{file.name}, {row.place} ({quoted(name)}): {error}") from None
    for number in np.flatnonzero(~answered):
        missing.add(ids[number])
    wrong = [str(tally) for tally in (missing, duplicate, unknown) if tally.count]
    if wrong:
        raise DataError(
            f"{file.name} does not have one row for each of the {len(ids):,} {examples.part} examples of "
            f"{examples.task}, split {examples.split}: {'; '.join(wrong)}"
        )
    try:
        return reader.finish()
    except AnswerError as error:
        raise DataError(f"{file.name}: {error}") from None
