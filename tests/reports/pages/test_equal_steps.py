"""The sentence on a suite of equal steps against the ranks that it is about."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.reports.pretended import make_result
from unimp_bench.contracts import Training
from unimp_bench.metrics.ranking import RankMetric
from unimp_bench.records import IntArray
from unimp_bench.reports.pages.equal_steps import equal_steps_words
from unimp_bench.reports.rows.sections import topic_sections
from unimp_bench.runs.results import Result
from unimp_bench.runs.suites import SUITES

NDCG = RankMetric("NDCG", 10)
RANKS = np.random.default_rng(0).integers(1, 12, 400)
FOUR = ("preference", "recommendation", "search", "selection")


def row(ranks: IntArray, seeds: int, *, synthetic: bool = False, steps: int = 100, **changes: Any) -> list[Result]:
    fixed: dict[str, Any] = {"task": "recommendation", "preset": "tiny", "config": {"steps": steps}}
    found = [make_result("unimp", ranks, seed=seed, **fixed, **changes) for seed in range(seeds)]
    training = Training(steps=100, examples=800, epochs=2, stopped="budget")
    return [
        each.model_copy(
            update={"corpus": each.corpus.model_copy(update={"synthetic": synthetic}), "training": training}
        )
        for each in found
    ]


def said(results: list[Result]) -> list[str]:
    return list(equal_steps_words(topic_sections(SUITES["learning_strategy"], results)))


def test_the_first_row_and_the_differences_to_it() -> None:
    alone, joint, further = RANKS, RANKS + 3, RANKS.copy()
    results = row(alone, 3) + row(joint, 3, fit_on=FOUR)
    (sentence,) = said(results + row(further, 1, steps=50, after=(FOUR,), tune={"trained": "all"}))
    difference = NDCG.values(joint).mean() - NDCG.values(alone).mean()
    assert "at 100 steps of each row on toy, recommendation: " in sentence
    assert f"NDCG@10 of Single task {NDCG.values(alone).mean():.4f};" in sentence
    assert f"Four tasks {difference:+.4f} (p < 0.05)" in sentence
    assert "Four tasks + Full" not in sentence, "a row of one seed"


def test_nothing_is_said_of_few_seeds_or_generated_data() -> None:
    assert not said(row(RANKS, 2) + row(RANKS + 3, 3, fit_on=FOUR))
    assert not said(row(RANKS, 3, synthetic=True) + row(RANKS + 3, 3, synthetic=True, fit_on=FOUR))
    assert not said(row(RANKS, 3))
