"""Calls of code that may come from another package: read-only arrays, errors with the package's name."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from traceback import walk_tb
from typing import Any, TypeVar

import numpy as np

from unimp_bench.errors import BenchError, ModelError
from unimp_bench.files import disk_error
from unimp_bench.machine import helping

T = TypeVar("T")


def read_only(record: T) -> T:
    """The same array, or the same record with all its arrays, read-only."""
    if isinstance(record, np.ndarray):
        view = record.view()
        view.flags.writeable = False
        return view
    if is_dataclass(record) and not isinstance(record, type):
        return replace(record, **{field.name: read_only(getattr(record, field.name)) for field in fields(record)})
    return record


@contextmanager
def untouched(label: str, *given: Any) -> Iterator[None]:
    """Check that the block does not modify arrays and records; tensors over read-only arrays are still writable.

    Raises:
        ModelError: it changed one of them.
    """
    before = [_checksum(record) for record in given]
    try:
        yield
    finally:  # before any error that the change caused
        if [_checksum(record) for record in given] != before:
            raise ModelError(f"{label} modified its input; a model must copy an array before changing it")


def _checksum(record: Any, start: int = 0) -> int:
    if isinstance(record, np.ndarray):
        return zlib.crc32(record.tobytes(), start)
    if is_dataclass(record) and not isinstance(record, type):
        for field in fields(record):
            start = _checksum(getattr(record, field.name), start)
    return start


OURS = ("baselines", "data_prep", "tasks", "unimp_bench")
"""Top packages of the project itself."""


def is_ours(module: str) -> bool:
    """Whether a module belongs to the project."""
    return module.partition(".")[0] in OURS


@contextmanager
def blamed(owner: object, label: str, doing: str) -> Iterator[None]:
    """Surrounds a call of code that may come from another package.

    Args:
        owner: the object with the called method, or the called class.
        label: its name in errors, as in ``model 'mine'``.
        doing: the method.

    Raises:
        ModelError: it tried to end the program, or raised anything but an error of the project; the line names it and
            its own place in the code. What our own code raises stays as it is: a defect keeps its traceback.
    """
    try:
        yield
    except SystemExit as error:
        if helping():  # the main process has ended and printed the reason
            raise
        raise ModelError(f"{label} ended the program (exit code {error.code}) in {doing}") from None
    except BenchError:
        raise
    except Exception as error:
        module = (owner if isinstance(owner, type) else type(owner)).__module__
        if is_ours(module) or disk_error(error) is not None:
            raise
        hint = "; what a model is given is read-only: copy it before changing it" if "read-only" in str(error) else ""
        raise ModelError(f"{label} failed in {doing}{_place(error, module)}: {reason(error)}{hint}") from error


def reason(error: BaseException) -> str:
    """The kind of an error and what it says, on one line."""
    said = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _place(error: BaseException, module: str) -> str:
    """Where in the owner's own package an error came up."""
    top = module.partition(".")[0]
    frames = walk_tb(error.__traceback__)
    named = ((str(frame.f_globals.get("__name__")), frame.f_code.co_filename, line) for frame, line in frames)
    own = [f" ({Path(file).name}, line {line})" for name, file, line in named if name.partition(".")[0] == top]
    return own[-1] if own else ""
