"""The ground truth of ratings in the sample: computed distributions match the ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from baselines.oracle.model import expected_stars, median_stars, star_probabilities
from unimp_bench.corpus import Corpus


@dataclass(frozen=True)
class Rated:
    """All ratings of the sample and their true probabilities."""

    users: np.ndarray
    items: np.ndarray
    stars: np.ndarray
    truth: dict[str, np.ndarray]
    probabilities: np.ndarray


@pytest.fixture(scope="module")
def rated(sample: Corpus) -> Rated:
    truth = {path.stem: np.load(path) for path in (sample.folder / "truth").glob("*.npy")}
    users = np.repeat(np.arange(sample.histories.users), sample.histories.lengths())
    items = np.asarray(sample.histories.items)
    stars = np.asarray(sample.histories.ratings, dtype=np.int64)
    return Rated(users, items, stars, truth, star_probabilities(truth, users, items))


def chi_square(probabilities: np.ndarray, stars: np.ndarray) -> float:
    """p-value of the counts of stars in bins of like expectation, against the sums of their chances."""
    order = np.argsort(expected_stars(probabilities))
    terms = freedom = 0.0
    for rows in np.array_split(order, 20):
        expected = probabilities[rows].sum(axis=0)
        observed = np.bincount(stars[rows] - 1, minlength=5)
        enough = expected >= 5
        counted = np.append(observed[enough], observed[~enough].sum())
        means = np.append(expected[enough], expected[~enough].sum())
        terms += ((counted - means)[means > 0] ** 2 / means[means > 0]).sum()
        freedom += (means > 0).sum() - 1
    return float(stats.chi2.sf(terms, freedom))


def test_rows_are_distributions(rated: Rated) -> None:
    assert rated.probabilities.shape == (len(rated.stars), 5)
    assert (rated.probabilities > 0).all()
    assert np.allclose(rated.probabilities.sum(axis=1), 1.0)


def test_ratings_follow_the_true_distribution(rated: Rated) -> None:
    assert chi_square(rated.probabilities, rated.stars) > 0.001


@pytest.mark.parametrize("name", ["item_quality", "user_leniency", "user_liking_mean"])
def test_ratings_do_not_follow_a_perturbed_distribution(rated: Rated, name: str) -> None:
    """The test above fails with permuted quality or leniency, or with uncentred liking."""
    values = rated.truth[name]
    wrong = rated.truth | {name: np.zeros_like(values) if name == "user_liking_mean" else np.roll(values, 1)}
    assert chi_square(star_probabilities(wrong, rated.users, rated.items), rated.stars) < 1e-6


def test_errors_of_the_expectation_centre_on_zero(rated: Rated) -> None:
    errors = rated.stars - expected_stars(rated.probabilities)
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(len(errors))
    for code in range(7):
        of_domain = errors[rated.truth["user_domain"][rated.users] == code]
        assert abs(of_domain.mean()) < 4 * of_domain.std() / np.sqrt(len(of_domain))


def test_the_expectation_beats_damped_means(rated: Rated, sample: Corpus) -> None:
    """On everyone's last rating, against the means of user and item over all others, shrunk by half."""
    last = np.zeros(len(rated.stars), dtype=bool)
    last[sample.histories.offsets[1:] - 1] = True
    past = ~last
    mean = rated.stars[past].mean()

    def bias(codes: np.ndarray, of: np.ndarray) -> np.ndarray:
        sums = np.bincount(codes[past], of[past], codes.max() + 1)
        return sums / (np.bincount(codes[past], minlength=codes.max() + 1) + 5)

    of_item = bias(rated.items, rated.stars - mean)[rated.items]
    of_user = bias(rated.users, rated.stars - mean - of_item)[rated.users]
    learned = np.clip(mean + of_item + of_user, 1, 5)
    true = expected_stars(rated.probabilities)

    def rmse(of: np.ndarray) -> float:
        return float(np.sqrt(((rated.stars - of)[last] ** 2).mean()))

    assert rmse(true) < 0.93 * rmse(learned) < 0.93 * rated.stars[last].std()


def test_the_median_has_the_least_absolute_error(rated: Rated) -> None:
    medians = median_stars(rated.probabilities)
    assert set(np.unique(medians)) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    chances = rated.probabilities[:200]
    expected = [(chances * np.abs(np.arange(1, 6) - guess)).sum(axis=1) for guess in range(1, 6)]
    assert np.array_equal(medians[:200], 1 + np.argmin(expected, axis=0))
