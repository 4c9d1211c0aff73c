"""MAE and RMSE against scikit-learn's, and what becomes of ratings that could not be parsed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from unimp_bench.metrics.rating import rating_scores
from unimp_bench.metrics.scores import Score, Scores

STARS = (1.0, 5.0, 1.0)
HALF_STARS = (0.5, 5.0, 0.5)

rated = st.lists(st.tuples(st.floats(1, 5), st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0])), min_size=1, max_size=30)


def value(scores: Scores, name: str) -> float:
    score = scores[name]
    assert isinstance(score, Score)
    assert score.low <= score.value + 1e-12
    assert score.value <= score.high + 1e-12
    return score.value


@settings(deadline=None)
@given(rated)
def test_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    predicted, truth = np.array(pairs).T
    scores = rating_scores(predicted, truth, STARS)
    assert value(scores, "MAE") == pytest.approx(mean_absolute_error(truth, predicted))
    assert value(scores, "RMSE") == pytest.approx(root_mean_squared_error(truth, predicted))
    assert value(scores, "Unparsable") == 0


def test_an_unparsable_rating_is_the_worst_of_its_example() -> None:
    scores = rating_scores(np.array([np.nan, np.nan, np.nan, 4.0]), np.array([0.5, 3.0, 5.0, 4.0]), HALF_STARS)
    mae = scores["MAE"]
    assert isinstance(mae, Score)
    assert mae.values is not None
    assert mae.values.tolist() == [4.5, 2.5, 4.5, 0.0]
    assert value(scores, "Unparsable") == 0.75


@settings(deadline=None)
@given(rated, st.floats(allow_nan=False))
def test_no_answer_is_never_better_than_an_answer(pairs: list[tuple[float, float]], other: float) -> None:
    predicted, truth = np.array(pairs).T
    predicted[0] = other
    silent = predicted.copy()
    silent[0] = np.nan
    for name in ("MAE", "RMSE"):
        answered = value(rating_scores(predicted, truth, STARS), name)
        assert value(rating_scores(silent, truth, STARS), name) >= answered - 1e-12


def test_ratings_beyond_the_scale_count_as_its_end() -> None:
    scores = rating_scores(np.array([np.inf, -7.0]), np.array([4.0, 4.0]), STARS)
    assert value(scores, "MAE") == 2.0


def test_mae_gives_rmse_again() -> None:
    rng = np.random.default_rng(0)
    scores = rating_scores(rng.uniform(1, 5, 200), rng.integers(1, 6, 200).astype(float), STARS)
    mae, rmse = scores["MAE"], scores["RMSE"]
    assert isinstance(mae, Score)
    assert isinstance(rmse, Score)
    assert mae.values is not None
    assert rmse.values is None
    assert np.sqrt((mae.values**2).mean()) == pytest.approx(rmse.value)


def test_refuses_no_examples() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        rating_scores(np.array([]), np.array([]), STARS)
