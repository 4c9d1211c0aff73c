"""Fits and reloads a baseline as the harness does, on the planted corpus or one made for a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.corpora import finish
from unimp_bench import registry
from unimp_bench.contracts import FitData, Model, TaskExamples
from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.corpus.splits import catalogue
from unimp_bench.kinds.picture import PictureExamples
from unimp_bench.records import Histories, PictureCodes

Fit = Callable[..., Model[Any]]
MakeCorpus = Callable[..., Corpus]


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    """``fit(name, corpus, task, seed=0, pictures=None, **settings)`` gives the fitted model, each in a new folder."""
    numbers = count()

    def fitted(
        name: str, corpus: Corpus, task: str, seed: int = 0, pictures: PictureCodes | None = None, **settings: Any
    ) -> Model[Any]:
        model = registry.make_model(name, settings=settings)
        drawn = registry.make_task(task)
        parts = [drawn.examples(corpus, "loo", part) for part in ("train", "validation")]
        if pictures is not None:
            parts = [PictureExamples.of(part, pictures=pictures) for part in parts]
        examples = TaskExamples(*parts)
        items = catalogue(corpus, "loo")
        work = tmp_path / f"fit-{next(numbers)}"
        work.mkdir()
        model.fit(FitData(corpus.items, items, {task: examples}, seed, work, tmp_path, lambda *_: {"paper": 0.0}))
        return model

    return fitted


@pytest.fixture
def reload(tmp_path: Path) -> Callable[[Model[Any], Corpus], Model[Any]]:
    """``reload(model, corpus)`` gives a new instance that loaded what the model saved."""

    def reloaded(model: Model[Any], corpus: Corpus) -> Model[Any]:
        folder = tmp_path / "saved"
        folder.mkdir()
        model.save(folder)
        fresh = type(model)(model.config)
        fresh.load(folder, corpus.items, tmp_path)
        return fresh

    return reloaded


@pytest.fixture
def make_corpus(tmp_path: Path) -> MakeCorpus:
    """``make_corpus(histories, attributes)`` gives a corpus of one domain with these item attributes.

    ``ratings`` are those of all interactions, ``sentences`` the explanations by the row of their interaction.
    """

    def made(
        histories: list[list[int]],
        attributes: Mapping[str, pa.Array],
        ratings: list[float] | None = None,
        sentences: Mapping[int, str] | None = None,
    ) -> Corpus:
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
                    ratings=np.full(rows, np.nan) if ratings is None else np.array(ratings, np.float32),
                    times=np.arange(rows),
                )
            )
            if sentences is not None:
                writer.explanations([(np.array(list(sentences)), list(sentences.values()))])
            finish(writer)
        return Corpus.open(tmp_path / "small")

    return made
