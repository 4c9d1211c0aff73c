"""Cold items in rankings against brute force over scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unimp_bench.kinds.cold import cold_ranks
from unimp_bench.kinds.ranks import Ranking, rank_targets, top_items
from unimp_bench.metrics.ranking import RankMetric
from unimp_bench.ragged import Ragged

CUTOFF = 3


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 40]), st.sampled_from([0, 0.2, 0.9]), st.sampled_from([5, 9, 30]))
def test_ranks_without_cold_items_are_those_of_scores_without_them(
    seed: int, levels: int, share: float, length: int
) -> None:
    """The first items of the catalogue are numbers 2, 4, ..; some columns are seen, the target's own one too."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (6, 24)).astype(np.float64)
    catalogue, targets = np.arange(2, 50, 2), rng.integers(0, 24, 6)
    seen = [np.flatnonzero(row).tolist() for row in rng.random((6, 24)) < 0.1]
    popularity = np.ones(50, dtype=np.int64)
    popularity[catalogue[rng.random(24) < share]] = 0
    popularity[[1, 3]] = 0  # of no candidate
    hidden = Ragged.of_rows(seen, np.int64)
    ranks = rank_targets(scores, targets, hidden)
    columns = top_items(scores, length, hidden)
    top = np.where(columns >= 0, catalogue[columns], -1)
    found = cold_ranks(Ranking(ranks, top), catalogue[targets], catalogue, popularity, CUTOFF)
    cold = popularity[catalogue] == 0
    assert found.items == cold.sum() and found.targets.tolist() == cold[targets].tolist()
    entries = [item for row in top[:, :CUTOFF] for item in row if item >= 0]
    assert found.listed == pytest.approx(np.mean([popularity[item] == 0 for item in entries]))
    expected, certain = [], []
    for row, target in enumerate(targets):
        others = [
            at for at in range(24) if at != target and at not in seen[row] and scores[row, at] >= scores[row, target]
        ]
        expected.append(1 + sum(not cold[at] for at in others))
        listed = [item for item in top[row] if item >= 0 and item != catalogue[target]]
        certain.append(len(others) <= len(listed) or sum(popularity[item] > 0 for item in listed) >= CUTOFF)
    if found.above is None:
        assert not all(certain) and cold.any()
        return
    assert all(certain) or not cold.any()
    metric = RankMetric("NDCG", CUTOFF)
    without = ranks - found.above
    assert metric.values(without).tolist() == metric.values(np.array(expected)).tolist()
    in_list = ranks <= length
    assert without[in_list].tolist() == np.array(expected)[in_list].tolist()


def test_without_lists_nothing_is_known_unless_no_item_is_cold() -> None:
    bare = Ranking(np.array([4, 1]), np.zeros((2, 0), dtype=np.int64))
    catalogue, targets = np.arange(5), np.array([0, 1])
    some = cold_ranks(bare, targets, catalogue, np.array([0, 1, 1, 1, 1]), CUTOFF)
    assert (some.items, some.above, some.listed) == (1, None, None) and some.targets.tolist() == [True, False]
    none = cold_ranks(bare, targets, catalogue, np.ones(5, dtype=np.int64), CUTOFF)
    assert none.items == 0 and none.above is not None and not none.above.any()
