"""Texts that belong to interactions: reviews and explanations, read from disk when they are asked for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from unimp_bench.errors import DataError
from unimp_bench.records import IntArray


class Reviews:
    """Review text, row-aligned with the interactions."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, rows: IntArray) -> tuple[list[str], list[str]]:
        """(summaries, texts) of the given interaction rows."""
        table = take_rows(self._path, rows)
        return table.column("summary").to_pylist(), table.column("text").to_pylist()


class WholeReviews:
    """Each review as one text: its summary, and what was written below it."""

    def __init__(self, reviews: Reviews) -> None:
        self._reviews = reviews

    def take(self, numbers: IntArray) -> list[str]:
        """The texts of the reviews of these interaction rows."""
        return [f"{summary}\n{text}".strip() for summary, text in zip(*self._reviews.take(numbers), strict=True)]


class Explanations:
    """Sentences of users' own reviews that say why the item suits them or not; some interactions have one.

    Args:
        order: (interactions,) the stored rows in the order that a view shows them; None for the order as stored.
    """

    def __init__(self, path: Path, order: IntArray | None = None) -> None:
        self._path = path
        self._order = order

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def rows(self) -> IntArray:
        """(explanations,) int64: the interactions that have an explanation, sorted."""
        shown: IntArray = self._shown[self._stored_order]
        return shown

    def take(self, numbers: IntArray) -> list[str]:
        """Sentences of the explanations of these numbers, which count from 0 in the order of ``rows``."""
        stored = self._stored_order[numbers]
        sentences: list[str] = take_rows(self._path, stored, ["sentence"]).column("sentence").to_pylist()
        return sentences

    @cached_property
    def _shown(self) -> IntArray:
        """(explanations,) the interaction of each explanation, in the order that they are stored."""
        rows: IntArray = read_table(self._path, ["row"]).column("row").to_numpy()
        return rows if self._order is None else np.argsort(self._order)[rows]

    @cached_property
    def _stored_order(self) -> IntArray:
        """(explanations,) the stored explanations by their interactions."""
        return np.argsort(self._shown)


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A whole Parquet file of a corpus, or some columns of it.

    Raises:
        DataError: the file is damaged or lacks a column.
    """
    try:
        return pq.read_table(path, columns=columns, memory_map=True)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise _unreadable(path, error) from None


def take_rows(path: Path, rows: IntArray, columns: list[str] | None = None) -> pa.Table:
    """Some rows of a Parquet file, in the given order; only the row groups that hold them are read.

    Raises:
        DataError: the file is damaged.
    """
    try:
        file = pq.ParquetFile(path, memory_map=True)
        sizes = np.array([file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)], np.int64)
        ends = np.cumsum(sizes)
        groups, group_of = np.unique(np.searchsorted(ends, rows, side="right"), return_inverse=True)
        table = file.read_row_groups(groups.tolist(), columns)
        # Where a row stands among the groups read: less the rows of the groups left out before its own.
        skipped = (ends - sizes)[groups] - np.concatenate([[0], np.cumsum(sizes[groups])[:-1]])[: len(groups)]
        return table.take(pa.array(rows - skipped[group_of]))
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0]
    return DataError(f"corpus file {path} cannot be read ({reason}); build the corpus again")
