"""Files of saved models: one-line errors for damaged files, and sparse matrices as NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from scipy import sparse

from unimp_bench.files import damaged

_CSR_PARTS = ("data", "indices", "indptr")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Context manager around code that reads a file, or folder, of a saved model.

    Raises:
        DataError: the file is missing, damaged, or has other content.
    """
    try:
        yield
    except (OSError, SafetensorError, EOFError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from None


def write_csr(matrix: sparse.csr_array, folder: Path) -> None:
    """Write a square sparse matrix as ``data.npy``, ``indices.npy`` and ``indptr.npy``."""
    for part in _CSR_PARTS:
        np.save(folder / f"{part}.npy", getattr(matrix, part), allow_pickle=False)


def read_csr(folder: Path) -> sparse.csr_array:
    """Read a matrix written by ``write_csr``."""
    data, indices, indptr = (np.load(folder / f"{part}.npy", allow_pickle=False) for part in _CSR_PARTS)
    return sparse.csr_array((data, indices, indptr), shape=(len(indptr) - 1, len(indptr) - 1))
