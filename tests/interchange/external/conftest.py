"""Prediction files on the planted corpus: valid ones for tests to change, and their reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.corpora import finish
from tests.interchange.external.files import CODES, LENGTH, Rows, ValidAnswers
from unimp_bench import registry
from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.corpus.splits import catalogue
from unimp_bench.kinds import Setting
from unimp_bench.kinds.picture import PictureExamples
from unimp_bench.kinds.rendering import example_ids
from unimp_bench.records import Examples, Histories, PictureCodes, Protocol, Split


@pytest.fixture
def valid_answers(planted: Corpus, reviewed: Corpus, tmp_path: Path) -> Callable[..., ValidAnswers]:
    """``valid_answers(task, split="loo", protocol="paper")``; pictures: four codes out of eight, no tokenizer."""

    def draw(name: str, split: Split = "loo", protocol: Protocol = "paper") -> ValidAnswers:
        corpus = reviewed if name == "explanation" else planted
        task = registry.make_task(name)
        examples = task.examples(corpus, split, "test")
        if task.kind == "picture":
            codes = np.zeros((len(corpus.items), LENGTH), dtype=np.int64)
            pictures = PictureCodes(CODES, np.arange(len(corpus.items)), codes)
            examples = PictureExamples.of(examples, pictures=pictures)
        setting = Setting(task, corpus, protocol, tmp_path, label="external:test")
        items = np.array(corpus.items.names)[catalogue(corpus, split)].tolist()
        rows: Rows = []
        for number, name_of in enumerate(example_ids(corpus, examples)):
            seen = {corpus.items.names[item] for item in examples.history(number)} if protocol == "masked" else set()
            best = [item for item in items if item not in seen][:12]
            if task.kind == "ranking":
                answer: dict[str, Any] = {"items": best}
            elif task.kind == "rating":
                answer = {"rating": None if number % 5 == 0 else 1 + number % 4 + 0.5}
            elif task.kind == "text":
                answer = {"text": f"a fine colour {number}"}
            elif task.kind == "selection":
                answer = {"chosen": _first_shown(corpus, examples, number) if number % 3 else []}
            else:
                answer = {"codes": [number % CODES] * LENGTH}
            rows.append({"id": name_of, **answer})
        return ValidAnswers(examples, setting, rows)

    return draw


def _first_shown(corpus: Corpus, examples: Examples, number: int) -> list[str]:
    assert examples.shown is not None
    return [corpus.items.names[examples.shown.items[examples.shown.offsets[number]]]]


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """A hundred thousand users of three interactions."""
    users, items = 100_000, 100
    folder = tmp_path_factory.mktemp("corpora") / "many"
    with CorpusWriter(folder) as writer:
        writer.users([f"u{number}" for number in range(users)], ["all"] * users, np.zeros(users, dtype=np.bool_))
        writer.items([f"i{n}" for n in range(items)], ["all"] * items, {"title": pa.array(["thing"] * items)})
        rows = np.arange(3 * users)
        writer.histories(
            Histories(
                offsets=np.arange(users + 1) * 3,
                items=(rows % items).astype(np.int32),
                ratings=np.full(len(rows), 3, dtype=np.float32),
                times=rows,
            )
        )
        finish(writer)
    return Corpus.open(folder)
