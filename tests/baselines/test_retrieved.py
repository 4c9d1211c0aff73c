"""Pictures without a generator: the retrieved picture, and the most frequent code at each position."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from unimp_bench import registry
from unimp_bench.contracts import Painter
from unimp_bench.corpus import Corpus
from unimp_bench.kinds.picture import PictureExamples
from unimp_bench.records import PictureCodes

SIZE, LENGTH = 11, 6

Fit = Callable[..., Painter[Any]]


@pytest.fixture
def pictures(planted: Corpus) -> PictureCodes:
    """Codes biased towards one code per category and position."""
    rng = np.random.default_rng(2)
    pictured = np.flatnonzero(planted.items.has_picture)
    rows = np.full(len(planted.items), -1)
    rows[pictured] = np.arange(len(pictured))
    favourite = pictured[:, None] % 4 + np.arange(LENGTH)
    codes = np.where(rng.random((len(pictured), LENGTH)) < 0.5, favourite, rng.integers(0, SIZE, favourite.shape))
    return PictureCodes(SIZE, rows, codes.astype(np.int16))


def drawn(corpus: Corpus, pictures: PictureCodes, split: str = "loo") -> PictureExamples:
    examples = registry.make_task("image_generation").examples(corpus, split, "test")
    return PictureExamples.of(examples, pictures=pictures).hidden()


def test_predicts_the_first_retrieved_picture(fit: Fit, planted: Corpus, pictures: PictureCodes) -> None:
    examples = drawn(planted, pictures)
    given = fit("retrieved-picture", planted, "image_generation", pictures=pictures).paint(examples)
    for number in range(len(examples)):
        first = examples.shown.items[examples.shown.offsets[number]]
        assert np.array_equal(given[number], pictures.codes[pictures.rows[first]])


@pytest.mark.parametrize("split", ["loo", "new-domain"])
def test_each_position_has_the_most_frequent_code_of_the_category(
    split: str, fit: Fit, planted: Corpus, pictures: PictureCodes
) -> None:
    examples = drawn(planted, pictures, split)
    given = fit("category-picture", planted, "image_generation", pictures=pictures).paint(examples)
    categories = planted.items.text("category")
    for number in range(0, len(examples), 9):
        query = examples.query_texts[examples.queries[number]]
        members = [item for item, path in enumerate(categories) if path == query and pictures.rows[item] >= 0]
        assert members
        for position in range(LENGTH):
            counts = Counter(int(pictures.codes[pictures.rows[item], position]) for item in members)
            most = max(counts.values())
            assert given[number, position] == min(code for code, count in counts.items() if count == most)


def test_a_query_without_pictures_uses_the_codes_of_all(fit: Fit, planted: Corpus, pictures: PictureCodes) -> None:
    examples = drawn(planted, pictures)
    model = fit("category-picture", planted, "image_generation", pictures=pictures)
    given = model.paint(replace(examples, query_texts=("no such shelf",) * len(examples.query_texts)))
    for position in range(LENGTH):
        counts = np.bincount(pictures.codes[:, position], minlength=SIZE)
        assert (given[:, position] == counts.argmax()).all()


@pytest.mark.parametrize("name", ["retrieved-picture", "category-picture"])
def test_loads_what_it_saved(
    name: str, fit: Fit, reload: Callable[..., Painter[Any]], planted: Corpus, pictures: PictureCodes
) -> None:
    model = fit(name, planted, "image_generation", pictures=pictures)
    examples = drawn(planted, pictures)
    given = reload(model, planted).paint(examples)
    assert np.array_equal(given, model.paint(examples))
    assert given.shape == (len(examples), LENGTH) and given.max() < SIZE
