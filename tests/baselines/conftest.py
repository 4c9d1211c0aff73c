"""Fits and reloads a baseline as the harness does, on the planted corpus or one made for a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from unimp_bench import registry
from unimp_bench.contracts import FitData, Ranker, TaskExamples
from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.records import Histories
from unimp_bench.splits import catalogue

Fit = Callable[..., Ranker[Any]]
MakeCorpus = Callable[[list[list[int]], Mapping[str, pa.Array]], Corpus]


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    """``fit(name, corpus, task, **settings)`` gives the fitted model."""

    def fitted(name: str, corpus: Corpus, task: str, **settings: Any) -> Ranker[Any]:
        model = registry.make_model(name, settings=settings)
        assert isinstance(model, Ranker)
        drawn = registry.make_task(task)
        examples = TaskExamples(drawn.examples(corpus, "loo", "train"), drawn.examples(corpus, "loo", "validation"))
        items = catalogue(corpus, "loo")
        model.fit(FitData(corpus.items, items, {task: examples}, 0, tmp_path, tmp_path, lambda *_: 0.0))
        return model

    return fitted


@pytest.fixture
def reload(tmp_path: Path) -> Callable[[Ranker[Any], Corpus], Ranker[Any]]:
    """``reload(model, corpus)`` gives a new instance that loaded what the model saved."""

    def reloaded(model: Ranker[Any], corpus: Corpus) -> Ranker[Any]:
        folder = tmp_path / "saved"
        folder.mkdir()
        model.save(folder)
        fresh = type(model)(model.config)
        fresh.load(folder, corpus.items, tmp_path)
        return fresh

    return reloaded


@pytest.fixture
def make_corpus(tmp_path: Path) -> MakeCorpus:
    """``make_corpus(histories, attributes)`` gives a corpus of one domain with these item attributes."""

    def made(histories: list[list[int]], attributes: Mapping[str, pa.Array]) -> Corpus:
        items = len(next(iter(attributes.values())))
        rows = sum(map(len, histories))
        with CorpusWriter(tmp_path / "small") as writer:
            writer.users(
                [f"u{n}" for n in range(len(histories))], ["all"] * len(histories), np.zeros(len(histories), bool)
            )
            writer.items([f"i{n}" for n in range(items)], ["all"] * items, dict(attributes))
            writer.histories(
                Histories(
                    offsets=np.cumsum([0, *map(len, histories)]),
                    items=np.array([item for history in histories for item in history]),
                    ratings=np.full(rows, np.nan),
                    times=np.arange(rows),
                )
            )
            writer.finish(
                source="made",
                licence="none",
                synthetic=True,
                options={},
                inputs={},
                domains=("all",),
                new_domains=(),
                bad_lines={},
            )
        return Corpus.open(tmp_path / "small")

    return made
