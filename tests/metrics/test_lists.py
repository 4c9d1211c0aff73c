"""Metrics of lists by hand, by plain loops, and on corpora that lack what some of them need."""

from __future__ import annotations

import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.metrics.lists import (
    LIST_NAMES,
    ListFacts,
    category_diversity,
    gini,
    head_of,
    list_facts,
    list_scores,
    text_diversity,
)
from unimp_bench.metrics.scores import Missing, Score

# Five items, of which item 4 is not in the catalogue; their category paths are {a}, {a, b}, {a, b}, none, {c}.
CATEGORIES = csr_array(np.array([[1, 0, 0], [1, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1.0]]))
TEXTS = np.array([[1, 0], [0, 1], [0.6, 0.8], [0, 0], [1, 0]], dtype=np.float32)
FACTS = ListFacts(np.arange(4), np.array([6, 3, 1, 0, 9]), CATEGORIES, TEXTS)
TOP = np.array([[0, 1], [0, 2], [0, 3], [-1, -1]])


def value(name: str, top: np.ndarray = TOP, facts: ListFacts = FACTS) -> float:
    score = list_scores(top, facts)[name]
    assert isinstance(score, Score) and score.low <= score.high
    return score.value


def test_by_hand() -> None:
    assert list(LIST_NAMES) == list(list_scores(TOP, FACTS))
    assert value("Coverage@10") == 1 and value("Coverage@10", TOP[:2]) == 0.75
    # Listed 3, 1, 1, 1 times: ((-3 - 1 + 1) 1 + 3 * 3) / (4 * 6).
    assert value("Gini@10") == pytest.approx(6 / 24)
    assert value("Popularity@10") == pytest.approx(np.mean([4.5, 3.5, 3]) / 2.5)
    # 80% of 10 interactions are those of items 0 and 1.
    assert value("Tail@10") == pytest.approx(np.mean([0, 0.5, 0.5]))
    bits = -np.log2(np.array([7, 4, 2, 1]) / 14)
    assert value("Novelty@10") == pytest.approx(np.mean([bits[[0, other]].mean() for other in (1, 2, 3)]))
    # Items 0 and 3 have no pair to compare: item 3 has neither category nor text.
    assert value("Category diversity@10") == pytest.approx(np.mean([1 - 1 / 2, 1 - 1 / 2]))
    assert value("Text diversity@10") == pytest.approx(np.mean([1 - 0, 1 - 0.6]))


def test_gini_is_the_mean_difference_of_pairs() -> None:
    """Half the relative mean absolute difference, its other definition; 0 and 1 - 1 / n at the ends."""
    rows = np.random.default_rng(0).integers(0, 9, (5, 30)).astype(np.float64)
    differences = np.abs(rows[:, :, None] - rows[:, None, :]).mean(axis=(1, 2))
    assert gini(rows) == pytest.approx(differences / (2 * rows.mean(axis=1)))
    assert gini(np.array([[2.0, 2, 2, 2], [0, 0, 0, 7]])).tolist() == [0, 0.75]


def test_the_head_has_four_fifths_of_the_interactions_and_whoever_is_level() -> None:
    assert head_of(np.array([1, 50, 30, 19])).tolist() == [False, True, True, False]
    assert head_of(np.array([10, 10, 10, 10, 10])).all(), "no item is more popular than another"
    assert not head_of(np.zeros(3, dtype=np.int64)).any()


def test_diversities_are_those_of_plain_loops() -> None:
    rng = np.random.default_rng(1)
    labels = rng.random((40, 7)) < 0.3
    texts = rng.normal(size=(40, 5)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    texts[3] = 0
    top = np.array([rng.permutation(40)[:6] for _ in range(30)])
    top[0, 4:] = -1
    categories, cosines = [], []
    for row in top:
        items = [item for item in row if item >= 0]
        pairs = [(labels[a], labels[b]) for a, b in combinations(items, 2) if labels[a].any() and labels[b].any()]
        categories.append(np.mean([1 - (a & b).sum() / (a | b).sum() for a, b in pairs]))
        pairs = [(texts[a], texts[b]) for a, b in combinations(items, 2) if texts[a].any() and texts[b].any()]
        cosines.append(np.mean([1 - a @ b for a, b in pairs]))
    assert category_diversity(top, csr_array(labels.astype(np.float64))) == pytest.approx(np.array(categories))
    assert text_diversity(top, texts) == pytest.approx(np.array(cosines), abs=1e-6)


def test_intervals_hold_the_value_of_a_population() -> None:
    """Lists of a known population: the interval of each half holds the value of the other, coverage and Gini too."""
    rng = np.random.default_rng(2)
    chance = 1 / np.arange(1, 301)
    top = np.array([rng.choice(300, 10, replace=False, p=chance / chance.sum()) for _ in range(1200)])
    facts = ListFacts(np.arange(300), np.arange(300, 0, -1))
    first, second = list_scores(top[:600], facts), list_scores(top[600:], facts)
    for name in LIST_NAMES[:5]:
        one, other = first[name], second[name]
        assert isinstance(one, Score) and isinstance(other, Score)
        assert one.low <= one.value <= one.high, name
        slack = 0.5 * (one.high - one.low)  # the other half varies as much
        assert one.low - slack <= other.value <= one.high + slack, name


def test_what_a_corpus_lacks_is_missing_and_said() -> None:
    bare = list_scores(TOP, ListFacts(FACTS.catalogue, FACTS.popularity))
    assert bare["Category diversity@10"] == Missing("the items of this corpus have no categories")
    assert bare["Text diversity@10"] == Missing("the items of this corpus have no texts to compare")
    assert isinstance(bare["Tail@10"], Score)
    alone = list_scores(TOP[:, :1], FACTS)
    assert alone["Text diversity@10"] == Missing("no list has two items to compare")
    assert set(list_scores(TOP[:, :0], None).values()) == {Missing("the predictions have no lists")}


def test_facts_are_of_the_training_part(planted: Corpus, tmp_path: Path) -> None:
    facts = list_facts(planted, "loo", tmp_path)
    train = target_examples(planted, "loo", "train", "recommendation").histories
    assert facts.popularity.tolist() == [(train.items == item).sum() for item in range(len(planted.items))]
    assert facts.popularity.sum() < len(planted.histories) and len(facts.catalogue) == len(catalogue(planted, "loo"))
    paths = planted.items.column("category").to_pylist()
    assert facts.categories.sum(axis=1).tolist() == [len(set(path)) for path in paths]
    assert facts.texts is not None and np.linalg.norm(facts.texts, axis=1) == pytest.approx(1, abs=1e-5)
    assert list_facts(planted, "new-user", tmp_path).popularity.tolist() == facts.popularity.tolist()
    assert list_facts(planted, "new-domain", tmp_path).popularity.tolist() != facts.popularity.tolist()


def test_twenty_thousand_lists_take_seconds() -> None:
    rng = np.random.default_rng(3)
    items = 12_000
    categories = csr_array((np.ones(3 * items), (np.repeat(np.arange(items), 3), rng.integers(0, 400, 3 * items))))
    categories.data[:] = 1
    texts = rng.normal(size=(items, 256)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    facts = ListFacts(np.arange(items), rng.integers(0, 99, items), categories, texts)
    top = rng.integers(0, items, (20_000, 50))
    started = time.process_time()
    list_scores(top, facts)
    assert time.process_time() - started < 60
