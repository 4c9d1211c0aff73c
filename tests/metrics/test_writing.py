"""Identification, distinct texts and features, by hand and by what they promise of constant texts."""

from __future__ import annotations

import numpy as np
import pytest
from nltk.stem.porter import PorterStemmer
from sklearn.feature_extraction.text import TfidfVectorizer

from unimp_bench.metrics.scores import Missing, Score
from unimp_bench.metrics.writing import (
    GROUP,
    NO_FEATURES,
    distinct_scores,
    entropy_score,
    feature_scores,
    groups_of,
    identification,
    margin,
    stems,
    writing_scores,
)

WORDS = "soap scent bottle colour price smooth sticky sweet cheap strong mild gentle dry soft thick".split()  # noqa: SIM905


def references(count: int, *, common: float = 0.0) -> list[str]:
    """Random sentences, a share of which are one and the same."""
    rng = np.random.default_rng(0)
    same = rng.random(count) < common
    return ["great product" if alike else " ".join(rng.choice(WORDS, 5)) for alike in same]


@pytest.mark.parametrize("constant", ["great product", "the scent is sweet", "", "unheard words", " ".join(WORDS)])
@pytest.mark.parametrize("common", [0.0, 0.4])
def test_a_constant_text_gets_a_tenth_exactly(constant: str, common: float) -> None:
    wanted = references(400, common=common)
    assert identification([constant] * 400, wanted).mean() == pytest.approx(0.1)


def test_a_constant_text_gets_a_tenth_in_expectation_where_groups_are_not_whole() -> None:
    wanted = references(38, common=0.4)
    means = [identification(["great product"] * 38, wanted, seed=seed).mean() for seed in range(200)]
    assert np.mean(means) == pytest.approx(0.1, abs=0.01)


def test_the_own_reference_is_identified_and_equal_ones_share() -> None:
    wanted = [f"word{number} soap" for number in range(50)]
    assert identification(wanted, wanted).tolist() == [1] * 50
    assert identification([*wanted[1:], wanted[0]], wanted).mean() < 0.2
    assert identification(["fine soap"] * 20, ["fine soap"] * 20) == pytest.approx(np.full(20, 0.1)), "all are equal"
    assert identification(["..."] * 20, ["!"] * 20).tolist() == [0.1] * 20, "no word at all"


def test_the_nearest_is_that_of_tf_idf_by_hand() -> None:
    """Cosines from counts: idf is 1 + ln (1 + n) / (1 + df) over the stems of all references."""
    wanted = references(60)
    texts = references(75)[15:]
    words = sorted({stem for text in wanted for stem in stems(text)})

    def vector(text: str) -> np.ndarray:
        counts = np.array([stems(text).count(word) for word in words], dtype=np.float64)
        held = np.array([sum(word in stems(each) for each in wanted) for word in words])
        weights = counts * (1 + np.log((1 + len(wanted)) / (1 + held)))
        return np.asarray(weights / np.linalg.norm(weights))

    vectors, values = [vector(text) for text in wanted], []
    for row, group in enumerate(groups_of(60, 0)):
        near = np.round([vector(texts[row]) @ vectors[member] for member in group], 9)
        values.append((near[0] == near.max()) / (near == near.max()).sum())
    assert identification(texts, wanted) == pytest.approx(np.array(values))


def test_groups_hold_ten_examples_each_one_of_them_once() -> None:
    groups = groups_of(47, 0)
    assert groups[:, 0].tolist() == list(range(47)) and groups.shape == (47, GROUP)
    assert all(len(set(group)) == GROUP for group in groups.tolist())
    whole = [frozenset(group) for group in groups.tolist()]
    assert sum(whole.count(group) == GROUP for group in set(whole)) == 4
    assert np.array_equal(groups, groups_of(47, 0)) and not np.array_equal(groups, groups_of(47, 1))


def test_stems_are_porters() -> None:
    assert stems("Loving the SCENTS, 2nd bottle!") == [
        PorterStemmer().stem(word) for word in ("loving", "the", "scents", "2nd", "bottle")
    ]


