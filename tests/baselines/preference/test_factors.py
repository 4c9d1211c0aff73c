"""Matrix factorisation for ratings: its equations in plain loops, Cornac's ratings, and learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from unimp_bench import registry
from unimp_bench.contracts import Rater
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError, DependencyError, UsageError
from unimp_bench.kinds.rating import RatingExamples
from unimp_bench.records import Examples, Shown

pytest.importorskip("cornac")

from cornac.data import Dataset
from cornac.models import MF

from baselines.preference import factors
from baselines.preference.averages import Ratings
from baselines.preference.factors import RatingMFConfig, _Trainer

USERS, ITEMS = 150, 40

Fit = Callable[..., Rater[Any]]
MakeCorpus = Callable[..., Corpus]


def opinions(seed: int = 0) -> tuple[list[list[int]], list[float]]:
    """Users of two tastes, items of two kinds: each taste gives its kind about 4.5 and the other about 1.5."""
    rng = np.random.default_rng(seed)
    histories = [rng.permutation(ITEMS)[:16].tolist() for _ in range(USERS)]
    ratings = [
        float(np.clip(3 + (1.5 if user % 2 == item % 2 else -1.5) + rng.normal(0, 0.3), 1, 5))
        for user, history in enumerate(histories)
        for item in history
    ]
    return histories, ratings


@pytest.fixture
def rated(make_corpus: MakeCorpus) -> Corpus:
    histories, ratings = opinions()
    return make_corpus(histories, {"title": pa.array(["t"] * ITEMS)}, ratings)


def drawn(corpus: Corpus, part: str = "test") -> Examples:
    return registry.make_task("preference").examples(corpus, "loo", part)


def rmse(model: Rater[Any], examples: RatingExamples) -> float:
    return float(np.sqrt(np.mean((model.rate(examples.hidden()) - examples.ratings) ** 2)))


def test_a_rating_is_the_mean_the_biases_and_the_product_of_the_factors(fit: Fit, rated: Corpus) -> None:
    learned = fit("rating-mf", rated, "preference", epochs=5)._factors
    test = drawn(rated)
    expected = []
    for user, item in zip(test.users, test.shown.items, strict=True):
        rating = float(learned.mean[0]) + float(learned.user_biases[user]) + float(learned.item_biases[item])
        for factor in range(10):
            rating += float(learned.users[user, factor]) * float(learned.items[item, factor])
        expected.append(min(max(rating, 1.0), 5.0))
    np.testing.assert_allclose(learned.ratings(test), expected, rtol=1e-5)


def test_training_by_epochs_and_ratings_equal_cornac() -> None:
    """The factors after three epochs, and Cornac's predictions for all pairs."""
    histories, ratings = opinions()
    users = np.repeat(np.arange(USERS), 16)
    items = np.concatenate(histories)
    training = _Trainer(Ratings(users, items, np.array(ratings)), USERS, ITEMS, 3, RatingMFConfig(epochs=3))
    order = np.random.default_rng(3).permutation(len(ratings))
    columns = (users[order], items[order], np.array(ratings)[order])
    names = [{number: number for number in range(size)} for size in (USERS, ITEMS)]
    cornac = MF(k=10, max_iter=3, learning_rate=0.01, lambda_reg=0.05, seed=3).fit(
        Dataset(USERS, ITEMS, *names, columns)
    )
    some = RatingExamples(
        "preference", "loo", "validation", None, users, np.zeros(len(users)), None,
        shown=Shown.single(items), ratings=np.array(ratings), scale=(-100.0, 100.0, 1.0),
    )  # fmt: skip
    found = training.best(0.05, some)
    expected = [cornac.score(user, item) for user, item in zip(users, items, strict=True)]
    np.testing.assert_allclose(found.ratings(some), expected, rtol=1e-4)
    assert np.std(expected) > 0.01


