"""The cleaning rules against equivalent loops."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data_prep.cleaning import draw_held_out, first_of_each_pair, k_core, number_by_name

ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5), st.integers(0, 4)), max_size=60)


def _columns(rows: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(rows, dtype=np.int32).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2].astype(np.float64)


@given(ROWS)
def test_first_of_each_pair_is_the_earliest_by_time_then_rank(rows: list[tuple[int, int, int]]) -> None:
    best: dict[tuple[int, int], int] = {}
    for number, (user, item, time) in enumerate(rows):
        if (user, item) not in best or time < rows[best[user, item]][2]:
            best[user, item] = number
    assert first_of_each_pair(*_columns(rows), np.arange(len(rows))).tolist() == sorted(best.values())


@given(ROWS, st.integers(0, 4), st.integers(0, 4))
def test_k_core_equals_iterative_removal(rows: list[tuple[int, int, int]], user_core: int, item_core: int) -> None:
    kept = list(range(len(rows)))
    while True:
        users, items = Counter(rows[row][0] for row in kept), Counter(rows[row][1] for row in kept)
        poor = [row for row in kept if users[rows[row][0]] < user_core or items[rows[row][1]] < item_core]
        if not poor:
            break
        kept.remove(poor[0])
    users_column, items_column, _ = _columns(rows)
    assert np.flatnonzero(k_core(users_column, items_column, user_core, item_core)).tolist() == kept


def test_numbers_follow_the_sorted_names() -> None:
    by_name, numbers = number_by_name(np.array([3, 0, 3, 1]), ["pear", "apple", "unused", "fig"])
    assert by_name.tolist() == [1, 3, 0]
    assert numbers.tolist() == [1, 2, 1, 0]


def test_held_out_users_do_not_depend_on_the_order() -> None:
    names = [f"user{number}" for number in range(1000)]
    eligible = np.arange(1000) < 800
    drawn = draw_held_out(names, eligible, 0.1, seed=3)
    assert drawn.sum() == 80
    assert not drawn[800:].any()
    backwards = draw_held_out(names[::-1], eligible[::-1], 0.1, seed=3)
    assert np.array_equal(backwards[::-1], drawn)
    assert not np.array_equal(draw_held_out(names, eligible, 0.1, seed=4), drawn)


def test_removing_a_user_changes_at_most_one_other() -> None:
    names = [f"user{number}" for number in range(500)]
    full = draw_held_out(names, np.ones(500, dtype=np.bool_), 0.1, seed=0)
    fewer = draw_held_out(names[1:], np.ones(499, dtype=np.bool_), 0.1, seed=0)
    assert np.sum(full[1:] != fewer) <= 1
