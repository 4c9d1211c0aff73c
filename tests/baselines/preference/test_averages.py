"""Means and biases: their defining equations, on whole and half stars, for users and items never trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from baselines.preference.averages import DAMPINGS, Ratings, item_offsets
from unimp_bench import registry
from unimp_bench.contracts import Rater
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.kinds.rating import RatingExamples
from unimp_bench.records import Examples, Histories, Shown

NAMES = ("global-mean", "item-mean", "bias")
CONSTANTS = ("global-mean", "constant-median", "constant-mode")
ALL = (*CONSTANTS, *NAMES[1:])
USERS, ITEMS = 60, 25

Fit = Callable[..., Rater[Any]]


def world(noise: float = 0.0, step: float = 1.0) -> tuple[list[list[int]], list[float], np.ndarray, np.ndarray]:
    """Histories and ratings that are a mean and shifts of items and users, rounded to the step; and the shifts."""
    rng = np.random.default_rng(3)
    of_items, of_users = rng.normal(0, 0.5, ITEMS), rng.normal(0, 0.7, USERS)
    histories = [rng.permutation(ITEMS)[: rng.integers(6, 16)].tolist() for _ in range(USERS)]
    ratings = [
        float(np.clip(round((3 + of_items[item] + of_users[user] + rng.normal(0, noise)) / step) * step, step, 5))
        for user, history in enumerate(histories)
        for item in history
    ]
    return histories, ratings, of_items, of_users


@pytest.fixture
def rated(make_corpus: Callable[..., Corpus]) -> Corpus:
    histories, ratings, *_ = world(noise=0.3, step=0.5)
    return make_corpus(histories, {"title": pa.array(["t"] * ITEMS)}, ratings)


def drawn(corpus: Corpus, part: str = "test") -> Examples:
    return registry.make_task("preference").examples(corpus, "loo", part)


def training_rows(corpus: Corpus) -> list[tuple[int, int, float]]:
    """(user, item, rating) of all interactions but each user's last two."""
    offsets, items, ratings = corpus.histories.offsets, corpus.histories.items, corpus.histories.ratings
    return [
        (user, int(items[row]), float(ratings[row]))
        for user in range(len(offsets) - 1)
        for row in range(offsets[user], offsets[user + 1] - 2)
    ]


def test_each_constant_is_the_best_by_its_own_loss(fit: Fit, rated: Corpus) -> None:
    """Of all constants on a fine grid, over the training ratings: squared error, absolute error, misses."""
    ratings = np.array([rating for *_, rating in training_rows(rated)])
    losses: dict[str, Callable[[float], float]] = {
        "global-mean": lambda constant: float(((ratings - constant) ** 2).mean()),
        "constant-median": lambda constant: float(np.abs(ratings - constant).mean()),
        "constant-mode": lambda constant: float((ratings != constant).mean()),
    }
    for name in CONSTANTS:
        (found,) = set(fit(name, rated, "preference").rate(drawn(rated).hidden()).tolist())
        assert losses[name](found) <= min(map(losses[name], np.linspace(0.5, 5, 181).tolist())) + 1e-12, name


def test_of_equally_frequent_ratings_the_highest_is_the_mode(fit: Fit, make_corpus: Callable[..., Corpus]) -> None:
    histories = [[0, 1, 2, 3, 4, 5]] * 4
    corpus = make_corpus(histories, {"title": pa.array(["t"] * 6)}, [2.0, 4.0, 4.0, 2.0, 1.0, 1.0] * 4)
    expected = {"constant-mode": 4.0, "constant-median": 3.0, "global-mean": 3.0}
    for name, rating in expected.items():
        assert set(fit(name, corpus, "preference").rate(drawn(corpus).hidden()).tolist()) == {rating}


def test_the_mean_is_that_of_all_training_ratings(fit: Fit, rated: Corpus) -> None:
    expected = np.mean([rating for *_, rating in training_rows(rated)])
    given = fit("global-mean", rated, "preference").rate(drawn(rated).hidden())
    assert given == pytest.approx(np.full(USERS, expected))


def test_item_means_are_damped_as_chosen_on_validation(fit: Fit, rated: Corpus) -> None:
    rows = training_rows(rated)
    mean = np.mean([rating for *_, rating in rows])

    def damped(item: int, damping: float) -> float:
        own = [rating - mean for _, rated_item, rating in rows if rated_item == item]
        return float(mean + sum(own) / (len(own) + damping))

    validation, test = drawn(rated, "validation"), drawn(rated)
    errors = {
        damping: sum(
            (damped(item, damping) - rating) ** 2
            for item, rating in zip(validation.targets, validation.ratings, strict=True)
        )
        for damping in DAMPINGS
    }
    best = min(errors, key=lambda damping: errors[damping])
    given = fit("item-mean", rated, "preference").rate(test.hidden())
    assert given == pytest.approx(np.array([damped(item, best) for item in test.targets]))


@pytest.mark.parametrize(("user_damping", "item_damping"), [(1.0, 1.0), (5.0, 0.5), (0.5, 20.0)])
def test_offsets_solve_the_damped_least_squares(user_damping: float, item_damping: float) -> None:
    """Against a dense solution of the same problem, the damping written as further rows."""
    histories, values, *_ = world(noise=0.5)
    users = np.repeat(np.arange(USERS), [len(history) for history in histories])
    items = np.concatenate(histories)
    mean = float(np.mean(values))
    design = np.zeros((len(values), ITEMS + USERS))
    design[np.arange(len(values)), items] = 1
    design[np.arange(len(values)), ITEMS + users] = 1
    damping = np.diag(np.sqrt(np.repeat([item_damping, user_damping], [ITEMS, USERS])))
    stacked = np.concatenate([design, damping])
    expected, *_ = np.linalg.lstsq(stacked, np.concatenate([np.array(values) - mean, np.zeros(ITEMS + USERS)]))
    found = item_offsets(
        Ratings(users, items, np.array(values)), mean, ITEMS, user_damping=user_damping, item_damping=item_damping
    )
    assert found == pytest.approx(expected[:ITEMS], abs=1e-6)


