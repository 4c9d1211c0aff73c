"""Rows of different lengths, against lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unimp_bench.ragged import Ragged, offsets_of, spans

ROWS = st.lists(st.lists(st.integers(-9, 9), max_size=5), max_size=8)


def listed(ragged: Ragged) -> list[list[int]]:
    return [row.tolist() for row in ragged.rows()]


@given(ROWS)
def test_it_holds_the_rows(rows: list[list[int]]) -> None:
    ragged = Ragged.of_rows(rows, np.int64)
    assert listed(ragged) == rows and len(ragged) == len(rows)
    assert [ragged[n].tolist() for n in range(len(rows))] == rows
    assert ragged.lengths().tolist() == [len(row) for row in rows]
    assert ragged.owners().tolist() == [n for n, row in enumerate(rows) for _ in row]
    assert ragged.positions().tolist() == [n for row in rows for n in range(len(row))]
    assert ragged.sums().tolist() == [sum(row) for row in rows]
    assert listed(Ragged.grouped(ragged.owners(), len(rows), ragged.values)) == rows
    assert listed(Ragged.of_lengths(ragged.lengths(), ragged.values)) == rows
    assert listed(ragged.replaced(-ragged.values)) == [[-value for value in row] for row in rows]


@given(ROWS, st.data())
def test_rows_are_taken_and_values_kept(rows: list[list[int]], data: st.DataObject) -> None:
    ragged = Ragged.of_rows(rows, np.int64)
    numbers = data.draw(st.lists(st.sampled_from(range(len(rows))), max_size=9)) if rows else []
    assert listed(ragged.take(np.array(numbers, dtype=np.int64))) == [rows[number] for number in numbers]
    assert listed(ragged.take(slice(1, None))) == rows[1:]
    assert listed(ragged.keep(ragged.values > 0)) == [[value for value in row if value > 0] for row in rows]
    flags = np.array([len(row) > 1 for row in rows], dtype=bool)
    assert listed(ragged.take(flags)) == [row for row in rows if len(row) > 1]


@given(ROWS, st.integers(0, 6))
def test_padding_keeps_the_first_or_the_last(rows: list[list[int]], length: int) -> None:
    ragged = Ragged.of_rows(rows, np.int64)
    first = [(row[:length] + [99] * length)[:length] for row in rows]
    last = [([99] * length + row)[len(row) : len(row) + length] if length else [] for row in rows]
    assert ragged.pad(length, 99).tolist() == first
    assert ragged.pad(length, 99, left=True).tolist() == last


def test_values_may_have_more_axes() -> None:
    ragged = Ragged.of_lengths([1, 0, 2], np.arange(6.0).reshape(3, 2))
    assert ragged.sums().tolist() == [[0, 1], [0, 0], [6, 8]]
    assert ragged.pad(1, 0.0).tolist() == [[[0, 1]], [[0, 0]], [[2, 3]]]


def test_one_value_per_row() -> None:
    assert listed(Ragged.single(np.array([4, 2]))) == [[4], [2]]


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    Ragged.of_rows([[1], [], [2, 3]], np.int32).save(tmp_path / "rows.npz")
    loaded = Ragged.load(tmp_path / "rows.npz")
    assert listed(loaded) == [[1], [], [2, 3]] and loaded.values.dtype == np.int32


def test_other_values_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="2 values for rows of 3"):
        Ragged.of_rows([[1], [2, 3]], np.int64).replaced(np.array([1, 2]))


def test_offsets_and_spans() -> None:
    assert offsets_of([2, 0, 1]).tolist() == [0, 2, 2, 3]
    owners, positions = spans(np.array([5, 2]), np.array([7, 3]))
    assert (owners.tolist(), positions.tolist()) == ([0, 0, 1], [5, 6, 2])
