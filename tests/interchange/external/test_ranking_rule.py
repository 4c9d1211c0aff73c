"""Target ranks from lists, and inconsistent lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.interchange.external.files import ValidAnswers, write_jsonl
from unimp_bench.errors import DataError
from unimp_bench.kinds.ranking import RankingKind, Reach, reach
from unimp_bench.kinds.ranks import rank_targets, top_items
from unimp_bench.metrics.scores import Missing, Score, Scores

ValidAnswersOf = Callable[..., ValidAnswers]


@pytest.mark.parametrize(
    ("place", "scores", "whole", "expected"),
    [
        (None, None, False, Reach(5, 48, 48)),
        (None, [4.0, 3.0, 2.0, 1.0], False, Reach(5, 48, 48)),
        (3, None, False, Reach(3, 48, 3)),
        (3, [4.0, 3.0, 2.0, 1.0], False, Reach(3, 3, 3)),
        (1, [3.0, 3.0, 3.0, 1.0], False, Reach(3, 3, 3)),
        (4, [4.0, 3.0, 2.0, 1.0], False, Reach(4, 48, 4)),
        (3, [4.0, 3.0, 1.0, 1.0], False, Reach(4, 48, 48)),
        (1, [1.0, 1.0, 1.0, 1.0], False, Reach(4, 48, 48)),
        (1, [1.0, 1.0, 1.0, 1.0], True, Reach(4, 4, 4)),
    ],
)
def test_ranks_follow_the_rule(place: int | None, scores: list[float] | None, whole: bool, expected: Reach) -> None:
    assert reach(place, 4, scores, whole, 48) == expected


@given(
    scores=st.lists(st.integers(0, 6), min_size=3, max_size=14),
    length=st.integers(1, 14),
    target=st.integers(0, 13),
)
def test_the_harness_rank_agrees_with_its_list(scores: list[int], length: int, target: int) -> None:
    """With scores, a list's rank is never better than the true one, and equal to it except for ties."""
    row = np.array([scores], dtype=np.float64)
    target %= len(scores)
    best = top_items(row, length)[0]
    best = best[best >= 0]
    rank = int(rank_targets(row, np.array([target]))[0])
    place = int(np.flatnonzero(best == target)[0]) + 1 if target in best else None
    is_whole = len(best) == len(scores)
    assert reach(place, len(best), None, is_whole, len(scores)).best <= rank
    found = reach(place, len(best), row[0, best].tolist(), is_whole, len(scores))
    assert found.best <= rank <= found.worst
    ends_tied = place is not None and not is_whole and row[0, target] == row[0, best[-1]]
    if place is not None and not ends_tied:
        assert found.given == rank
    if place is None:
        assert found.given == len(scores)


def test_a_rank_must_agree_with_its_items(valid_answers: ValidAnswersOf, tmp_path: Path) -> None:
    valid = valid_answers("recommendation")
    one = replace(valid, examples=valid.examples.select(slice(0, 1)))
    assert one.examples.targets is not None
    target = f"i{one.examples.targets[0]}"
    others = [f"i{item}" for item in range(48) if f"i{item}" != target]
    inside, outside = [*others[:4], target, *others[4:11]], others[:12]

    def rank(**cells: object) -> int:
        return int(one.read(write_jsonl(tmp_path / "p", [{"id": valid.rows[0]["id"], **cells}])).ranks[0])

    assert rank(items=inside) == rank(items=inside, rank=5) == 5
    assert rank(items=inside, rank=9) == 9
    assert rank(items=outside) == 48
    assert rank(items=outside, rank=13) == 13
    with pytest.raises(DataError, match="has rank 4, and by its items the target's rank is 5 to 48"):
        rank(items=inside, rank=4)
    with pytest.raises(DataError, match=r"has rank 6, and by its items the target's rank is 5$"):
        rank(items=inside, rank=6, scores=[float(-place) for place in range(12)])
    with pytest.raises(DataError, match="has rank 12, and by its items the target's rank is 13 to 48"):
        rank(items=outside, rank=12)


