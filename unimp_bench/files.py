"""The workspace's folders, files that appear only when complete, and cached arrays that are rebuilt when damaged."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unimp_bench.errors import BusyError, DataError
from unimp_bench.machine import helping

if TYPE_CHECKING:  # --help loads no NumPy
    import numpy as np
    import numpy.typing as npt

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""Errors of a full or failing disk."""

_OF_RUST = re.compile(r"\(os error (\d+)\)")
_OF_NUMPY = re.compile(r"\d+ requested and \d+ written")


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` to ``path``: afterwards the old content or the new one is there, never a part."""
    with written(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A temporary path that becomes the file ``path`` at the end of the block, atomically.

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
    """Add the file name and error number to disk errors in the block, which libraries omit or give as text.

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
    """The error of a damaged file or folder of a fit."""
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
            raise BusyError(f"{folder} is locked by another process; wait for it or stop it") from None
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


def kept_array(path: Path, fill: Callable[[Path], None], rows: int | None = None) -> npt.NDArray[Any]:
    """The array in the file ``path``, memory-mapped and read-only.

    Args:
        path: of a ``.npy`` file.
        fill: writes the array to the given path.
        rows: expected number of rows, if known; other files are rewritten.
    """
    array = _found(path, rows)
    if array is None:
        with written(path) as partial:
            fill(partial)
        array = _found(path, rows)
        assert array is not None, f"{path} was written with another number of rows than {rows}"
    return array


def mapped(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A new array in a file, memory-mapped for writing; its disk space is allocated at once.

    Raises:
        OSError: the disk is full. Without the allocation, writing to the map would kill the process then.
    """
    import numpy as np

    array: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    return array


def _found(path: Path, rows: int | None) -> npt.NDArray[Any] | None:
    import numpy as np

    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):  # not there, cut, or something else
        return None
    return array if array.ndim and rows in (None, len(array)) else None


@dataclass(frozen=True)
class Workspace:
    """The user's working folder: ``UNIMP_BENCH_HOME``, or the current folder."""

    root: Path

    @classmethod
    def here(cls) -> Workspace:
        return cls(Path(os.environ.get("UNIMP_BENCH_HOME", ".")))

    @property
    def data(self) -> Path:
        """Built corpora, one folder each."""
        return self.root / "data"

    @property
    def runs(self) -> Path:
        """Run folders, named by the keys of their specifications."""
        return self.root / "runs"

    @property
    def fits(self) -> Path:
        """Fitted models, shared by the runs that evaluate them."""
        return self.runs / "fits"

    @property
    def runs_leaderboards(self) -> Path:
        """Tables of the runs, published or not."""
        return self.runs / "leaderboards"

    @property
    def cache(self) -> Path:
        """What can be computed again: picture features, tokenised items."""
        return self.root / "cache"

    @property
    def leaderboards(self) -> Path:
        """Published results, the papers' numbers, tuned configurations and the generated tables."""
        return self.root / "leaderboards"