def test_user_offsets_depend_only_on_the_history(fit: Fit, rated: Corpus) -> None:
    """The rating is that of the item plus the damped mean of what the history's ratings lie above its items."""
    model = fit("bias", rated, "preference")
    test = drawn(rated).hidden()
    nobody = replace(test, ends=test.starts())
    of_items = {item: model.rate(replace(nobody, shown=Shown.single(np.full(USERS, item))))[0] for item in range(ITEMS)}
    damping = model._user_damping
    for number in range(0, USERS, 7):
        rows = slice(test.starts()[number], test.ends[number])
        history, ratings = test.histories.items[rows], test.histories.ratings[rows]
        above = sum(rating - of_items[item] for item, rating in zip(history, ratings, strict=True))
        expected = of_items[test.shown.items[number]] + above / (len(history) + damping)
        assert model.rate(test)[number] == pytest.approx(np.clip(expected, 0.5, 5.0), abs=1e-6)


def test_planted_offsets_are_found_and_each_model_improves(fit: Fit, make_corpus: Callable[..., Corpus]) -> None:
    histories, ratings, of_items, _ = world(noise=0.1, step=0.5)
    corpus = make_corpus(histories, {"title": pa.array(["t"] * ITEMS)}, ratings)
    test = drawn(corpus)
    errors = [
        float(np.sqrt(np.mean((fit(name, corpus, "preference").rate(test.hidden()) - test.ratings) ** 2)))
        for name in NAMES
    ]
    assert errors[0] > 1.1 * errors[1] > 1.1**2 * errors[2]
    assert errors[2] < 0.35  # half of it is the rounding to half stars and the noise
    bias = fit("bias", corpus, "preference")
    assert np.corrcoef(bias._offsets, of_items)[0, 1] > 0.95


@pytest.mark.parametrize("name", ALL)
def test_predictions_are_clipped_to_a_half_star_scale(name: str, fit: Fit, make_corpus: Callable[..., Corpus]) -> None:
    """A user who always gives the lowest rating, and items that all others rate highest."""
    histories = [[0, 1, 2, 3, 4, 5]] * 8
    ratings = [0.5] * 6 + [5.0] * 42
    corpus = make_corpus(histories, {"title": pa.array(["t"] * 6)}, ratings)
    test = drawn(corpus)
    assert test.scale == (0.5, 5.0, 4.5)
    given = fit(name, corpus, "preference").rate(test.hidden())
    assert ((given >= 0.5) & (given <= 5.0)).all()
    extreme = replace(test.hidden(), scale=(2.0, 3.0, 0.5))
    assert (fit(name, corpus, "preference").rate(extreme) <= 3.0).all()


@pytest.mark.parametrize("name", NAMES)
def test_unknown_users_and_items_get_the_mean(name: str, fit: Fit, rated: Corpus) -> None:
    """A user without a history, an item without training ratings; interactions without a rating are ignored."""
    model, mean = fit(name, rated, "preference"), fit("global-mean", rated, "preference")
    histories = Histories(np.array([0, 0, 2]), np.array([1, 2]), np.full(2, np.nan, np.float32), np.arange(2))
    examples = RatingExamples(
        "preference", "new-user", "test", histories, np.array([0, 1]), np.array([0, 2]), None,
        shown=Shown.single(np.array([3, 3])), ratings=None, scale=(0.5, 5.0, 0.5),
    )  # fmt: skip
    given = model.rate(examples)
    assert given[0] == given[1]
    model._offsets[3] = 0.0
    assert model.rate(examples) == pytest.approx(mean.rate(examples))


@pytest.mark.parametrize("name", ALL)
def test_the_test_ratings_are_not_read(name: str, fit: Fit, make_corpus: Callable[..., Corpus]) -> None:
    """With other ratings of all targets the fit is the same."""
    histories, ratings, *_ = world(noise=0.3)
    lasts = np.cumsum([len(history) for history in histories]) - 1
    other = np.array(ratings)
    other[lasts] = 6 - other[lasts]
    given = []
    for values in (ratings, other.tolist()):
        corpus = make_corpus(histories, {"title": pa.array(["t"] * ITEMS)}, values)
        given.append(fit(name, corpus, "preference").rate(drawn(corpus).hidden()))
    assert np.array_equal(*given)


@pytest.mark.parametrize("name", ALL)
def test_loads_what_it_saved(name: str, fit: Fit, reload: Callable[..., Rater[Any]], rated: Corpus) -> None:
    model = fit(name, rated, "preference")
    test = drawn(rated).hidden()
    assert np.array_equal(reload(model, rated).rate(test), model.rate(test))


def test_training_without_a_rating_is_refused(fit: Fit, make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus([[0, 1, 2]] * 3, {"title": pa.array(["t"] * 3)}, [float("nan"), 4.0, 5.0] * 3)
    with pytest.raises(UsageError, match="no rating"):
        fit("item-mean", corpus, "preference")
