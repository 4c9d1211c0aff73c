"""Writing and locking, so that a killed process leaves whole files and no two processes share a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unimp_bench.errors import BusyError
from unimp_bench.processes import helping


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` to ``path``: afterwards the old content or the new one is there, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder`` (made when missing) for this process and those that help it; the lock dies with the process.

    Raises:
        BusyError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if helping():
        yield
        return
    with (folder / ".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"another process works on {folder}; wait for it or stop it") from None
        yield


def is_locked(folder: Path) -> bool:
    """Whether a process holds ``folder`` now."""
    try:
        stream = (folder / ".lock").open("r")
    except FileNotFoundError:
        return False
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
