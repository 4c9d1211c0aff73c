"""Memorisation and logics of generalisation: the definitions by loops, a worked example, exclusive classes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from unimp_bench.corpus import Corpus
from unimp_bench.records import DRAWN_SPLITS, Examples, Histories
from unimp_bench.reports.audit.corpus.cuts import CUTS, HOPS, LOGICS
from unimp_bench.reports.audit.corpus.interactions import evaluated_splits
from unimp_bench.reports.audit.corpus.logics import classes, smallest_hops
from unimp_bench.reports.audit.corpus.measure import logics

Walk = Sequence[int]


def histories_of(walks: Sequence[Walk]) -> Histories:
    offsets = np.cumsum([0, *map(len, walks)])
    items = np.array(list(itertools.chain.from_iterable(walks)), dtype=np.int32)
    return Histories(offsets, items, np.full(len(items), np.nan), np.arange(len(items)))


def asked(questions: Sequence[tuple[Walk, int]]) -> Examples:
    """Test examples with these histories and targets."""
    histories = histories_of([history for history, _ in questions])
    targets = np.array([target for _, target in questions])
    return Examples("any", "test", "loo", histories, np.arange(len(questions)), histories.offsets[1:], targets=targets)


def by_loops(walks: Sequence[Walk], history: Walk, target: int) -> dict[str, int]:
    """The smallest hop of each label, by the words of the definitions."""
    found = dict.fromkeys(LOGICS, 0)
    for hop in range(1, min(HOPS, len(history)) + 1):
        near = {
            (walk[i], walk[j]) for walk in walks for i, j in itertools.combinations(range(len(walk)), 2) if j - i <= hop
        }
        every = {item for walk in walks for item in walk}
        for u in history[-hop:]:
            holds = {
                "memorised": hop == 1 and (u, target) in near,
                "substitutable": hop > 1 and (u, target) in near,
                "symmetric": (target, u) in near,
                "transitive": any((u, w) in near and (w, target) in near for w in every),
                "second_order": any(
                    ((target, w) in near and ((w, u) in near or (u, w) in near))
                    or ((w, target) in near and (w, u) in near)
                    for w in every
                ),
            }
            if holds["memorised"]:
                return {**dict.fromkeys(LOGICS, 0), "memorised": 1}
            found.update({name: hop for name in LOGICS if holds[name] and not found[name]})
    return found


def hops_of(walks: Sequence[Walk], questions: Sequence[tuple[Walk, int]], items: int) -> list[dict[str, int]]:
    found = smallest_hops(histories_of(walks), items, asked(questions))
    return [{name: int(found[name][row]) for name in LOGICS} for row in range(len(questions))]


def test_the_worked_example() -> None:
    """Training a b c and c d: (b; a) is symmetric; (x a; d) is transitive through c at two hops, and no sequence has
    both a and d."""
    a, b, c, d, x = range(5)
    reverse, through, memory, unseen = hops_of(
        [(a, b, c), (c, d)], [((x, b), a), ((x, a), d), ((x, b), c), ((a,), x)], 5
    )
    assert (reverse["symmetric"], reverse["memorised"]) == (1, 0)
    assert (through["transitive"], through["substitutable"], through["symmetric"]) == (2, 0, 0)
    assert memory == {"memorised": 1, "substitutable": 0, "symmetric": 0, "transitive": 0, "second_order": 0}
    assert not any(unseen.values())


@pytest.mark.parametrize("seed", range(3))
def test_random_sequences_match_loops(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """50 sequences, with repeated items and empty ones, in small blocks."""
    monkeypatch.setattr("unimp_bench.reports.audit.corpus.logics._BLOCK", 7)
    rng = np.random.default_rng(seed)
    items = 60
    walks = [rng.integers(0, items - 1, rng.integers(0, 6)).tolist() for _ in range(50)]
    questions = [(rng.integers(0, items, rng.integers(0, 7)).tolist(), int(rng.integers(0, items))) for _ in range(80)]
    found = hops_of(walks, questions, items)
    assert found == [by_loops(walks, history, target) for history, target in questions]
    for name in LOGICS[1:]:
        assert len({each[name] for each in found}) > 1, name


def test_classes_are_exclusive_and_by_strictness(chance: Corpus) -> None:
    for training, test in evaluated_splits(chance, DRAWN_SPLITS):
        hops = smallest_hops(training.histories, training.items, test)
        found = classes(hops)
        assert list(found) == [*LOGICS, "none"] == [cut.name for cut in CUTS if not cut.no]
        assert (np.sum(list(found.values()), axis=0) == 1).all()
        for row in range(len(test)):
            first = next((name for name in LOGICS if hops[name][row]), "none")
            assert found[first][row]
        measured = logics(training, test)
        assert measured.memorised == pytest.approx((hops["memorised"] == 1).mean(), abs=1e-6)
        assert measured.hops["symmetric"][1] == pytest.approx((hops["symmetric"] == 2).mean(), abs=1e-6)
        assert measured.none == pytest.approx(found["none"].mean(), abs=1e-6)
