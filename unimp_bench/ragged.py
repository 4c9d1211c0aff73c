"""Rows of different lengths in flat arrays (compressed sparse rows), as all "lists per user" are stored.

Histories, shown items, texts as tokens, words of documents, nearest neighbours: one array of values is a `Ragged`,
several columns with the same offsets are a dataclass derived from `Grouped`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]
BoolArray = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]


def offsets_of(lengths: IntArray | BoolArray | Sequence[int]) -> IntArray:
    """(rows + 1,) int64 offsets of rows of these lengths."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def spans(starts: IntArray, stops: IntArray) -> tuple[IntArray, IntArray]:
    """The positions ``starts[i]:stops[i]`` of all spans in order: the span of each position, and the positions."""
    lengths = stops - starts
    owners = np.repeat(np.arange(len(starts)), lengths)
    return owners, np.arange(len(owners)) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)


@dataclass(frozen=True)
class Grouped:
    """Columns in consecutive groups.

    Attributes:
        offsets: (groups + 1,) int64; group ``g`` is positions ``offsets[g]:offsets[g + 1]`` of each column.
    """

    offsets: IntArray

    def lengths(self) -> IntArray:
        """(groups,) number of positions per group."""
        return np.diff(self.offsets)

    def owners(self) -> IntArray:
        """(n,) group of each position."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths())

    def positions(self) -> IntArray:
        """(n,) index of each position in its group, from 0."""
        return np.arange(int(self.offsets[-1])) - np.repeat(self.offsets[:-1], self.lengths())

    def positions_of(self, groups: IntArray | BoolArray | slice) -> tuple[IntArray, IntArray]:
        """The positions of some groups, in the given order: their offsets when taken out, and the positions."""
        starts, stops = self.offsets[:-1][groups], self.offsets[1:][groups]
        return offsets_of(stops - starts), spans(starts, stops)[1]


@dataclass(frozen=True)
class Ragged(Grouped):
    """Rows of different lengths.

    Attributes:
        offsets: (rows + 1,) int64; row ``r`` is ``values[offsets[r]:offsets[r + 1]]``.
        values: (n, ...) the rows, one after the other.
    """

    values: Array

    @classmethod
    def of_lengths(cls, lengths: IntArray | Sequence[int], values: Array) -> Self:
        """Rows of these lengths over ``values``, which holds them one after the other."""
        return cls(offsets_of(lengths), values)

    @classmethod
    def of_rows(cls, rows: Sequence[Sequence[Any] | Array], dtype: npt.DTypeLike) -> Self:
        """From a list of one-dimensional rows."""
        values = np.concatenate([np.asarray(row, dtype=dtype) for row in rows]) if rows else np.empty(0, dtype)
        return cls(offsets_of([len(row) for row in rows]), values)

    @classmethod
    def grouped(cls, owners: IntArray, count: int, values: Array) -> Self:
        """``count`` rows from values sorted by row; ``owners`` (n,) is the row of each."""
        return cls(offsets_of(np.bincount(owners, minlength=count)), values)

    @classmethod
    def single(cls, values: Array) -> Self:
        """One value per row."""
        return cls(np.arange(len(values) + 1), values)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Array:
        """One row, a view."""
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def rows(self) -> Iterator[Array]:
        """All rows in turn, as views."""
        for start, stop in zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist(), strict=True):
            yield self.values[start:stop]

    def take(self, rows: IntArray | BoolArray | slice) -> Self:
        """The chosen rows, in the given order."""
        offsets, positions = self.positions_of(rows)
        return type(self)(offsets, self.values[positions])

    def keep(self, mask: BoolArray) -> Self:
        """The same rows with only the values where ``mask`` (n,) holds."""
        return type(self)(offsets_of(mask)[self.offsets], self.values[mask])

    def replaced(self, values: Array) -> Self:
        """Other values, (n, ...), in the same rows."""
        if len(values) != self.offsets[-1]:
            raise ValueError(f"{len(values)} values for rows of {self.offsets[-1]}")
        return type(self)(self.offsets, values)

    def sums(self) -> Array:
        """(rows, ...) sum of the values of each row; 0 for an empty row."""
        before = np.concatenate([np.zeros_like(self.values[:1]), np.cumsum(self.values, axis=0)])
        if not len(self.values):
            before = np.zeros((1, *self.values.shape[1:]), dtype=self.values.dtype)
        total: Array = before[self.offsets[1:]] - before[self.offsets[:-1]]
        return total

    def pad(self, length: int, fill: Any, *, left: bool = False) -> Array:
        """(rows, length, ...) the first ``length`` values of each row, padded with ``fill`` on the right.

        Args:
            left: the last ``length`` values instead, padded on the left.
        """
        padded = np.full((len(self), length, *self.values.shape[1:]), fill, dtype=self.values.dtype)
        columns = self.positions()
        if left:
            columns = columns + length - np.repeat(self.lengths(), self.lengths())
        inside = (columns >= 0) & (columns < length)
        padded[self.owners()[inside], columns[inside]] = self.values[inside]
        return padded

    def save(self, path: Path) -> None:
        """Write it to one ``.npz`` file."""
        np.savez(path, offsets=self.offsets, values=self.values)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            OSError, ValueError, KeyError: the file is absent, damaged or has other content.
        """
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["offsets"], arrays["values"])
