"""The paired test against scipy's permutation and binomial tests; Holm's correction against its definition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, permutation_test, ttest_ind, ttest_rel

from unimp_bench.metrics import paired
from unimp_bench.metrics.paired import holm, paired_test, seeded_test
from unimp_bench.metrics.ranking import RankMetric
from unimp_bench.records import FloatArray


def _scipy(first: FloatArray, second: FloatArray, resamples: float) -> float:
    outcome = permutation_test(
        (first, second),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=resamples,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(outcome.pvalue)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=9))
def test_small_samples_equal_all_permutations_of_scipy(pairs: list[tuple[int, int]]) -> None:
    # Quarters have no rounding errors, against which scipy does not guard its sums.
    first, second = (np.array(values) / 4 for values in zip(*pairs, strict=True))
    outcome = paired_test(first, second, seed=0)
    assert outcome.exact
    if np.allclose(first, second):
        assert outcome.p_value == pytest.approx(1.0)
    else:
        assert outcome.p_value == pytest.approx(_scipy(first, second, np.inf))


@pytest.mark.parametrize(("wins", "losses"), [(0, 1), (3, 3), (12, 4), (300, 240), (2000, 1700)])
def test_binary_values_give_mcnemars_exact_test(wins: int, losses: int) -> None:
    ties = 37
    first = np.concatenate([np.ones(wins), np.zeros(losses), np.ones(ties)])
    second = np.concatenate([np.zeros(wins), np.ones(losses), np.ones(ties)])
    outcome = paired_test(first, second, seed=0)
    assert outcome.exact
    assert outcome.p_value == pytest.approx(binomtest(wins, wins + losses).pvalue)
    assert outcome.difference == pytest.approx((wins - losses) / (wins + losses + ties))


def test_sampled_p_value_agrees_with_scipy() -> None:
    rng = np.random.default_rng(5)
    metric = RankMetric("NDCG", 10)
    first, second = metric.values(rng.geometric(0.12, 300)), metric.values(rng.geometric(0.10, 300))
    outcome = paired_test(first, second, seed=1)
    assert not outcome.exact
    theirs = _scipy(first, second, 20_000)
    assert 0.01 < theirs < 0.9
    # Standard error of a p-value of 20,000 samples: below 0.0036.
    assert outcome.p_value == pytest.approx(theirs, abs=0.011)
    assert paired_test(second, first, seed=1).p_value == pytest.approx(outcome.p_value, abs=0.01)
    assert paired_test(first, second, seed=1) == outcome


def _ndcg(rng: np.random.Generator, skill: float, n: int) -> FloatArray:
    return RankMetric("NDCG", 10).values(rng.geometric(skill, n))


def _integers(rng: np.random.Generator, skill: float, n: int) -> FloatArray:
    return rng.integers(0, 30, n) + skill


@pytest.mark.parametrize("values", [_ndcg, _integers])
@pytest.mark.parametrize("trial", range(3))
def test_the_normal_limit_agrees_with_samples_and_with_scipy(
    values: Callable[[np.random.Generator, float, int], FloatArray], trial: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(trial)
    first, second = values(rng, 0.12, 600), values(rng, 0.115, 600)
    limit = paired_test(first, second, seed=0)
    assert paired_test(first, second, seed=1) == limit, "not sampled"
    assert not limit.exact
    monkeypatch.setattr(paired, "_LIMIT_WEIGHT", 10_000)
    sampled = paired_test(first, second, seed=0)
    assert paired_test(first, second, seed=1) != sampled
    # Standard errors: 0.0016 of 100,000 samples, 0.005 of 10,000.
    assert limit.p_value == pytest.approx(sampled.p_value, abs=0.008)
    assert limit.p_value == pytest.approx(_scipy(first, second, 10_000), abs=0.018)
    assert limit.difference == sampled.difference


@pytest.mark.parametrize("scale", [1.0, 1e-200])
def test_a_few_large_differences_or_few_magnitudes_have_no_normal_limit(scale: float) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=5_000)
    heavy = np.concatenate([1e-3 * noise, np.full(3, 100.0)])
    few = np.where(noise > 0, rng.integers(1, 6, 5_000), -rng.integers(1, 6, 5_000))
    for values in (heavy, few):
        first = scale * values
        outcomes = {paired_test(first, np.zeros(len(first)), seed=seed, resamples=999).p_value for seed in range(9)}
        assert len(outcomes) > 1, "sampled"
    dense = paired_test(scale * noise, np.zeros(5_000), seed=0)
    assert dense == paired_test(scale * noise, np.zeros(5_000), seed=1)
    assert dense.p_value == pytest.approx(2 * norm.sf(abs(noise.sum()) / np.sqrt((noise**2).sum())))


def test_a_sampled_p_value_is_never_zero() -> None:
    first = np.append(np.random.default_rng(0).random(60) + 1, -16.5)
    outcome = paired_test(first, np.zeros(61), seed=0, resamples=999)
    assert not outcome.exact
    assert 1 / 1000 <= outcome.p_value < 3 / 1000


@pytest.mark.parametrize("count", [30, 60, 300])
def test_a_p_value_below_those_of_samples_is_a_bound(count: int) -> None:
    first = np.random.default_rng(0).random(count) + 1
    outcome = paired_test(first, np.zeros(count), seed=0, resamples=999)
    assert paired_test(first, np.zeros(count), seed=1, resamples=999) == outcome
    assert 2.0 ** (1 - count) <= outcome.p_value < 1 / 1000, "two of all outcomes are as extreme"


def test_equal_runs_do_not_differ() -> None:
    values = np.random.default_rng(0).random(20)
    outcome = paired_test(values, values, seed=0)
    assert (outcome.difference, outcome.p_value) == (0.0, 1.0)


def test_false_alarms_are_as_rare_as_the_level_says() -> None:
    rng = np.random.default_rng(7)
    metric = RankMetric("MRR", 5)
    alarms = sum(
        paired_test(
            metric.values(rng.geometric(0.2, 80)), metric.values(rng.geometric(0.2, 80)), seed=trial, resamples=999
        ).p_value
        <= 0.1
        for trial in range(300)
    )
    assert 0.05 <= alarms / 300 <= 0.15


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (np.zeros(3), np.zeros(4), r"not \(3,\) and \(4,\)"),
        (np.zeros(0), np.zeros(0), "one value for each"),
        (np.array([np.nan]), np.array([0.0]), "finite"),
    ],
)
def test_refuses_runs_that_cannot_be_paired(first: FloatArray, second: FloatArray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired_test(first, second, seed=0)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_as_the_step_down_procedure_does(p_values: list[float], level: float) -> None:
    rejected = set()
    for step, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        if p_values[index] * (len(p_values) - step) > level:
            break
        rejected.add(index)
    assert set(np.flatnonzero(holm(p_values) <= level)) == rejected


def test_values_that_all_differ_agree_with_scipy() -> None:
    rng = np.random.default_rng(3)
    first = rng.normal(0.05, 1.0, 700)
    second = rng.normal(0.0, 1.0, 700)
    outcome = paired_test(first, second, seed=0)
    assert not outcome.exact
    assert outcome.p_value == pytest.approx(_scipy(first, second, 20_000), abs=0.02)


def test_single_runs_without_chance_give_the_paired_t_test() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.random((1, 50)), rng.random((1, 50))
    assert seeded_test(first, second).p_value == pytest.approx(ttest_rel(first[0], second[0]).pvalue)


def test_examples_that_do_not_vary_give_welchs_test_of_the_seeds() -> None:
    first, second = np.array([0.31, 0.35, 0.33]), np.array([0.30, 0.27, 0.31, 0.26])
    test = seeded_test(np.repeat(first[:, None], 9, axis=1), np.repeat(second[:, None], 9, axis=1))
    assert test.p_value == pytest.approx(ttest_ind(first, second, equal_var=False).pvalue)
    assert test.difference == pytest.approx(first.mean() - second.mean())


def test_seeds_that_differ_more_than_models_raise_no_false_alarm() -> None:
    """The test over examples alone calls most of these differences significant."""
    rng = np.random.default_rng(5)
    examples = rng.random(300)

    def model() -> FloatArray:
        return examples + rng.normal(0, 0.02, (3, 1)) + rng.normal(0, 0.02, (3, 300))

    pairs = [(model(), model()) for _ in range(300)]
    assert np.mean([seeded_test(*pair).p_value <= 0.05 for pair in pairs]) <= 0.09
    assert np.mean([ttest_rel(first.mean(axis=0), second.mean(axis=0)).pvalue <= 0.05 for first, second in pairs]) > 0.5


def test_seeded_test_of_equal_models_and_of_unequal_examples() -> None:
    assert seeded_test(np.ones((3, 4)), np.ones((2, 4))).p_value == 1.0
    with pytest.raises(ValueError, match="same examples"):
        seeded_test(np.ones((3, 4)), np.ones((2, 5)))
    with pytest.raises(ValueError, match="finite"):
        seeded_test(np.full((2, 4), np.nan), np.ones((2, 4)))
