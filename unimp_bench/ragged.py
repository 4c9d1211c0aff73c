"""Rows of different lengths in one flat array: the one container of this kind in the project.

Histories, shown items, texts as tokens, words of documents, nearest neighbours: whatever is "a list per user" is a
`Ragged`, or a dataclass whose columns share the offsets of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    """The positions ``starts[i]:stops[i]`` of all spans, one span after the other: span of each position, positions."""
    lengths = stops - starts
    owners = np.repeat(np.arange(len(starts)), lengths)
    return owners, np.arange(len(owners)) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths.

    Attributes:
        offsets: (rows + 1,) int64; row ``r`` is ``values[offsets[r]:offsets[r + 1]]``.
        values: (n, ...) the rows, one after the other.
    """

    offsets: IntArray
    values: Array

    @classmethod
    def of_lengths(cls, lengths: IntArray | Sequence[int], values: Array) -> Ragged:
        """Rows of these lengths over ``values``, which holds them one after the other."""
        return cls(offsets_of(lengths), values)

    @classmethod
    def of_rows(cls, rows: Sequence[Sequence[Any] | Array], dtype: npt.DTypeLike) -> Ragged:
        """From rows of their own, each one-dimensional."""
        values = np.concatenate([np.asarray(row, dtype=dtype) for row in rows]) if rows else np.empty(0, dtype)
        return cls(offsets_of([len(row) for row in rows]), values)

    @classmethod
    def grouped(cls, owners: IntArray, count: int, values: Array) -> Ragged:
        """``count`` rows from values sorted by the row that each belongs to, ``owners`` (n,)."""
        return cls(offsets_of(np.bincount(owners, minlength=count)), values)

    @classmethod
    def single(cls, values: Array) -> Ragged:
        """Rows of one value each."""
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

    def lengths(self) -> IntArray:
        """(rows,) number of values per row."""
        return np.diff(self.offsets)

    def owners(self) -> IntArray:
        """(n,) row of each value."""
        return np.repeat(np.arange(len(self)), self.lengths())

    def positions(self) -> IntArray:
        """(n,) position of each value in its row, from 0."""
        return np.arange(len(self.values)) - np.repeat(self.offsets[:-1], self.lengths())

    def take(self, rows: IntArray | BoolArray | slice) -> Ragged:
        """The chosen rows, in the given order."""
        offsets, positions = self.positions_of(rows)
        return Ragged(offsets, self.values[positions])

    def positions_of(self, rows: IntArray | BoolArray | slice) -> tuple[IntArray, IntArray]:
        """Of the chosen rows: the offsets they have when taken, and the positions of their values here."""
        starts, stops = self.offsets[:-1][rows], self.offsets[1:][rows]
        return offsets_of(stops - starts), spans(starts, stops)[1]

    def keep(self, mask: BoolArray) -> Ragged:
        """The same rows with only the values where ``mask`` (n,) holds."""
        return Ragged(offsets_of(mask)[self.offsets], self.values[mask])

    def replaced(self, values: Array) -> Ragged:
        """Other values, (n, ...), in the same rows."""
        if len(values) != self.offsets[-1]:
            raise ValueError(f"{len(values)} values for rows of {self.offsets[-1]}")
        return Ragged(self.offsets, values)

    def sums(self) -> Array:
        """(rows, ...) sum of the values of each row; 0 for an empty row."""
        before = np.concatenate([np.zeros_like(self.values[:1]), np.cumsum(self.values, axis=0)])
        if not len(self.values):
            before = np.zeros((1, *self.values.shape[1:]), dtype=self.values.dtype)
        total: Array = before[self.offsets[1:]] - before[self.offsets[:-1]]
        return total

    def pad(self, length: int, fill: Any, *, left: bool = False) -> Array:
        """(rows, length, ...) the first ``length`` values of each row, ``fill`` behind them.

        Args:
            left: the last ``length`` values instead, right-aligned, with ``fill`` before them.
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
    def load(cls, path: Path) -> Ragged:
        """Read what `save` wrote.

        Raises:
            OSError, ValueError, KeyError: the file is absent, damaged or another.
        """
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["offsets"], arrays["values"])
