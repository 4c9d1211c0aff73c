"""Writing and locking, so that a killed process leaves whole files and no two processes share a folder."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unimp_bench.errors import BusyError, DataError
from unimp_bench.processes import helping

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""What goes wrong with a disk, whatever is written to it."""

_OF_RUST = re.compile(r"\(os error (\d+)\)")
_OF_NUMPY = re.compile(r"\d+ requested and \d+ written")


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` to ``path``: afterwards the old content or the new one is there, never a part."""
    with written(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Where to write what becomes the file ``path`` at the end of the block: it is there whole or not at all.

    Raises:
        OSError: the disk is full or fails; it names ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")  # NumPy wants its own suffix
    try:
        with storing(path):
            yield partial
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Surrounds what writes to a file or folder: libraries leave its name out of their errors, and the number in words.

    Raises:
        OSError: the disk is full or fails; it names ``path``.
    """
    try:
        yield
    except Exception as error:
        number = disk_error(error)
        if number is None:
            raise
        name = isinstance(error, OSError) and (error.filename2 or error.filename)  # of a copy, the second is written
        named = isinstance(name, str) and not Path(name).name.startswith(".")  # hidden ones are on their way to path
        raise OSError(number, os.strerror(number), name if named else str(path)) from None


def disk_error(error: BaseException) -> int | None:
    """The number of an error of the disk that any library raised; None for other errors."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in FULL else None
    if isinstance(error, OSError) and _OF_NUMPY.search(str(error)):
        return errno.ENOSPC
    found = _OF_RUST.search(str(error))
    return int(found[1]) if found and int(found[1]) in FULL else None


def damaged(path: Path, reason: object) -> DataError:
    """The error of a file or folder of a fit that does not hold what was written there."""
    said = " ".join(str(reason).split())[:200]
    return DataError(f"{path} cannot be read ({said}); fit the model again with --fresh, or remove its folder")


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
