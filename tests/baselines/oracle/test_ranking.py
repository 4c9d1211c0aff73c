"""The oracle knows the generator's probabilities, and the sample is worth learning from (docs/sample.md)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baselines.oracle.model import IMPOSSIBLE, Oracle, OracleConfig
from data_prep.sample import generate
from data_prep.sample.words import DEPARTMENTS
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import DataError
from unimp_bench.records import Examples

SPLITS = ("loo", "new-user", "new-domain")


def opened(corpus: Corpus, preset: str = "full") -> Oracle:
    oracle = Oracle(Oracle.presets[preset])
    oracle.load(Path(), corpus.items, Path())
    return oracle


def drawn(corpus: Corpus, task: str, split: str = "loo") -> Examples:
    return registry.make_task(task).examples(corpus, split, "test")


def hit_rate(scores: np.ndarray, columns: np.ndarray, k: int = 5) -> float:
    """HR@k with ties against the model, by its own arithmetic."""
    own = scores[np.arange(len(scores)), columns][:, None]
    return float(((scores >= own).sum(axis=1) <= k).mean())


def oracle_hit_rate(corpus: Corpus, task: str, preset: str) -> float:
    examples = drawn(corpus, task)
    answers = catalogue(corpus, "loo")
    scores = opened(corpus, preset).score(examples.hidden(), answers)
    return hit_rate(scores, np.searchsorted(answers, examples.targets))


def surprise(corpus: Corpus, task: str, preset: str) -> float:
    """Log-likelihood of the true targets against what the oracle's own probabilities expect, in standard errors."""
    examples = drawn(corpus, task)
    probabilities = opened(corpus, preset).probabilities(examples.hidden())
    logs = np.log(np.where(probabilities > 0, probabilities, 1.0))
    expected = (probabilities * logs).sum(axis=1)
    variances = (probabilities * (logs - expected[:, None]) ** 2).sum(axis=1)
    achieved = logs[np.arange(len(examples)), examples.targets]
    return float((achieved - expected).sum() / np.sqrt(variances.sum()))


def test_recorded_probabilities_are_reproduced(sample: Corpus, tmp_path: Path) -> None:
    """The oracle reproduces, from the built corpus, the probabilities recorded by the generator at each choice."""
    generate(tmp_path, departments=DEPARTMENTS[:1])
    truth = tmp_path / "truth"
    users, items = (json.loads((truth / f"{name}.json").read_text()) for name in ("users", "items"))
    user_of = {name: number for number, name in enumerate(sample.users.names)}
    item_of = {name: number for number, name in enumerate(sample.items.names)}
    recorded = np.load(truth / "choice_log_probability.npy")
    bought = np.array([item_of[items[item]] for item in np.load(truth / "choice_item.npy")])
    buyers = np.array([user_of[users[user]] for user in np.load(truth / "choice_user.npy")])

    histories = sample.histories
    firsts = np.concatenate([[0], np.flatnonzero(np.diff(buyers)) + 1])
    rows = np.arange(len(buyers)) - np.repeat(firsts, np.diff([*firsts, len(buyers)])) + histories.offsets[buyers]
    assert np.array_equal(histories.items[rows], bought)
    choices = Examples("recommendation", "loo", "test", histories, buyers, rows, None)

    oracle = opened(sample)
    found = [
        oracle.probabilities(choices.select(block))[np.arange(len(block)), bought[block]]
        for block in np.array_split(np.arange(len(buyers)), 8)
    ]
    assert len(recorded) > 3000
    assert np.abs(np.log(np.concatenate(found)) - recorded).max() < 1e-5


