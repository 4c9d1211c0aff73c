"""What generated texts say, and what is counted about them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from baselines.llm.replies import (
    Positions,
    Tally,
    completed,
    first_sentence,
    mean_ranks,
    named_candidates,
    normalised,
    offset,
    read_rating,
)

NAMES = ["Alien", "Aliens", "The Lord of the Rings, Part One", "Heat (1995)"]
CATALOGUE = frozenset(map(normalised, [*NAMES, "Jaws"]))


@pytest.mark.parametrize(
    ("reply", "places", "counts"),
    [
        ("2] > [1] > [4] > [3]", [1, 0, 3, 2], (0, 0, 0)),
        ("[4], [1]", [3, 0], (0, 0, 0)),
        ("2\n2\n9\n", [1], (0, 1, 0)),  # repeated, and out of range
        ("1. Aliens\n2. Alien", [0, 1], (0, 0, 0)),  # numbers decide
        ("- Aliens\n- Jaws\n- Star Trek", [1], (0, 1, 1)),
        ("the lord of the rings", [2], (0, 0, 0)),  # the beginning of one
        ("ALIEN", [0], (0, 0, 0)),  # not the first that holds it
        ("I do not know.", [], (1, 1, 0)),
        ("", [], (1, 0, 0)),
    ],
)
def test_candidates_are_named_by_number_or_name(reply: str, places: list[int], counts: tuple[int, int, int]) -> None:
    tally = Tally()
    assert named_candidates(reply, NAMES, CATALOGUE, tally) == places
    assert (tally.unparsable, tally.invented, tally.outside) == counts and tally.answers == 1


def test_what_is_not_named_follows_and_the_same_order_is_counted() -> None:
    assert completed([2, 0], 4) == [2, 0, 1, 3]
    tally = Tally()
    named_candidates("[1] > [2] > [3] > [4]", NAMES, CATALOGUE, tally)
    assert tally.same == 1
    assert any("100.0% of the answers repeat" in each for each in tally.words())


@pytest.mark.parametrize(("reply", "rating"), [(" 4.5", 4.5), ("I'd say 4 out of 5", 4), ("10, or 3", 3)])
def test_the_first_number_within_the_scale_is_the_rating(reply: str, rating: float) -> None:
    assert read_rating(reply, 0.5, 5, Tally()) == rating


def test_no_number_is_no_rating() -> None:
    tally = Tally()
    assert math.isnan(read_rating("four 17", 1, 5, tally)) and tally.unparsable == 1


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        ('"It works well. I like it."', "It works well."),
        ("Sure, here is a sentence:\nA fine gift!", "A fine gift!"),
        ("\n\n Nice \n More", "Nice"),
        (" ".join(["word"] * 40), " ".join(["word"] * 30)),
        ("  ", ""),
    ],
)
def test_the_first_sentence(reply: str, sentence: str) -> None:
    tally = Tally()
    assert first_sentence(reply, tally) == sentence and tally.unparsable == (not sentence)


@pytest.mark.parametrize("rotations", [5, 4])
def test_rotations_remove_an_additive_effect_of_places(rotations: int) -> None:
    worth, count = np.array([3.0, 1.0, 2.0, 0.0] if rotations == 4 else [3.0, 1.0, 2.0, 0.0, 5.0]), rotations
    sums = np.zeros(count)
    for number in range(rotations):
        shown = np.roll(np.arange(count), -offset(number, rotations, count))
        sums[shown] += worth[shown] + 10.0 * np.arange(count)
    assert np.argsort(sums).tolist() == np.argsort(worth).tolist()


def test_positions_tell_an_order_that_only_repeats_places() -> None:
    count, rotations = 4, 4
    first, fixed = Positions([], []), Positions([], [])
    by_place = [np.argsort(np.roll(np.arange(count), -offset(n, rotations, count))) for n in range(rotations)]
    first.add(np.stack(by_place))
    fixed.add(np.stack([np.array([2, 0, 1, 3])] * rotations))
    assert "effect of the place 1.00" in first.words()[0] and "Spearman" in first.words()[0]
    assert "effect of the place 0.00, agreement of two orders 1.00" in fixed.words()[0].replace(
        " (0 none, 1 the place decides)", ""
    )
    assert mean_ranks(np.stack(by_place)).tolist() == [1.5] * 4
