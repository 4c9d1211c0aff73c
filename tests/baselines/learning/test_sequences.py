"""Windows and batches of histories: completeness, no duplicates, padding on the right."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from baselines.learning.interactions import Interactions
from baselines.learning.sequences import batches, ends_of_histories, padded, sampled_histories, windows
from unimp_bench.errors import UsageError
from unimp_bench.ragged import Ragged
from unimp_bench.records import Examples, Histories

LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13)


def training_part(lengths: tuple[int, ...] = LENGTHS) -> Interactions:
    """Users with the given numbers of items; all items are distinct."""
    items = np.arange(sum(lengths))
    return Interactions(np.arange(len(lengths)), items, Ragged.of_lengths(lengths, items))


def transitions(lengths: tuple[int, ...]) -> list[tuple[int, int]]:
    """All transitions from an interaction to the user's next one."""
    ends = np.cumsum(lengths)
    return [(row, row + 1) for row in range(ends[-1]) if row + 1 not in ends]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 20])
def test_every_transition_is_in_exactly_one_window(length: int) -> None:
    part = training_part()
    cut = windows(part, length)
    spans = [range(start, stop - 1) for start, stop in zip(cut.starts, cut.stops, strict=True)]
    found = Counter((row, row + 1) for span in spans for row in span)
    assert found == Counter(transitions(LENGTHS))
    assert (cut.stops - cut.starts).max() <= length + 1
    assert np.array_equal(part.owners[cut.starts], cut.users) and np.array_equal(part.owners[cut.stops - 1], cut.users)


@pytest.mark.parametrize("length", [1, 3, 20])
def test_windows_without_overlap_have_every_item_once(length: int) -> None:
    cut = windows(training_part(), length, shared=0, min_length=1)
    rows = [row for start, stop in zip(cut.starts, cut.stops, strict=True) for row in range(start, stop)]
    assert sorted(rows) == list(range(sum(LENGTHS)))
    assert (cut.stops - cut.starts).max() <= length


def test_the_newest_window_of_a_user_is_full() -> None:
    cut = windows(training_part((8,)), 3)
    assert list(zip(cut.starts, cut.stops, strict=True)) == [(4, 8), (1, 5), (0, 2)]


def test_short_windows_are_left_out() -> None:
    cut = windows(training_part(), 20, min_length=5)
    assert (cut.stops - cut.starts).min() == 5


def test_an_epoch_has_every_window_once_and_pads_little() -> None:
    rng = np.random.default_rng(0)
    cut = windows(training_part(tuple(rng.integers(2, 50, 400))), 50)
    lengths = cut.stops - cut.starts
    first, second = (list(batches(cut, 16, np.random.default_rng(seed))) for seed in (1, 2))
    for epoch in (first, second):
        assert sorted(np.concatenate(epoch)) == list(range(len(cut)))
        assert max(map(len, epoch)) == 16
        assert sum(len(rows) * lengths[rows].max() for rows in epoch) < 1.2 * lengths.sum()
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))


@pytest.mark.parametrize("count", [7, 1000])
def test_histories_are_sampled_without_repetition_and_have_a_next_item(count: int) -> None:
    part = training_part()
    drawn = sampled_histories(part, 4, count, np.random.default_rng(0))
    found = list(zip((drawn.stops - 1).tolist(), drawn.stops.tolist(), strict=True))
    assert len(drawn) == len(set(found)) == min(count, len(transitions(LENGTHS)))
    assert set(found) <= set(transitions(LENGTHS))
    begins = part.sequences.offsets[drawn.users]
    assert np.array_equal(drawn.starts, np.maximum(begins, drawn.stops - 4))


def test_batches_do_not_come_in_order_of_length() -> None:
    rng = np.random.default_rng(0)
    cut = windows(training_part(tuple(rng.integers(2, 50, 400))), 50)
    longest = [(cut.stops - cut.starts)[rows].max() for rows in batches(cut, 16, rng)]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.6


def test_batches_by_items_have_similar_numbers_of_items() -> None:
    cut = windows(training_part(tuple(np.random.default_rng(0).integers(2, 50, 400))), 50)
    lengths = cut.stops - cut.starts
    parts = list(batches(cut, 16, np.random.default_rng(1), by_items=True))
    assert sorted(np.concatenate(parts)) == list(range(len(cut)))
    items = np.array([lengths[rows].sum() for rows in parts])
    assert np.abs(items[items > items.min()] - 16 * lengths.mean()).max() <= lengths.max()
    assert sum(len(rows) * lengths[rows].max() for rows in parts) < 1.3 * lengths.sum()
    # So a mean over the positions of a batch weighs them all alike; among batches of 16 windows it does not.
    by_items, by_windows = (
        np.mean([np.average(lengths[rows], weights=lengths[rows]) for rows in epoch])
        for epoch in (parts, batches(cut, 16, np.random.default_rng(1)))
    )
    truth = np.average(lengths, weights=lengths)
    assert abs(by_items - truth) < 1 < abs(by_windows - truth)


def test_no_batch_joins_the_longest_of_one_pool_with_the_shortest_of_the_next() -> None:
    cut = windows(training_part((*([2] * 600), *([50] * 600))), 50)
    lengths = cut.stops - cut.starts
    mixed = [rows for rows in batches(cut, 16, np.random.default_rng(0), by_items=True) if len(set(lengths[rows])) > 1]
    pools = -(-len(cut) // (16 * 16))
    assert pools == 5 and len(mixed) <= pools, "a pool has one border between short and long windows, not two"


def test_padding_is_on_the_right() -> None:
    rows = padded(np.array([5, 6, 7, 8]), np.array([0, 3, 1]), np.array([1, 4, 4]), padding=9)
    assert rows.tolist() == [[5, 9, 9], [8, 9, 9], [6, 7, 8]]


def test_the_end_of_a_history_in_rows_of_the_fit() -> None:
    part = Interactions(np.arange(1), np.array([10, 20, 30, 40]), Ragged.of_rows([[0]], np.int64))
    histories = Histories(
        np.array([0, 4, 6]), np.array([40, 10, 20, 30, 20, 10], np.int32), np.ones(6, np.float32), np.arange(6)
    )
    examples = Examples("recommendation", "loo", "test", histories, np.array([0, 1, 0]), np.array([4, 5, 2]), None)
    rows, lengths = ends_of_histories(examples, part, 3)
    assert rows.tolist() == [[0, 1, 2], [1, 4, 4], [3, 0, 4]]
    assert lengths.tolist() == [3, 1, 2]
    unknown = Interactions(np.arange(1), np.array([10, 20, 40]), part.sequences)
    with pytest.raises(UsageError, match="item 30 was not in the catalogue"):
        ends_of_histories(examples, unknown, 3)