@pytest.mark.parametrize("task", ["recommendation", "search"])
@pytest.mark.parametrize("split", SPLITS)
def test_probabilities_are_a_distribution_over_what_can_be_chosen(sample: Corpus, task: str, split: str) -> None:
    examples = drawn(sample, task, split)
    probabilities = opened(sample).probabilities(examples.hidden())
    assert np.allclose(probabilities.sum(axis=1), 1.0)
    categories = sample.items.text("category")
    for number in range(0, len(examples), 97):
        possible = set(np.flatnonzero(probabilities[number]))
        assert examples.targets[number] in possible
        assert not possible & set(examples.history(number).tolist())
        assert {sample.items.domains[item] for item in possible} == {
            sample.users.domains[examples.users[number]],
        }
        if examples.queries is not None:
            assert {categories[item] for item in possible} == {examples.query_texts[examples.queries[number]]}


@pytest.mark.parametrize("task", ["recommendation", "search"])
def test_full_oracle_is_calibrated_and_restricted_ones_are_not(sample: Corpus, task: str) -> None:
    assert abs(surprise(sample, task, "full")) < 3
    assert abs(surprise(sample, task, "no-order")) > 5


def test_top_probability_is_the_share_of_hits(sample: Corpus) -> None:
    examples = drawn(sample, "recommendation")
    probabilities = opened(sample).probabilities(examples.hidden())
    claimed = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == examples.targets
    assert abs((hits - claimed).sum()) < 3 * np.sqrt((claimed * (1 - claimed)).sum())


def test_the_upper_bound_of_recommendation_is_as_documented(sample: Corpus) -> None:
    assert 0.2 < oracle_hit_rate(sample, "recommendation", "full") < 0.5


@pytest.mark.parametrize("task", ["recommendation", "search"])
@pytest.mark.parametrize("preset", ["no-pictures", "no-text", "no-order"])
def test_hiding_any_information_costs_a_tenth(sample: Corpus, task: str, preset: str) -> None:
    assert oracle_hit_rate(sample, task, preset) <= 0.9 * oracle_hit_rate(sample, task, "full")


def test_popularity_is_below_a_third_of_the_upper_bound(sample: Corpus) -> None:
    """Also popularity within the user's domain."""
    examples = drawn(sample, "recommendation")
    answers = catalogue(sample, "loo")
    columns = np.searchsorted(answers, examples.targets)
    sales = np.bincount(examples.histories.items, minlength=len(sample.items))[answers].astype(float)
    same_domain = sample.items.domains[answers] == sample.users.domains[examples.users][:, None]
    ceiling = oracle_hit_rate(sample, "recommendation", "full")
    for scores in (np.broadcast_to(sales, same_domain.shape), np.where(same_domain, sales, -1.0)):
        assert hit_rate(scores, columns) < ceiling / 3


def test_scores_are_finite_logs_of_the_probabilities(sample: Corpus) -> None:
    examples = drawn(sample, "search").select(slice(0, 50)).hidden()
    answers = catalogue(sample, "loo")
    oracle = opened(sample)
    scores = oracle.score(examples, answers)
    probabilities = oracle.probabilities(examples)[:, answers]
    assert np.isfinite(scores).all()
    assert np.allclose(np.exp(scores), probabilities)
    assert (scores[probabilities == 0] == IMPOSSIBLE).all()


def test_hidden_order_ignores_the_order(sample: Corpus) -> None:
    """With the order hidden, a history with its last items exchanged gives the same chances; else it does not."""
    examples = drawn(sample, "recommendation").select(slice(0, 40)).hidden()
    items = np.array(examples.histories.items)
    ends = examples.ends
    items[ends - 1], items[ends - 3] = items[ends - 3], items[ends - 1]
    exchanged = replace(examples, histories=replace(examples.histories, items=items))
    for hide, same in (("order", True), ("nothing", False)):
        oracle = Oracle(OracleConfig(hide=hide))
        oracle.load(Path(), sample.items, Path())
        assert np.allclose(oracle.probabilities(examples), oracle.probabilities(exchanged)) is same


def test_other_corpora_are_refused(planted: Corpus) -> None:
    with pytest.raises(DataError, match="only a generated corpus has one"):
        opened(planted)
