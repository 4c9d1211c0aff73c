"""Transitions, ties, leaks and skew: against plain loops, and planted ones."""

from __future__ import annotations

import itertools
import statistics
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reports.audit.corpus.planting import DAY, ITEMS, START, write_planted
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.records import DRAWN_SPLITS, Examples, Histories
from unimp_bench.reports.audit.corpus.interactions import (
    Training,
    evaluated_splits,
    from_the_future,
    gini,
    in_history,
    later_share,
    leaks,
    one_transition,
    skew,
    tied_targets,
    ties,
    transitions,
)

Event = tuple[int, int]


def walks_of(histories: Histories) -> list[list[Event]]:
    """(item, time) of each user, as lists."""
    cuts = histories.offsets.tolist()
    rows = list(zip(histories.items.tolist(), histories.times.tolist(), strict=True))
    return [rows[start:stop] for start, stop in itertools.pairwise(cuts)]


def questions(corpus: Corpus, test: Examples) -> list[tuple[int, list[Event], Event]]:
    """User, history and target of each example."""
    every = walks_of(corpus.histories)
    found = []
    for number, user in enumerate(test.users.tolist()):
        place = int(test.rows[number] - corpus.histories.offsets[user])
        known = len(test.history(number))
        found.append((user, every[user][:known], every[user][place]))
    return found


def edges_of(training: Training) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """The (user, time) of every transition, by source and target."""
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for user, walk in enumerate(walks_of(training.histories)):
        for (source, _), (target, time) in itertools.pairwise(walk):
            edges.setdefault((source, target), []).append((user, time))
    return edges


@pytest.fixture(params=DRAWN_SPLITS)
def evaluated(request: pytest.FixtureRequest, chance: Corpus) -> tuple[Training, Examples]:
    found = {training.split: (training, test) for training, test in evaluated_splits(chance, DRAWN_SPLITS)}
    assert set(found) == set(DRAWN_SPLITS)
    return found[request.param]


def test_new_users_share_the_training_part_of_loo(chance: Corpus) -> None:
    found = {training.split: walks_of(training.histories) for training, _ in evaluated_splits(chance, DRAWN_SPLITS)}
    assert found["new-user"] == found["loo"] != found["new-domain"]


def test_transitions_match_a_plain_graph(chance: Corpus, evaluated: tuple[Training, Examples]) -> None:
    training, test = evaluated
    edges = set(edges_of(training))
    popularity = [item for walk in walks_of(training.histories) for item, _ in walk]
    catalogue = training.catalogue.tolist()
    ahead = {item: {b for a, b in edges if a == item} for item in range(ITEMS)}
    around = {item: ahead[item] | {a for a, b in edges if b == item} for item in range(ITEMS)}
    two = {item: ahead[item].union(*(ahead[next_one] for next_one in ahead[item])) for item in range(ITEMS)}
    asks = [(history[-1][0], target) for _, history, (target, _) in questions(chance, test)]
    found = transitions(training, test)
    assert found.out_degree == pytest.approx(statistics.mean(len(ahead[last]) for last, _ in asks), abs=1e-6)
    for reach, leads in ((found.direct, ahead), (found.undirected, around), (found.two, two)):
        hits = [target in leads[last] for last, target in asks]
        assert reach.share == pytest.approx(statistics.mean(hits), abs=1e-6)
        uniform = [statistics.mean(item in leads[last] for item in catalogue) for last, _ in asks]
        assert reach.random_item == pytest.approx(statistics.mean(uniform), abs=1e-6)
        popular = [statistics.mean(item in leads[last] for item in popularity) for last, _ in asks]
        assert reach.random_interaction == pytest.approx(statistics.mean(popular), abs=1e-6)
    assert 0 < found.direct.share < found.undirected.share < 1 and found.direct.share < found.two.share
    assert one_transition(training, test).tolist() == [target in ahead[last] for last, target in asks]


def test_own_transitions_are_excluded(tmp_path: Path) -> None:
    """The user repeats 0, 1, so only the own training sequence has the transition from 0 to 1."""
    own = [(item, START + day * DAY) for day, item in enumerate((0, 1, 2, 0, 1))]
    other = [(item, START + day * DAY) for day, item in enumerate((3, 0, 1, 4, 5))]
    for walks, expected in (([own], [False]), ([own, other], [True, False])):
        corpus = write_planted(tmp_path / f"walks{len(walks)}", walks, 6)
        ((training, test),) = evaluated_splits(corpus, ("loo",))
        assert transitions(training, test).direct.share == 1 / len(walks)
        assert one_transition(training, test).tolist() == expected


