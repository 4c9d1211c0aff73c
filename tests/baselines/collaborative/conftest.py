"""A corpus of user groups with different preferences, which popularity cannot distinguish."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from unimp_bench import registry
from unimp_bench.contracts import FitData, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.metrics.ranking import rank_metric_means

CROWDS, USERS, SHELF, LENGTH = 6, 40, 15, 8

Quality = Callable[..., float]


@pytest.fixture
def crowds(make_corpus: Callable[..., Corpus]) -> Corpus:
    """Six groups of 40 users, each with 15 items of which every user has a random eight."""
    rng = np.random.default_rng(0)
    histories = [
        (crowd * SHELF + rng.permutation(SHELF)[:LENGTH]).tolist() for crowd in range(CROWDS) for _ in range(USERS)
    ]
    return make_corpus(histories, {"title": pa.array([f"item {number}" for number in range(CROWDS * SHELF)])})


@pytest.fixture
def quality(tmp_path: Path) -> Quality:
    """``quality(name, corpus, **settings)`` fits a model and gives its HR@10 on the test part, seen items masked."""

    def measured(name: str, corpus: Corpus, **settings: Any) -> float:
        model, task = registry.make_model(name, settings=settings), registry.make_task("recommendation")
        train, validation, test = (task.examples(corpus, "loo", part) for part in ("train", "validation", "test"))
        items = catalogue(corpus, "loo")

        def hits(model: Any, examples: Any) -> float:
            ranking = rank_examples(model, examples, items, "masked", top=0, label=name)
            return rank_metric_means(ranking.ranks)["HR@10"]

        folder = tmp_path / name
        folder.mkdir()
        drawn = {"recommendation": TaskExamples(train, validation)}
        model.fit(
            FitData(corpus.items, items, drawn, 0, folder, folder, lambda model, _: {"paper": hits(model, validation)})
        )
        return hits(model, test)

    return measured
