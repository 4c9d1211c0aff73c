"""True answers: ratings drawn about the true one, and ratings read from texts."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.language.answers import jittered, rating_words, read_ratings
from unimp_bench.kinds.rendering import rating_words as plain_rating
from unimp_bench.unimp.tokens import _RATING, RATING

MANY = 40_000


@pytest.mark.parametrize(
    ("star", "mean", "deviation"), [(1, 1.2, 0.1), (2, 1.95, 0.225), (4, 3.95, 0.225), (5, 4.75, 0.125)]
)
def test_jitter_is_normal_about_the_star(star: int, mean: float, deviation: float) -> None:
    """The released figures: an interval's middle, and a quarter of its width."""
    drawn, decimals = jittered(np.full(MANY, star, np.float64), (1.0, 5.0, 1.0), np.random.default_rng(0))
    assert decimals == 1 and drawn.min() >= 1 and drawn.max() <= 5
    assert abs(drawn.mean() - mean) < 0.01 and abs(drawn.std() - np.hypot(deviation, 0.1 / 12**0.5)) < 0.01
    assert np.allclose(drawn * 10, np.round(drawn * 10))


def test_jitter_follows_the_scale() -> None:
    drawn, decimals = jittered(np.full(1000, 3.5), (0.5, 5.0, 0.5), np.random.default_rng(0))
    assert decimals == 2 and abs(drawn - 3.5).max() < 0.5
    assert rating_words(3.9, 1) == "3.9" and rating_words(4.0, 0) == "4" and rating_words(3.5, 0) == "3.5"


@pytest.mark.parametrize("rating", [1, 4.5, -2.25, 0.1, 1e-5, 2.5e-5, 2_000_000, 0.1 + 0.2])
def test_every_rating_is_written_so_that_it_is_read_again(rating: float) -> None:
    """No exponent, which neither a reader of ratings nor a vocabulary of rating tokens takes for a number."""
    for value in (rating, np.float32(rating)):
        assert read_ratings([plain_rating(value)])[0] == pytest.approx(rating, rel=1e-6)
        assert _RATING.fullmatch(f"{RATING}{plain_rating(value)}")
    assert [plain_rating(stars) for stars in (4.0, 3.5, 5, np.float32(0.1))] == ["4", "3.5", "5", "0.1"]


@pytest.mark.parametrize(
    ("text", "rating"),
    [("4.2", 4.2), ("4 . 2", 4.2), (" 4 ", 4.0), ("-3", -3.0), ("5.", 5.0), (".5", 0.5)],
)
def test_a_number_is_read(text: str, rating: float) -> None:
    assert read_ratings([text]).tolist() == [rating]


def test_what_is_no_number_is_nan() -> None:
    """Nothing is guessed: two numbers are none, and neither is what only a programming language reads as one."""
    texts = ["five", "", "nan", "inf", "1e999", "1e0", "4 2", "4.5 4.5", ".", "1_0", "\u0664", "4 stars", "-"]
    assert np.isnan(read_ratings(texts)).all()