def test_leaks_match_plain_loops(chance: Corpus, evaluated: tuple[Training, Examples]) -> None:
    training, test = evaluated
    walks = walks_of(training.histories)
    asks = questions(chance, test)
    edges = edges_of(training)
    after, near, future = [], [], []
    for user, history, (target, now) in asks:
        others = [time for other, walk in enumerate(walks) if other != user for _, time in walk]
        after.append(sum(time > now for time in others) / len(others))
        went = [time for other, time in edges.get((history[-1][0], target), []) if other != user]
        near.append(bool(went))
        future.append(bool(went) and min(went) > now)
    found = leaks(chance, training, test)
    assert found is not None
    quartiles = statistics.quantiles(after, n=4, method="inclusive")
    assert [found.after.mean, found.after.low, found.after.median, found.after.high] == pytest.approx(
        [statistics.mean(after), *quartiles], abs=1e-6
    )
    times = [time for walk in walks for _, time in walk]
    median = statistics.median(times)
    assert found.before_median == pytest.approx(statistics.mean(now < median for _, _, (_, now) in asks), abs=1e-6)
    assert from_the_future(chance, training, test).tolist() == future
    assert found.transitions == pytest.approx(sum(future) / sum(near), abs=1e-6)
    firsts: dict[int, int] = {}
    for item, time in itertools.chain.from_iterable(walks):
        firsts[item] = min(time, firsts.get(item, time))
    late = [firsts.get(target, now) > now for _, _, (target, now) in asks]
    assert found.items == pytest.approx(statistics.mean(late), abs=1e-6)
    assert found.unseen == pytest.approx(statistics.mean(target not in firsts for _, _, (target, _) in asks), abs=1e-6)
    if training.split == "global-time":
        assert (found.after.mean, found.before_median, found.transitions, found.items) == (0, 0, 0, 0)
    else:
        assert 0.1 < found.after.mean < 0.9 and any(future) and found.before_median > 0


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=5).filter(any),
    st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 11)), min_size=1, max_size=8),
)
def test_later_share_excludes_own_interactions(times: list[list[int]], asks: list[tuple[int, int]]) -> None:
    """Own training interactions may be later than the target, as in public splits."""
    asks = [(user % len(times), now) for user, now in asks]
    offsets = np.concatenate([[0], np.cumsum([len(own) for own in times])])
    flat = np.array(list(itertools.chain.from_iterable(times)))
    train = Histories(offsets, np.zeros(len(flat), dtype=np.int32), np.zeros(len(flat)), flat)
    found = later_share(train, np.array([user for user, _ in asks]), np.array([now for _, now in asks]))
    for (user, now), got in zip(asks, found, strict=True):
        others = [time for other, own in enumerate(times) if other != user for time in own]
        assert got == (sum(time > now for time in others) / len(others) if others else 0)


