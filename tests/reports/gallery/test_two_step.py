"""Retrieval and generation: the model ranks items with pictures, then draws from the best."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.image_generation import ImageGeneration
from tests.reports.gallery.artist import Near, NearConfig
from unimp_bench.contracts import Sampling
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.records import Examples, PictureCodes
from unimp_bench.registry import make_model
from unimp_bench.reports.gallery.draw import RETRIEVED, Artist


def artist(wrong: str = "", sampling: Sampling | None = None) -> Artist:
    return Artist(Near(NearConfig(wrong)), "near", ImageGeneration(), sampling)


def test_a_picture_is_drawn_from_the_best_unseen_items_with_pictures(
    planted: Corpus, searches: Examples, pictures: PictureCodes
) -> None:
    queries, items = searches.select(slice(0, 40)).hidden(), catalogue(planted, "loo")
    drawings = artist().draw(queries, items, pictures)
    for number, got in enumerate(drawings.retrieved.tolist()):
        history = set(queries.history(number).tolist())
        candidates = [item for item in items.tolist() if item not in history and planted.items.has_picture[item]]
        last = int(queries.history(number)[-1])
        assert got == sorted(candidates, key=lambda item: (abs(item - last), item))[:RETRIEVED]
        assert drawings.codes[number, 0] == got[0]
    nearest = {int(queries.history(number)[-1]) + 1 for number in range(40)}
    assert any(not planted.items.has_picture[item] for item in nearest), "no nearest item without a picture"


def test_sampling_reaches_the_model(planted: Corpus, searches: Examples, pictures: PictureCodes) -> None:
    queries = searches.select(slice(0, 3)).hidden()
    drawings = artist(sampling=Sampling(seed=7)).draw(queries, catalogue(planted, "loo"), pictures)
    assert (drawings.codes[:, 0] == 7).all()
    np.testing.assert_array_equal(drawings.codes[:, 1], drawings.retrieved[:, -1])


@pytest.mark.parametrize(("wrong", "message"), [("scores", "NaN"), ("codes", "outside 0..99")])
def test_contract_violations_raise(
    planted: Corpus, searches: Examples, pictures: PictureCodes, wrong: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        artist(wrong).draw(searches.select(slice(0, 2)).hidden(), catalogue(planted, "loo"), pictures)


def test_too_few_pictures_raise(planted: Corpus, searches: Examples, pictures: PictureCodes) -> None:
    with pytest.raises(UsageError, match="2 items with pictures"):
        artist().draw(searches.select(slice(0, 2)).hidden(), catalogue(planted, "loo")[:2], pictures)


def test_models_must_rank_and_paint() -> None:
    with pytest.raises(UsageError, match=r"bm25 cannot serve .* requires a Painter"):
        Artist(make_model("bm25"), "bm25", ImageGeneration())
    with pytest.raises(UsageError, match=r"retrieved-picture cannot serve .* requires a Ranker"):
        Artist(make_model("retrieved-picture"), "retrieved-picture", ImageGeneration())


def test_sampling_requires_a_sampling_model() -> None:
    with pytest.raises(UsageError, match="oracle is deterministic; omit --temperature"):
        Artist(make_model("oracle"), "oracle", ImageGeneration(), Sampling())
