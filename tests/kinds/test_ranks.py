"""Target ranks and top lists against brute force, and what the harness refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unimp_bench.contracts import FitData, Ranker
from unimp_bench.corpus import Items
from unimp_bench.errors import DataError, ModelError
from unimp_bench.kinds.ranks import rank_examples, rank_targets, seen_columns, top_items
from unimp_bench.ragged import Ragged
from unimp_bench.records import Examples, FloatArray, Histories, IntArray


@dataclass(frozen=True)
class Case:
    """Scores with many ties, a target a row, and seen columns, with or without the target among them."""

    scores: FloatArray
    targets: IntArray
    seen: list[list[int]]

    @property
    def csr(self) -> Ragged:
        return Ragged.of_rows(self.seen, np.int64)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rows, columns = draw(st.integers(1, 4)), draw(st.sampled_from([1, 2, 7, 70, 700]))
    levels = draw(st.sampled_from([1, 2, 5, 1000]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = rng.integers(-levels, levels, (rows, columns)).astype(draw(st.sampled_from([np.float32, np.float64])))
    shares = rng.random((rows, 1)) * draw(st.sampled_from([0.05, 1.0]))
    seen = [np.flatnonzero(row).tolist() for row in rng.random((rows, columns)) < shares]
    return Case(scores, rng.integers(0, columns, rows), seen)


@settings(deadline=None)
@given(cases())
def test_ranks_equal_those_of_a_sort_with_the_target_last_among_equals(case: Case) -> None:
    for seen, hidden in ((None, [[] for _ in case.seen]), (case.csr, case.seen)):
        expected = []
        for scores, target, out in zip(case.scores, case.targets, hidden, strict=True):
            competitors = [column for column in range(len(scores)) if column == target or column not in out]
            order = sorted(competitors, key=lambda column: (-scores[column], column == target))
            expected.append(order.index(target) + 1)
        assert rank_targets(case.scores, case.targets, seen).tolist() == expected


@settings(deadline=None)
@given(cases(), st.sampled_from([1, 3, 10]))
def test_lists_equal_those_of_a_sort_with_lower_columns_first_among_equals(case: Case, k: int) -> None:
    for seen, hidden in ((None, [[] for _ in case.seen]), (case.csr, case.seen)):
        top = top_items(case.scores, k, seen)
        for scores, found, out in zip(case.scores, top, hidden, strict=True):
            left = [column for column in range(len(scores)) if column not in out]
            best = sorted(left, key=lambda column: (-scores[column], column))[:k]
            assert found.tolist() == best + [-1] * (k - len(best))


def test_ties_count_against_the_model() -> None:
    assert rank_targets(np.zeros((1, 50)), np.array([0])).tolist() == [50]


@dataclass(frozen=True)
class NoConfig:
    """No settings."""


class Fixed(Ranker[NoConfig]):
    """Gives what a function of the examples says, and remembers the blocks it was asked for."""

    Config = NoConfig

    def __init__(self, scores: Callable[[Examples], Any]) -> None:
        super().__init__(NoConfig())
        self.scores = scores
        self.blocks: list[Examples] = []

    def fit(self, data: FitData) -> None: ...

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path, items: Items, cache: Path) -> None: ...

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        self.blocks.append(examples)
        return self.scores(examples)


# Items 10 to 49 can be answers; the histories also hold item 3, which cannot, and item 12 twice.
CATALOGUE = np.arange(10, 50)
TABLE = np.random.default_rng(0).integers(0, 9, (4, len(CATALOGUE))).astype(np.float32)


def _examples(targets: list[int]) -> Examples:
    histories = Histories(
        offsets=np.array([0, 3, 3, 6, 8]),
        items=np.array([12, 3, 12, 20, 30, 40, 11, 13], dtype=np.int32),
        ratings=np.full(8, np.nan, dtype=np.float32),
        times=np.arange(8),
    )
    return Examples(
        task="recommendation",
        split="loo",
        part="test",
        histories=histories,
        users=np.array([2, 0, 1, 3], dtype=np.int32),
        ends=np.array([5, 3, 3, 8]),  # the first history stops before its item 40
        targets=np.array(targets, dtype=np.int32),
    )


def test_seen_columns_count_each_item_once_and_stop_at_the_end_of_the_history() -> None:
    seen = seen_columns(_examples([10, 10, 10, 10]), CATALOGUE)
    assert [(CATALOGUE[seen[row]]).tolist() for row in range(4)] == [[20, 30], [12], [], [11, 13]]


@pytest.mark.parametrize("protocol", ["paper", "masked"])
@pytest.mark.parametrize("block", [1, 3, 100])
def test_examples_are_ranked_the_same_in_blocks_of_any_size(protocol: Any, block: int) -> None:
    examples = _examples([30, 25, 49, 10])
    rows = {user: row for row, user in enumerate(examples.users)}
    model = Fixed(lambda block: TABLE[[rows[user] for user in block.users]])
    ranking = rank_examples(
        model, examples, CATALOGUE, protocol, top=5, byte_budget=block * 8 * len(CATALOGUE), label="fixed"
    )
    histories = [[20, 30], [12, 3], [], [11, 13]] if protocol == "masked" else [[], [], [], []]
    for row, (target, seen) in enumerate(zip([30, 25, 49, 10], histories, strict=True)):
        scores = dict(zip(CATALOGUE.tolist(), TABLE[row].tolist(), strict=True))
        rivals = [item for item in scores if item != target and item not in seen]
        assert ranking.ranks[row] == 1 + sum(scores[item] >= scores[target] for item in rivals)
        left = [item for item in scores if item not in seen]
        assert ranking.top[row].tolist() == sorted(left, key=lambda item: (-scores[item], item))[:5]
    assert max(len(asked) for asked in model.blocks) <= block
    assert all(asked.targets is None for asked in model.blocks)


def test_no_lists_unless_requested() -> None:
    ranking = rank_examples(Fixed(lambda _: TABLE), _examples([10] * 4), CATALOGUE, "paper", top=0, label="fixed")
    assert ranking.top.shape == (4, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_name_the_model(value: float) -> None:
    scores = TABLE.copy()
    scores[2, 7] = value
    with pytest.raises(ModelError, match=r"^wobbly gave NaN or infinite scores for 1 of 4 examples"):
        rank_examples(Fixed(lambda _: scores), _examples([10] * 4), CATALOGUE, "paper", label="wobbly")


def test_finite_scores_with_an_overflowing_sum_are_valid() -> None:
    scores = np.full_like(TABLE, 3e38)
    ranking = rank_examples(Fixed(lambda _: scores), _examples([10] * 4), CATALOGUE, "paper", label="huge")
    assert ranking.ranks.tolist() == [40] * 4


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (TABLE[:, :-1], r"wobbly gave scores of shape \(4, 39\) for 4 examples and 40 items"),
        (TABLE[0], r"wobbly gave scores of shape \(40,\)"),
        (TABLE.astype(np.int64), "wobbly gave scores of type int64"),
        (TABLE.tolist(), "wobbly gave scores of type list"),
    ],
)
def test_scores_of_a_wrong_shape_or_type_are_refused(scores: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        rank_examples(Fixed(lambda _: scores), _examples([10] * 4), CATALOGUE, "paper", label="wobbly")


def test_a_target_outside_the_catalogue_is_refused() -> None:
    with pytest.raises(DataError, match=r"2 targets are not in the catalogue of split loo \(first: item 9\)"):
        rank_examples(Fixed(lambda _: TABLE), _examples([10, 9, 50, 11]), CATALOGUE, "paper", label="fixed")