def test_distinct_texts_and_bigrams_by_hand() -> None:
    scores = distinct_scores(["a good soap", "a  good soap", "a good", "Soap", ""])
    assert scores["Distinct sentences"].value == pytest.approx(4 / 5), "white space makes no difference"
    assert scores["Distinct-2"].value == pytest.approx(2 / 5)
    constant = distinct_scores(["fine soap here"] * 200)
    assert constant["Distinct sentences"].value == 1 / 200 and constant["Distinct-2"].value == 2 / 400
    assert distinct_scores(["one", "two"])["Distinct-2"].value == 0
    for score in distinct_scores(references(300, common=0.3)).values():
        assert score.low < score.value < score.high


def test_features_by_hand() -> None:
    wanted = ["the scent is sweet", "long battery life here", "it is fine", "sweet scents"]
    features = [["Scent", "price"], ["battery life", "case"], ["colour"], ["scent"]]
    texts = ["sweet scents", "the battery of my life", "colour", "the price and the battery life"]
    scores = feature_scores(texts, wanted, features)
    matching, coverage = scores["Feature matching"], scores["Feature coverage"]
    assert isinstance(matching, Score) and isinstance(coverage, Score)
    assert np.asarray(matching.values).tolist() == [1, 0, 0], "the third reference names no feature of its item"
    assert coverage.value == 1, "scent by the first, battery life by the last"
    assert set(feature_scores(texts, wanted, None).values()) == {NO_FEATURES}
    assert isinstance(feature_scores(texts, wanted, [["x"]] * 4)["Feature matching"], Missing)


BY_HAND = ["good room and staff", "good room and staff", "nice pool", "the staff was rude", ""]


def test_entropy_by_hand() -> None:
    """The mean of 3.0391, 2.7219 and 1.9183 bits; of a constant text that of its own n-grams."""
    assert entropy_score(BY_HAND).value == pytest.approx((3.0391 + 2.7219 + 1.9183) / 3, abs=1e-4)
    assert entropy_score(["a b c d"] * 9).value == pytest.approx((2 + np.log2(3) + 1) / 3)
    assert entropy_score(["", ""]).value == 0
    varied = entropy_score(references(300, common=0.3))
    assert varied.low < varied.value < varied.high


def test_overlap_of_features_by_pairs() -> None:
    """As the mean over pairs of texts; 0.4 for two rooms and three staffs among ten pairs."""
    hotel = ["room", "staff", "pool", "breakfast"]
    wanted = ["staff", "room", "pool", "staff", "breakfast"]
    found = feature_scores(BY_HAND, wanted, [hotel] * 5)["Feature overlap"]
    assert isinstance(found, Score) and found.value == pytest.approx(0.4)
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(WORDS, rng.integers(0, 6))) for _ in range(60)]
    named = [set(stems(text)) for text in texts]
    pairs = [len(named[a] & named[b]) for a in range(60) for b in range(a)]
    found = feature_scores(texts, [" ".join(WORDS)] * 60, [WORDS] * 60)["Feature overlap"]
    assert isinstance(found, Score) and found.value == pytest.approx(np.mean(pairs))
    assert isinstance(feature_scores(["pool"], ["pool"], [["pool"]])["Feature overlap"], Missing)


def test_the_margin_is_the_mean_over_all_pairs() -> None:
    """Against a loop, with the vectors of the library."""
    wanted = ["red soap smells good", "blue soap", "a lovely lamp", "the lamp broke"]
    texts = ["good red soap", "lamp", "lamp broke", ""]
    vectorizer = TfidfVectorizer(analyzer=stems)
    references = vectorizer.fit_transform(wanted).toarray()
    written = vectorizer.transform(texts).toarray()
    terms = []
    for i, own in enumerate(written):
        others = [own @ references[j] for j in range(4) if j != i]
        terms.append(own @ references[i] - sum(others) / 3)
    assert margin(texts, wanted) == pytest.approx(sum(terms) / 4)


def test_one_text_for_all_has_no_margin() -> None:
    wanted = [f"word{number} soap" for number in range(37)]
    assert margin(["soap"] * 37, wanted) == 0
    assert margin([""] * 37, wanted) == 0
    assert margin(["..."] * 3, ["!"] * 3) == 0
    assert margin(wanted, wanted) > 0.5
    assert margin([*wanted[1:], wanted[0]], wanted) < 0
    assert margin(["one word"], ["one word"]) == pytest.approx(1)


def test_few_examples_have_no_identification() -> None:
    scores = writing_scores(["a"] * 9, ["b"] * 9, None)
    assert scores["Identification"] == Missing("there are fewer than 10 test examples")
    assert isinstance(scores["Distinct sentences"], Score)
