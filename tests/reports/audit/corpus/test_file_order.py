"""File-order artefacts: against plain loops, and with planted files sorted by id."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.reports.audit.corpus.planting import DAY, START, write_planted
from tests.reports.audit.corpus.test_measures import questions, walks_of
from unimp_bench.corpus import Corpus
from unimp_bench.records import DRAWN_SPLITS
from unimp_bench.reports.audit.corpus.file_order import file_order, with_file
from unimp_bench.reports.audit.corpus.interactions import evaluated_splits
from unimp_bench.reports.audit.corpus.page import file_order_words
from unimp_bench.reports.audit.corpus.record import FREQUENT, ORDERED_BY_FILE, CorpusAudit, FileOrder

COMMITTED = Path(__file__).resolve().parents[4] / "leaderboards" / "audits"
ITEMS = 40


def measured(corpus: Corpus) -> FileOrder:
    found = file_order(corpus)
    assert found is not None
    return found


def visits(
    folder: Path, *, sort: int = 0, days: bool = True, names: Sequence[str] | None = None, drift: bool = False
) -> Corpus:
    """Users with four days of two random items each.

    Args:
        sort: 1 for items of a day in ascending order of their numbers, -1 for descending, 0 for random order.
        days: whether the corpus has timestamps; else positions.
        names: of the items; by default in the order of the numbers, as text.
        drift: whether items of later days have larger numbers.
    """
    rng = np.random.default_rng(5)
    walks = []
    for _ in range(400):
        chosen = rng.choice(ITEMS, 8, replace=False)
        if drift:
            chosen = np.sort(chosen)
        pairs = chosen.reshape(4, 2)
        pairs = np.sort(pairs, axis=1)[:, ::sort] if sort else rng.permuted(pairs, axis=1)
        times = [START + day * DAY for day in (0, 0, 1, 1, 2, 2, 3, 3)] if days else range(8)
        walks.append([(int(item), time) for item, time in zip(pairs.ravel(), times, strict=True)])
    return write_planted(folder, walks, ITEMS, names=names or [f"i{item:03}" for item in range(ITEMS)])


def test_the_checks_match_plain_loops(chance: Corpus) -> None:
    names = chance.items.names
    steps = [step for walk in walks_of(chance.histories) for step in itertools.pairwise(walk)]
    ends = [walk[-2:] for walk in walks_of(chance.histories) if len(walk) > 1]
    up = [names[b] > names[a] for (a, _), (b, _) in steps]
    tied = [start == stop for (_, start), (_, stop) in steps]
    went: dict[frozenset[int], list[bool]] = {}
    for ((a, _), (b, _)), rises in zip(steps, up, strict=True):
        went.setdefault(frozenset((a, b)), []).append(rises)
    frequent = [ways for ways in went.values() if len(ways) >= FREQUENT]
    one_way = [ways for ways in frequent if len(set(ways)) == 1]
    found = measured(chance)
    assert (found.ids, found.pairs, found.frequent) == ("text", len(steps), len(frequent))
    assert found.ascending == pytest.approx(statistics.mean(up), abs=1e-6)
    last = [names[b] > names[a] for (a, _), (b, _) in ends]
    assert found.last == pytest.approx(statistics.mean(last), abs=1e-6)
    for share, wanted in ((found.tied, True), (found.untied, False)):
        chosen = [rises for rises, equal in zip(up, tied, strict=True) if equal is wanted]
        assert share == pytest.approx(statistics.mean(chosen), abs=1e-6)
    assert found.one_way == pytest.approx(len(one_way) / len(frequent), abs=1e-6)
    assert found.by_chance == pytest.approx(statistics.mean(2 * 0.5 ** len(ways) for ways in frequent), abs=1e-6)
    assert found.one_way_ascending == (pytest.approx(statistics.mean(ways[0] for ways in one_way)) if one_way else None)
    assert len(frequent) > 5


def test_the_cut_compares_the_ids_of_last_item_and_target(chance: Corpus) -> None:
    names = chance.items.names
    for _, test in evaluated_splits(chance, DRAWN_SPLITS):
        expected = [names[target] > names[history[-1][0]] for _, history, (target, _) in questions(chance, test)]
        assert with_file(chance, test).tolist() == expected
        assert 0 < sum(expected) < len(expected)


def test_one_way_pairs_and_their_expected_share(tmp_path: Path) -> None:
    """Items 0 and 1 are neighbours five times in one direction, 2 and 3 six times in both, 4 and 5 only four times."""
    ways = [(0, 1)] * 5 + [(2, 3)] * 5 + [(3, 2)] + [(4, 5)] * 4
    walks = [[(a, 0), (b, 1), (6 + number, 2)] for number, (a, b) in enumerate(ways)]
    found = measured(write_planted(tmp_path / "pairs", walks, 6 + len(ways), names=[f"i{i:02}" for i in range(21)]))
    assert (found.frequent, found.one_way, found.one_way_ascending) == (2, 0.5, 1.0)
    assert found.by_chance == pytest.approx((2 / 2**5 + 2 / 2**6) / 2, abs=1e-6)
    assert (found.tied, found.untied, found.expected) == (None, None, 0.5)


@pytest.mark.parametrize("days", [True, False])
@pytest.mark.parametrize("sort", [1, -1])
def test_a_file_sorted_by_id_is_found_with_and_without_times(tmp_path: Path, sort: int, days: bool) -> None:
    corpus = visits(tmp_path / "sorted", sort=sort, days=days)
    found = measured(corpus)
    assert found.is_of_a_file and found.descends == (sort < 0)
    assert found.tied == ((sort > 0) if days else None)
    assert found.expected == pytest.approx(0.5, abs=0.03), "although the untied pairs tend to the other direction"
    assert found.last == (sort > 0), "the target is of the same day as the item before it"
    ((_, test),) = evaluated_splits(corpus, ("loo",))
    assert with_file(corpus, test).all()
    words = file_order_words(found)
    assert f"{'descend' if sort < 0 else 'ascend'} by item id" in words and "with / against" in words


@pytest.mark.parametrize("days", [True, False])
def test_a_random_order_is_not_an_artefact(tmp_path: Path, days: bool) -> None:
    corpus = visits(tmp_path / "chance", days=days)
    found = measured(corpus)
    assert not found.is_of_a_file and file_order_words(found) == ""
    ((_, test),) = evaluated_splits(corpus, ("loo",))
    assert 0.4 < with_file(corpus, test).mean() < 0.6


def test_ids_increasing_with_time_are_not_an_artefact(tmp_path: Path) -> None:
    """Later items have larger ids: untied pairs always ascend, tied ones do not."""
    found = measured(visits(tmp_path / "drift", drift=True))
    assert found.untied == 1.0 and found.ascending > 0.6
    assert found.tied == pytest.approx(0.5, abs=0.05) and found.expected == pytest.approx(found.ascending, abs=0.03)
    assert not found.is_of_a_file
    sorted_too = measured(visits(tmp_path / "both", drift=True, sort=1))
    assert sorted_too.ascending == 1.0 and sorted_too.is_of_a_file


def test_numeric_ids_are_compared_as_sorted_in_the_file(tmp_path: Path) -> None:
    """As text, 10 precedes 9."""
    numbers = [str(number) for number in range(1, ITEMS + 1)]
    found = measured(visits(tmp_path / "numbers", sort=1, names=numbers))
    assert (found.ids, found.tied) == ("number", 1.0)
    by_text = sorted(numbers)
    found = measured(visits(tmp_path / "texts", sort=1, names=by_text))
    assert (found.ids, found.tied) == ("text", 1.0)


def test_repeats_are_not_pairs_and_have_no_order(tmp_path: Path) -> None:
    corpus = write_planted(tmp_path / "repeats", [[(0, 0), (0, 1), (0, 2)]], 1)
    assert file_order(corpus) is None
    ((_, test),) = evaluated_splits(corpus, ("loo",))
    assert with_file(corpus, test).tolist() == [False]


def test_few_pairs_are_not_significant(tmp_path: Path) -> None:
    found = measured(write_planted(tmp_path / "few", [[(0, 0), (1, 1), (2, 2)]], 3))
    assert found.ascending == 1.0 and not found.is_of_a_file
    assert measured(write_planted(tmp_path / "more", [[(0, 0), (1, 1), (2, 2)]] * 9, 3)).is_of_a_file


@pytest.mark.parametrize(
    ("name", "ascending", "last", "one_way", "one_way_ascending"),
    [("beauty-s3rec", 0.694, 0.712, 0.398, 0.899), ("sports-s3rec", 0.690, 0.706, 0.558, 0.966)],
)
def test_published_audits_of_corpora_with_sorted_days(
    name: str, ascending: float, last: float, one_way: float, one_way_ascending: float
) -> None:
    """Expected values were computed independently from the same files."""
    audit = CorpusAudit.read(COMMITTED / f"{name}.json")
    order = audit.order
    assert audit.ties is None and order is not None and order.is_of_a_file
    found = (order.ascending, order.last, order.one_way, order.one_way_ascending)
    assert found == pytest.approx((ascending, last, one_way, one_way_ascending), abs=5e-4)
    loo = next(each for each in audit.sets if each.split == "loo")
    mask = loo.mask("file_order")
    assert mask is not None and mask.mean() == pytest.approx(order.last, abs=5e-4)


@pytest.mark.slow
def test_clothing_has_no_artefact(realdata: Path, tmp_path: Path) -> None:
    from data_prep.build import build_corpus

    build_corpus("atomic", tmp_path / "clothing", realdata / "clothing")
    found = measured(Corpus.open(tmp_path / "clothing"))
    assert (found.ascending, found.one_way) == pytest.approx((0.528, 0.055), abs=5e-4)
    assert found.excess < ORDERED_BY_FILE and not found.is_of_a_file
