"""Dense retrieval: its equation, the choice of the mixture, and tastes that only the history reveals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from baselines.search.dense import DenseConfig, Mixture
from tests.baselines.search.store import store_of_tastes
from unimp_bench import registry
from unimp_bench.contracts import FitData, Ranker, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.text import item_texts, text_encoder
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace
from unimp_bench.kinds import Setting, kind_of
from unimp_bench.records import Examples, FloatArray, Protocol
from unimp_bench.runs.fitting import corpus_cache

Fit = Callable[..., Any]
MakeCorpus = Callable[..., Corpus]


def _examples(corpus: Corpus, part: Any) -> Examples:
    return registry.make_task("search").examples(corpus, "loo", part)


def _fitted(name: str, corpus: Corpus, workspace: Workspace, **settings: Any) -> tuple[Ranker[Any], float]:
    """The model, selected by the validation of the harness, and its NDCG@5 on the test part."""
    task, cache = registry.make_task("search"), corpus_cache(corpus, workspace)
    setting, kind = Setting(task, corpus, "paper", cache, name), kind_of(task.kind)
    examples = TaskExamples(_examples(corpus, "train"), _examples(corpus, "validation"))

    def validate(model: Any, _: str) -> dict[Protocol, float]:
        return kind.validation(model, examples.validation, setting)

    model = registry.make_model(name, settings=settings)
    model.fit(FitData(corpus.items, catalogue(corpus, "loo"), {"search": examples}, 0, workspace.root, cache, validate))
    assert isinstance(model, Ranker)
    return model, kind.validation(model, _examples(corpus, "test"), setting)["paper"]


def test_learns_the_users_taste_within_a_category(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    """Words and popularity identify the category of four items (NDCG@5 at most 0.64); the history identifies the item:
    nearly 1."""
    workspace, tasteful = Workspace(tmp_path), store_of_tastes(make_corpus, users=60)
    _, dense = _fitted("dense", tasteful, workspace)
    for floor in ("bm25", "query-popularity"):
        assert dense > _fitted(floor, tasteful, workspace)[1] + 0.3, floor
    assert dense > 0.95


def test_without_history_and_popularity_it_is_the_cosine(fit: Fit, planted: Corpus) -> None:
    """The fixture's validation score is constant, so zero, the first of the weights, is chosen."""
    model = fit("dense", planted, "search")
    test = _examples(planted, "test").hidden().select(slice(0, 20))
    texts, items = item_texts(planted.items), catalogue(planted, "loo")
    encode = text_encoder("lsa", texts)
    told = encode([*texts, *test.query_texts])
    told /= np.linalg.norm(told, axis=1, keepdims=True)
    assert test.queries is not None
    expected = told[len(texts) :][test.queries] @ told[items].T
    np.testing.assert_allclose(model.score(test, items), expected, atol=1e-5)
    assert model.remarks() == ("of the mixtures tried, validation chose a = 0 and b = 0",)


def test_the_score_is_the_weighted_sum_of_query_history_and_popularity(fit: Fit, planted: Corpus) -> None:
    """The complete score, for each user and item."""
    model = fit("dense", planted, "search", history=3, decay=0.5)
    test = _examples(planted, "test").hidden().select(slice(0, 6))
    items = catalogue(planted, "loo")
    plain = model.score(test, items)
    model._mixture = Mixture(0.7, 0.2)
    vectors = text_encoder("lsa", item_texts(planted.items))(item_texts(planted.items))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    counts = np.bincount(_examples(planted, "train").histories.items, minlength=len(planted.items))
    found = model.score(test, items)
    for row in range(len(test)):
        liked = sum(0.5**age * vectors[item] for age, item in enumerate(test.history(row)[::-1][:3]))
        for column, item in enumerate(items):
            near = liked @ vectors[item] / np.linalg.norm(liked)
            popular = np.log(1 + counts[item]) / np.log(1 + counts.max())
            assert found[row, column] == pytest.approx(plain[row, column] + 0.7 * near + 0.2 * popular, abs=1e-5)


def test_an_empty_query_is_scored_by_history_and_popularity(fit: Fit, planted: Corpus) -> None:
    model = fit("dense", planted, "search")
    test = _examples(planted, "test").hidden().select(slice(0, 4))
    asked = replace(test, queries=np.zeros(4, dtype=np.int32), query_texts=("",))
    assert not model.score(asked, catalogue(planted, "loo")).any()


def test_an_unseen_query_is_encoded_at_prediction(fit: Fit, planted: Corpus, reload: Callable[..., Any]) -> None:
    """Bitwise equal for the fitted and the loaded model."""
    model = fit("dense", planted, "search")
    test = _examples(planted, "test").hidden().select(slice(0, 4))
    asked = replace(test, queries=np.zeros(4, dtype=np.int32), query_texts=("square blue",))
    items = catalogue(planted, "loo")
    found: FloatArray = model.score(asked, items)
    assert (items[found.argmax(axis=1)] % 4 == 1).all()
    assert np.array_equal(reload(model, planted).score(asked, items), found)


def test_a_corpus_without_texts_is_refused(fit: Fit, make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([[0, 1, 2, 3]] * 4, {"category": pa.array([None] * 4, pa.list_(pa.string()))})
    with pytest.raises(UsageError, match="no item of this corpus has a text"):
        fit("dense", corpus, "search")


@pytest.mark.filterwarnings("error")
def test_equal_item_texts_give_a_remark_on_ties(fit: Fit, make_corpus: MakeCorpus, reload: Callable[..., Any]) -> None:
    attributes = {"title": pa.array(["a good thing"] * 4), "category": pa.array([["Lamps"]] * 4)}
    corpus = make_corpus([[0, 1, 2, 3]] * 4, attributes)
    model = fit("dense", corpus, "search")
    assert model.remarks()[0] == "the vectors of all items are equal: the words decide nothing"
    assert reload(model, corpus).remarks() == model.remarks()


def test_zero_is_always_tried() -> None:
    for settings in ({"history_weights": (0.1, 1.0)}, {"popularity_weights": (0.1, 1.0)}):
        with pytest.raises(ValueError, match="must each include 0"):
            DenseConfig(**settings)  # type: ignore[arg-type]