def test_a_step_descends_on_the_regularised_squared_error() -> None:
    """Eq. 5's update, in plain loops from Cornac's first factors."""
    users, items, values = np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([5.0, 2.0, 4.0])
    dataset = Dataset(2, 2, {0: 0, 1: 1}, {0: 0, 1: 1}, (users, items, values))
    start = {"U": np.array([[0.1, 0.2], [0.3, -0.1]]), "V": np.array([[0.5, 0.1], [-0.2, 0.4]])}
    start |= {"Bu": np.array([0.1, -0.1]), "Bi": np.array([0.2, 0.0])}
    given = {name: table.astype(np.float32) for name, table in start.items()}
    model = MF(k=2, max_iter=1, learning_rate=0.1, lambda_reg=0.3, seed=0, init_params=given).fit(dataset)
    p, q, bu, bi = (start[name].copy() for name in ("U", "V", "Bu", "Bi"))
    for u, i, r in zip(users, items, values, strict=True):
        error = r - (values.mean() + bu[u] + bi[i] + sum(p[u] * q[i]))
        p[u], q[i] = p[u] + 0.1 * (error * q[i] - 0.3 * p[u]), q[i] + 0.1 * (error * p[u] - 0.3 * q[i])
        bu[u] += 0.1 * (error - 0.3 * bu[u])
        bi[i] += 0.1 * (error - 0.3 * bi[i])
    for found, expected in ((model.u_factors, p), (model.i_factors, q), (model.u_biases, bu), (model.i_biases, bi)):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_factors_learn_tastes_that_biases_cannot(fit: Fit, rated: Corpus) -> None:
    """Every user and item has about the same mean; the factors leave less than half of the error of ``bias``."""
    test = drawn(rated)
    bias, learned = (rmse(fit(name, rated, "preference"), test) for name in ("bias", "rating-mf"))
    assert bias > 1.4
    assert learned < 0.5 * bias


def test_regularisation_and_pass_are_chosen_on_validation(
    fit: Fit, rated: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    validation = drawn(rated, "validation")
    best = fit("rating-mf", rated, "preference", epochs=30)._factors.squared_error(validation)
    for value in factors.REGULARISATIONS:
        monkeypatch.setattr(factors, "REGULARISATIONS", (value,))
        for epochs in (1, 30):
            alone = fit("rating-mf", rated, "preference", epochs=epochs)._factors
            assert best <= alone.squared_error(validation)


def test_users_and_items_without_training_ratings_have_no_terms(fit: Fit, make_corpus: MakeCorpus) -> None:
    """An item that is only a target gets the mean and the user's bias; an unknown user's example the item's."""
    histories, ratings = opinions()
    histories[0][-1] = ITEMS
    corpus = make_corpus(histories, {"title": pa.array(["t"] * (ITEMS + 1))}, ratings)
    model = fit("rating-mf", corpus, "preference", epochs=5)
    learned, test = model._factors, drawn(corpus)
    assert test.shown.items[0] == ITEMS
    expected = np.clip(learned.mean[0] + learned.user_biases[0], 1, 5)
    assert model.rate(test)[0] == pytest.approx(expected, rel=1e-6)
    assert model.parameters().total == (USERS + ITEMS) * 11


@pytest.mark.parametrize("seed", [0, 4])
def test_the_same_seed_gives_the_same_factors(seed: int, fit: Fit, rated: Corpus) -> None:
    test = drawn(rated).hidden()
    first, again, other = (fit("rating-mf", rated, "preference", one, epochs=3).rate(test) for one in (seed, seed, 9))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_test_ratings_are_not_read(fit: Fit, make_corpus: MakeCorpus) -> None:
    histories, ratings = opinions()
    other = np.array(ratings)
    other[15::16] = 6 - other[15::16]
    given = [
        fit("rating-mf", corpus, "preference", epochs=3).rate(drawn(corpus).hidden())
        for values in (ratings, other.tolist())
        for corpus in [make_corpus(histories, {"title": pa.array(["t"] * ITEMS)}, values)]
    ]
    assert np.array_equal(*given)


def test_loads_what_it_saved(fit: Fit, reload: Callable[..., Rater[Any]], rated: Corpus) -> None:
    model, test = fit("rating-mf", rated, "preference", epochs=3), drawn(rated).hidden()
    again = reload(model, rated)
    assert np.array_equal(again.rate(test), model.rate(test)) and again.parameters() == model.parameters()


def test_predictions_are_clipped_to_the_scale(fit: Fit, rated: Corpus) -> None:
    narrow = replace(drawn(rated).hidden(), scale=(2.0, 3.0, 0.5))
    given = fit("rating-mf", rated, "preference").rate(narrow)
    assert given.min() == 2.0 and given.max() == 3.0


def test_a_damaged_file_is_refused(tmp_path: Path, rated: Corpus) -> None:
    (tmp_path / factors.FILE).write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="fit the model again"):
        registry.make_model("rating-mf").load(tmp_path, rated.items, tmp_path)


def test_training_without_a_rating_is_refused(fit: Fit, make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([[0, 1, 2]] * 3, {"title": pa.array(["t"] * 3)}, [float("nan"), 4.0, 5.0] * 3)
    with pytest.raises(UsageError, match="no rating"):
        fit("rating-mf", corpus, "preference")


def test_missing_cornac_is_a_one_line_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "baselines.preference.factors")
    monkeypatch.setitem(sys.modules, "cornac.data", None)
    with pytest.raises(DependencyError, match=r"^[^\n]*'cornac[^\n]*not installed[^\n]*$"):
        registry.make_model("rating-mf")
