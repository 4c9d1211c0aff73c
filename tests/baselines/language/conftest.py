"""An untrained P5 on the planted corpus, for tests of equations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from baselines.language.examples import TrainingExamples
from baselines.language.p5 import P5, P5Config
from unimp_bench import registry
from unimp_bench.contracts import FitData, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue

TASKS = ("recommendation", "search", "preference", "explanation", "selection")
SMALL: dict[str, Any] = {"width": 16, "inner": 32, "layers": 1, "heads": 2, "vocabulary": 500, "epochs": 1}

FitDataOf = Callable[..., FitData]


def fit_data(corpus: Corpus, folder: Path, tasks: tuple[str, ...] = TASKS, seed: int = 0) -> FitData:
    """As from the harness, with validation scores of 0."""
    drawn = {name: registry.make_task(name) for name in tasks}
    examples = {
        name: TaskExamples(task.examples(corpus, "loo", "train"), task.examples(corpus, "loo", "validation"))
        for name, task in drawn.items()
    }
    return FitData(corpus.items, catalogue(corpus, "loo"), examples, seed, folder, folder, lambda *_: {"paper": 0.0})


def begun(data: FitData, **settings: Any) -> P5:
    """A P5 before its first step, with its training examples."""
    model = P5(replace(P5Config(), **SMALL | settings))
    network = model.set_up(model.gather(data), data.items, data.cache)
    network.examples = TrainingExamples(data, model.artifacts, model._renderer, model.config)
    network.eval()
    return model


@pytest.fixture(scope="session")
def planted_data(planted: Corpus, tmp_path_factory: pytest.TempPathFactory) -> FitData:
    return fit_data(planted, tmp_path_factory.mktemp("language"))


@pytest.fixture(scope="session")
def untrained(planted_data: FitData) -> P5:
    return begun(planted_data)