def test_ranks_alone_are_enough(valid_answers: ValidAnswersOf, tmp_path: Path) -> None:
    valid = valid_answers("recommendation")
    rows = [{"id": row["id"], "rank": 1 + number % 48} for number, row in enumerate(valid.rows)]
    ranking = valid.read(write_jsonl(tmp_path / "p", rows))
    assert ranking.ranks.tolist() == [row["rank"] for row in rows] and ranking.top.shape == (144, 0)


def test_masked_lists_hold_no_seen_item_and_fewer_places(valid_answers: ValidAnswersOf, tmp_path: Path) -> None:
    valid = valid_answers("recommendation", protocol="masked")
    valid.read(write_jsonl(tmp_path / "p", valid.rows))
    seen = valid.setting.corpus.items.names[valid.examples.history(0)[0]]
    kept = valid.rows[0]["items"]
    valid.rows[0]["items"] = [seen, *kept[1:]]
    with pytest.raises(DataError, match=f"holds '{seen}', a seen item, which protocol masked"):
        valid.read(write_jsonl(tmp_path / "p", valid.rows))
    places = 48 - len(set(valid.examples.history(0)))
    for rank, row in enumerate(valid.rows):
        row.pop("items")
        row["rank"] = places + 1 if rank == 0 else 1
    with pytest.raises(DataError, match=rf"outside 1\.\.{places}, "):
        valid.read(write_jsonl(tmp_path / "p", valid.rows))


def test_lists_that_are_short_or_unequal_are_refused(valid_answers: ValidAnswersOf, tmp_path: Path) -> None:
    valid = valid_answers("recommendation")
    short = [{**row, "items": row["items"][:4]} for row in valid.rows]
    with pytest.raises(DataError, match=r"at most 4 items; give 10 or more, and 50 for all metrics"):
        valid.read(write_jsonl(tmp_path / "p", short))
    with pytest.raises(DataError, match="1 of its 144 lists are shorter than the longest, which has 12 items"):
        valid.read(write_jsonl(tmp_path / "p", [short[0], *valid.rows[1:]]))
    ten = [{**row, "items": row["items"][:10]} for row in valid.rows]
    assert valid.read(write_jsonl(tmp_path / "p", ten)).top.shape == (144, 10)


def test_metrics_beyond_the_lists_are_missing(valid_answers: ValidAnswersOf, tmp_path: Path) -> None:
    valid = valid_answers("recommendation")
    kind = RankingKind()

    def scores(rows: list[dict[str, Any]]) -> Scores:
        return kind.scores(valid.read(write_jsonl(tmp_path / "p", rows)), valid.examples, valid.setting)

    twelve = scores(valid.rows)
    assert isinstance(twelve["NDCG@10"], Score)
    assert twelve["HR@20"] == Missing("the lists have 12 items: give 50, or the target's rank")
    with_ranks = scores([{"id": row["id"], "rank": 1} for row in valid.rows])
    assert all(isinstance(with_ranks[f"{name}@50"], Score) for name in ("HR", "NDCG", "MRR"))
    names = [f"i{item}" for item in range(48)]
    whole = scores([{"id": row["id"], "items": names} for row in valid.rows])
    assert isinstance(whole["HR@50"], Score), "nothing is left outside the list"


def test_all_rows_give_the_same_columns(valid_answers: ValidAnswersOf, tmp_path: Path) -> None:
    valid = valid_answers("recommendation")
    valid.rows[5]["rank"] = 48
    with pytest.raises(DataError, match=r"line 6 .* gives items and rank, where earlier rows give items"):
        valid.read(write_jsonl(tmp_path / "p", valid.rows))
    with pytest.raises(DataError, match="scores without items"):
        valid.read(write_jsonl(tmp_path / "p", [{"id": r["id"], "rank": 1, "scores": [1]} for r in valid.rows]))