def test_blocks_change_nothing(chance: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [
        (transitions(*evaluated), in_history(evaluated[1], np.less))
        for evaluated in evaluated_splits(chance, DRAWN_SPLITS)
    ]
    monkeypatch.setattr("unimp_bench.reports.audit.corpus.interactions._BLOCK", 3)
    monkeypatch.setattr("unimp_bench.reports.audit.corpus.interactions._STEPS", 7)
    for (expected, yes), evaluated in zip(whole, evaluated_splits(chance, DRAWN_SPLITS), strict=True):
        assert transitions(*evaluated) == expected
        assert np.array_equal(in_history(evaluated[1], np.less), yes) and 0 < yes.mean() < 1


def test_a_planted_leak_is_found(tmp_path: Path) -> None:
    """One user ends before all others begin; only the others have the transition to the target, or its item."""
    early = [(item, START + day * DAY) for day, item in enumerate((0, 1, 2))]
    late = [[(item, START + (100 + day) * DAY) for day, item in enumerate((1, 2, 3, 4, 5))] for _ in range(4)]
    corpus = write_planted(tmp_path / "leak", [early, *late], 6)
    ((training, test),) = evaluated_splits(corpus, ("loo",))
    found = leaks(corpus, training, test)
    assert found is not None
    assert from_the_future(corpus, training, test).tolist() == [True, False, False, False, False]
    assert (found.after.mean, found.after.high) == (
        0.2,
        0.0,
    )  # all are later than the early target
    assert (found.before_median, found.transitions, found.items, found.unseen) == (0.2, 1.0, 0.2, 0.8)


@pytest.mark.parametrize(("shift", "later"), [(-1, False), (0, False), (1, True)])
def test_simultaneous_is_not_later(tmp_path: Path, shift: int, later: bool) -> None:
    """The target 2 is on day 2; the other user's transition from 1 to 2 is simultaneous, or one second apart."""
    early = [(item, START + day * DAY) for day, item in enumerate((0, 1, 2))]
    other = [(1, START), (2, START + 2 * DAY + shift), *((item, START + item * DAY) for item in (3, 4))]
    corpus = write_planted(tmp_path / "same", [early, other], 5)
    ((training, test),) = evaluated_splits(corpus, ("loo",))
    found = leaks(corpus, training, test)
    assert found is not None
    assert from_the_future(corpus, training, test).tolist() == [later, False]
    assert (found.transitions, found.items) == (float(later), later / 2)
    assert found.after.high == (0.375 if later else 0)


def test_ties_match_plain_loops(chance: Corpus, evaluated: tuple[Training, Examples]) -> None:
    walks = walks_of(chance.histories)
    pairs = [(a, b) for walk in walks for (_, a), (_, b) in itertools.pairwise(walk)]
    users = [any(a == b for (_, a), (_, b) in itertools.pairwise(walk)) for walk in walks]
    found = ties(chance)
    assert found is not None
    assert found.neighbours == pytest.approx(statistics.mean(a == b for a, b in pairs), abs=1e-6)
    assert found.users == pytest.approx(statistics.mean(users), abs=1e-6)
    assert found.whole_days == 1
    _, test = evaluated
    expected = [history[-1][1] == now for _, history, (_, now) in questions(chance, test)]
    assert tied_targets(chance, test).tolist() == expected
    assert any(expected) != (test.split == "global-time")


def test_planted_ties_are_found(tmp_path: Path) -> None:
    at = START + 10 * DAY
    walks = [
        [(0, at), (1, at), (2, at), (3, at)],
        [(1, at), (2, at + 1), (3, at + 2), (0, at + 3)],
        [(2, at), (3, at + DAY), (0, at + 2 * DAY), (1, at + 2 * DAY)],
    ]
    corpus = write_planted(tmp_path / "tied", walks, 4)
    found = ties(corpus)
    assert found is not None
    assert (found.neighbours, found.users, found.whole_days) == (round(4 / 9, 6), round(2 / 3, 6), 0.75)
    ((_, test),) = evaluated_splits(corpus, ("loo",))
    assert tied_targets(corpus, test).tolist() == [True, False, True]


def test_positions_are_not_timestamps(tmp_path: Path) -> None:
    walks = [[(item, 0) for item in range(4)], [(item, place) for place, item in enumerate((3, 2, 1))]]
    corpus = write_planted(tmp_path / "positions", walks, 4)
    ((training, test),) = evaluated_splits(corpus, DRAWN_SPLITS)
    assert ties(corpus) is None and leaks(corpus, training, test) is None


def test_skew_matches_plain_loops(chance: Corpus, evaluated: tuple[Training, Examples]) -> None:
    training, test = evaluated
    walks = walks_of(training.histories)
    asks = questions(chance, test)
    bought = [item for walk in walks for item, _ in walk]
    catalogue = training.catalogue.tolist()
    found = skew(training, test)
    apart = [abs(bought.count(a) - bought.count(b)) for a in catalogue for b in catalogue]
    mean_count = statistics.mean(bought.count(item) for item in catalogue)
    assert found.gini == pytest.approx(statistics.mean(apart) / (2 * mean_count), abs=1e-6)
    assert found.gini == gini(np.array([bought.count(item) for item in catalogue]))
    for top in found.tops:
        size = next(
            size for size in range(len(catalogue) + 1) if Fraction(size) >= Fraction(str(top.share)) * len(catalogue)
        )
        best = sorted(catalogue, key=lambda item: (-bought.count(item), item))[:size]
        assert top.items == size
        assert top.interactions == pytest.approx(statistics.mean(item in best for item in bought), abs=1e-6)
        assert top.targets == pytest.approx(statistics.mean(target in best for *_, (target, _) in asks), abs=1e-6)
    lengths = [len(history) for _, history, _ in asks]
    quartiles = statistics.quantiles(lengths, n=4, method="inclusive")
    assert [found.history.low, found.history.median, found.history.high] == quartiles
    assert found.history.mean == pytest.approx(statistics.mean(lengths), abs=1e-6)
    assert found.density == pytest.approx(len(bought) / (sum(map(bool, walks)) * len(catalogue)), abs=1e-6)
    assert found.repeats == 0


@pytest.mark.parametrize(
    ("counts", "expected"), [((5, 5, 5, 5), 0.0), ((0, 0, 0, 8), 0.75), ((1, 3), 0.25), ((0, 0), 0)]
)
def test_gini_of_known_counts(counts: tuple[int, ...], expected: float) -> None:
    assert gini(np.array(counts)) == expected


def test_repeats_are_counted(tmp_path: Path) -> None:
    walks = [[(item, START + day * DAY) for day, item in enumerate(walk)] for walk in ((0, 1, 2, 0), (1, 2, 3))]
    corpus = write_planted(tmp_path / "repeats", walks, 4)
    ((training, test),) = evaluated_splits(corpus, ("loo",))
    assert skew(training, test).repeats == 0.5


def test_a_corpus_without_test_examples_raises(tmp_path: Path) -> None:
    corpus = write_planted(tmp_path / "short", [[(0, START), (1, START)]], 2)
    with pytest.raises(UsageError, match="no test examples to audit"):
        evaluated_splits(corpus, DRAWN_SPLITS)


def test_the_number_of_popular_items_is_rounded_up_exactly() -> None:
    """7% of 100 items are 7, although 0.07 * 100 exceeds 7 in floating point."""
    nothing = Histories(
        np.zeros(2, dtype=np.int64), np.zeros(0, dtype=np.int32), np.zeros(0), np.zeros(0, dtype=np.int64)
    )
    training = Training("loo", nothing, np.arange(100), 100)
    assert [len(training.most_popular(share)) for share in (0.07, 0.075, 0.01, 0.001, 1.0)] == [7, 8, 1, 1, 100]
    assert training.most_popular(0.03).tolist() == [0, 1, 2]
