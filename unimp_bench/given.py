"""What a model is given: read-only, and looked at again afterwards, so that no model changes what it is measured on."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from unimp_bench.errors import ModelError

T = TypeVar("T")


def read_only(record: T) -> T:
    """The same array, or the same record with all arrays in it, none of which can be written to."""
    if isinstance(record, np.ndarray):
        view = record.view()
        view.flags.writeable = False
        return view
    if is_dataclass(record) and not isinstance(record, type):
        return replace(record, **{field.name: read_only(getattr(record, field.name)) for field in fields(record)})
    return record


@contextmanager
def untouched(label: str, *given: Any) -> Iterator[None]:
    """Surrounds what a model does with arrays and records; a tensor over a read-only array can still be written to.

    Raises:
        ModelError: it changed one of them.
    """
    before = [_checksum(record) for record in given]
    try:
        yield
    finally:  # before whatever went wrong on account of it
        if [_checksum(record) for record in given] != before:
            raise ModelError(f"{label} wrote into what it was given; a model copies an array before it changes it")


def _checksum(record: Any, start: int = 0) -> int:
    if isinstance(record, np.ndarray):
        return zlib.crc32(record.tobytes(), start)
    if is_dataclass(record) and not isinstance(record, type):
        for field in fields(record):
            start = _checksum(getattr(record, field.name), start)
    return start
