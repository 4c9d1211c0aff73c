"""Arrays that are computed once and kept in a cache: found there, made where they are not, made again where damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unimp_bench.files import written


def kept_array(path: Path, fill: Callable[[Path], None], rows: int | None = None) -> npt.NDArray[Any]:
    """The array in the file ``path``, memory-mapped and read-only.

    Args:
        path: of a ``.npy`` file.
        fill: writes it to the path it is given.
        rows: that it must have, where that is known; a file of another number is as good as none.
    """
    array = _found(path, rows)
    if array is None:
        with written(path) as partial:
            fill(partial)
        array = _found(path, rows)
        assert array is not None, f"{path} was written with another number of rows than {rows}"
    return array


def mapped(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A new array in a file, memory-mapped for writing; its place on the disk is taken at once.

    Raises:
        OSError: the disk is full. Without the place, writing to the map would kill the process there.
    """
    array: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    return array


def _found(path: Path, rows: int | None) -> npt.NDArray[Any] | None:
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):  # not there, cut, or something else
        return None
    return array if array.ndim and rows in (None, len(array)) else None
