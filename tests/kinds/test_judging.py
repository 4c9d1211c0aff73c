"""Texts of known worth: whose they are, and where there are none."""

from __future__ import annotations

import numpy as np

from unimp_bench.kinds.judging import JudgeFacts, controls

COUNT = 60
USERS = np.arange(COUNT) // 2
RATINGS = np.where(np.arange(COUNT) % 3 == 0, np.nan, np.arange(COUNT) % 3)
SAID = [f"colour {row % 20} is fine and bright" for row in range(COUNT)]


def test_another_user_of_the_same_rating_wrote_something_else() -> None:
    found = controls(np.arange(COUNT), SAID, USERS, RATINGS, "so so")
    assert found["own"] == SAID and found["constant"] == ["so so"] * COUNT
    for row, text in enumerate(found["other"]):
        candidates = [
            SAID[other]
            for other in range(COUNT)
            if USERS[other] != USERS[row]
            and (RATINGS[other] == RATINGS[row] or np.isnan(RATINGS[[other, row]]).all())
            and SAID[other] != SAID[row]
        ]
        assert text in candidates
    assert len(set(found["other"])) > 10


def test_a_shuffled_text_has_the_words_in_another_order() -> None:
    found = controls(np.arange(COUNT), SAID, USERS, RATINGS, "so so")["shuffled"]
    for text, own in zip(found, SAID, strict=True):
        assert text is not None and text != own and sorted(text.split()) == sorted(own.split())


def test_an_example_without_such_a_text_has_none() -> None:
    texts = ["fine", "so so", "So  so", "very very", "a b"]
    found = controls(np.arange(5), texts, np.arange(5), np.array([1.0, 2.0, 2.0, 3.0, 3.0]), "ok")
    assert found["other"] == [None, None, None, "a b", "very very"], "nobody else, or the same sentence"
    assert [found["shuffled"][row] for row in (0, 3, 4)] == [None, None, "b a"]
    one_user = controls(np.arange(5), texts, np.zeros(5), np.ones(5), "ok")
    assert one_user["other"] == [None] * 5


def test_the_texts_of_an_example_do_not_depend_on_the_chosen_ones() -> None:
    whole = controls(np.arange(COUNT), SAID, USERS, RATINGS, "ok")
    some = controls(np.array([3, 41]), SAID, USERS, RATINGS, "ok")
    assert all(some[name] == [whole[name][3], whole[name][41]] for name in whole)


def test_another_machine_is_the_same_judge() -> None:
    identity = {"weights": "a", "torch": "1", "device": "cpu"}
    facts = JudgeFacts("m", "r-1", "0", "likelihood", identity)
    assert facts.key == JudgeFacts("m", "r-1", "0", "likelihood", {**identity, "device": "cuda"}).key
    others = [
        JudgeFacts("m", "r-1", "1", "likelihood", identity),
        JudgeFacts("m", "r-1", "0", "generation", identity),
        JudgeFacts("m", "r-1", "0", "likelihood", {**identity, "weights": "b"}),
    ]
    assert len({each.key for each in (facts, *others)}) == 4
