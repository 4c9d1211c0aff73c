"""Fusion of lists: by loops, one list alone, ties, and complementary rankings."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from unimp_bench.kinds.fusion import CONSTANTS, STEPS, Fusion, Mix
from unimp_bench.kinds.ranks import Ranking, rank_targets, top_items
from unimp_bench.ragged import Ragged
from unimp_bench.records import FloatArray, IntArray

ITEMS, LENGTH = 30, 8


def ranking_of(scores: FloatArray, targets: IntArray, seen: Ragged | None = None, length: int = LENGTH) -> Ranking:
    return Ranking(rank_targets(scores, targets, seen), top_items(scores, length, seen))


def drawn(seed: int, examples: int = 200) -> tuple[IntArray, Ragged, list[Ranking]]:
    """Targets, seen items, and three rankings with many ties."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, ITEMS, examples)
    seen = Ragged.of_rows([np.unique(rng.integers(0, ITEMS, 5)) for _ in range(examples)], np.int64)
    return (
        targets,
        seen,
        [ranking_of(rng.integers(0, 12, (examples, ITEMS)).astype(float), targets, seen) for _ in range(3)],
    )


@pytest.mark.parametrize("part", range(3))
def test_a_ranking_alone_keeps_its_lists_and_ranks(part: int) -> None:
    """Ranks beyond the list are unknown; those of masked targets within it are kept."""
    targets, seen, rankings = drawn(0)
    weights = tuple(float(each == part) for each in range(3))
    fused = Fusion(rankings, targets, ITEMS).ranking(Mix(weights, 60))
    assert np.array_equal(fused.top, rankings[part].top)
    known = rankings[part].ranks <= LENGTH
    assert known.any() and not known.all()
    assert any(targets[row] in seen[row] and known[row] for row in range(len(targets)))
    assert np.array_equal(fused.ranks, np.where(known, rankings[part].ranks, ITEMS))
    assert fused.depth == LENGTH


def test_scores_follow_the_definition() -> None:
    targets, _, rankings = drawn(1)
    mix = Mix((0.5, 0.3, 0.2), 10)
    fused = Fusion(rankings, targets, ITEMS)
    found = fused.ranking(mix)
    assert np.array_equal(fused.ranks(mix), found.ranks)
    for row, target in enumerate(targets.tolist()):
        scores: Counter[int] = Counter()
        bar = 0.0
        for weight, ranking in zip(mix.weights, rankings, strict=True):
            listed = [item for item in ranking.top[row].tolist() if item >= 0]
            for place, item in enumerate(listed, 1):
                scores[item] += weight / (10 + place)
            rank = int(ranking.ranks[row])
            if rank <= len(listed):
                bar += weight / (10 + rank - (0 if target in listed else 0.5))
        order = sorted(scores, key=lambda item: (-round(scores[item], 12), item))[:LENGTH]
        assert found.top[row].tolist() == order
        above = sum(score >= bar - 1e-12 for item, score in scores.items() if item != target)
        assert found.ranks[row] == (1 + above if bar else ITEMS)


def test_ties_count_against_the_target_and_lists_have_items_in_order() -> None:
    """Two lists in reverse order with equal weights: all three items tie."""
    targets = np.array([1, 2, 9])
    first = Ranking(np.array([1, 2, 20]), np.array([[1, 2], [1, 2], [1, 2]]))
    second = Ranking(np.array([2, 1, 20]), np.array([[2, 1], [2, 1], [2, 1]]))
    fusion = Fusion([first, second], targets, 20)
    even = fusion.ranking(Mix((0.5, 0.5), 60))
    assert even.ranks.tolist() == [2, 2, 20]
    assert even.top.tolist() == [[1, 2]] * 3
    assert fusion.ranks(Mix((0.6, 0.4), 60)).tolist() == [1, 2, 20]


def test_short_lists_stay_short() -> None:
    """Where a catalogue has no more items, -1 fills the list; an empty list holds nothing."""
    top = np.array([[3, 4, -1], [-1, -1, -1]])
    fused = Fusion([Ranking(np.array([1, 5]), top), Ranking(np.array([2, 5]), top[:, [1, 0, 2]])], np.array([3, 4]), 5)
    assert fused.ranking(Mix((1.0, 0.0), 60)).top.tolist() == top.tolist()
    assert fused.ranks(Mix((0.5, 0.5), 60)).tolist() == [2, 5]


def test_complementary_rankings_are_better_together() -> None:
    """Each finds the targets of one half, and noise else; the mixture finds nearly all."""
    rng = np.random.default_rng(2)
    targets = rng.integers(0, ITEMS, 200)
    rankings = []
    for half in range(2):
        scores = rng.random((200, ITEMS))
        scores[np.arange(200) % 2 == half, targets[np.arange(200) % 2 == half]] = 2
        rankings.append(ranking_of(scores, targets))
    fusion = Fusion(rankings, targets, ITEMS)
    alone, other, both = (
        float((fusion.ranks(Mix(weights, 1)) <= 3).mean()) for weights in ((1.0, 0.0), (0.0, 1.0), (0.5, 0.5))
    )
    assert both > 0.9 > 0.7 > max(alone, other)


@pytest.mark.parametrize(("parts", "number"), [(1, 1), (2, 11), (3, 66)])
def test_candidates_cover_the_simplex(parts: int, number: int) -> None:
    found = list(Mix.candidates(parts))
    weights = {mix.weights for mix in found}
    assert len(weights) == number and all(sum(each) == pytest.approx(1) for each in weights)
    assert len(found) == parts + (number - parts) * len(CONSTANTS) == len(set(found))
    assert {round(weight * STEPS, 9) % 1 for each in weights for weight in each} == {0}
