"""BM25 against rank_bm25, and its fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from baselines.learning.vocabulary import stems
from baselines.search.bm25 import BM25Config, BM25Index
from unimp_bench import registry
from unimp_bench.contracts import Ranker
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.records import IntArray

Fit = Callable[..., Ranker[Any]]
FIELDS = ("title", "brand", "category", "description")


def _counts(texts: list[list[int]], words: int) -> Any:
    from scipy import sparse

    return sparse.csr_array(np.array([np.bincount(text, minlength=words) for text in texts], dtype=np.float64))


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=12), min_size=1, max_size=8),
    st.lists(st.integers(0, 6), min_size=1, max_size=5),
    st.floats(0.1, 3),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_scores_of_the_index_equal_rank_bm25(
    documents: list[list[int]], query: list[int], k1: float, b: float, epsilon: float
) -> None:
    words = sorted({word for document in documents for word in document})
    number = {word: place for place, word in enumerate(words)}
    known = [[number[word] for word in query if word in number]]
    index = BM25Index(
        _counts([[number[word] for word in document] for document in documents], len(words)), BM25Config(k1, b, epsilon)
    )
    theirs = BM25Okapi([[str(word) for word in document] for document in documents], k1=k1, b=b, epsilon=epsilon)
    found = index.scores(_counts(known, len(words)), np.arange(len(documents)))[0]
    np.testing.assert_allclose(found, theirs.get_scores([str(word) for word in query]), rtol=0, atol=1e-9)


def _search(corpus: Corpus) -> Any:
    return registry.make_task("search").examples(corpus, "loo", "test").hidden()


def test_scores_of_the_model_equal_rank_bm25(fit: Fit, planted: Corpus) -> None:
    test = _search(planted)
    fields = [field for field in FIELDS if field in planted.items.attributes]
    documents = [stems(" ".join(texts)) for texts in zip(*map(planted.items.text, fields), strict=True)]
    theirs = BM25Okapi(documents)
    catalogue = np.arange(0, 48, 2)
    scores = fit("bm25", planted, "search").score(test, catalogue)
    for row in range(0, len(test), 10):
        expected = theirs.get_scores(stems(test.query_texts[test.queries[row]]))
        np.testing.assert_allclose(scores[row], expected[catalogue], rtol=0, atol=1e-9)
    assert scores.std() > 0.1


def test_words_are_lowercased_and_stemmed_without_stop_words() -> None:
    assert stems("The Running-Shoes of 2 RUNNERS, and caresses_ponies!") == [
        "run",
        "shoe",
        "2",
        "runner",
        "caress",
        "poni",
    ]


HISTORIES = [[0, 1, 2, 3]]
ATTRIBUTES = {
    "title": pa.array(["red lamp", "blue lamp", "green chair", "red red chair", "desk", "bed", "rug"]),
    "category": pa.array([["Lamps"], ["Lamps"], ["Chairs"], ["Chairs"], ["Desks"], ["Beds"], ["Rugs"]]),
}


def _ask(model: Ranker[Any], corpus: Corpus, query: str) -> list[float]:
    test = replace(_search(corpus), queries=np.zeros(1, dtype=np.int32), query_texts=(query,))
    items: IntArray = np.arange(4)
    scores: list[float] = model.score(test, items)[0].tolist()
    return scores


def test_only_the_configured_fields_are_read(fit: Fit, make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(HISTORIES, ATTRIBUTES)
    both = _ask(fit("bm25", corpus, "search"), corpus, "red chairs")
    assert np.argmax(both) == 3 and min(both[0], both[2]) > both[1] == 0
    category = _ask(fit("bm25", corpus, "search", fields=("category",)), corpus, "red")
    assert category == [0, 0, 0, 0]


def test_a_query_without_known_words_gives_zeros(fit: Fit, make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(HISTORIES, ATTRIBUTES)
    model = fit("bm25", corpus, "search")
    assert model.remarks() == ()
    assert _ask(model, corpus, "zebra") == _ask(model, corpus, "") == [0, 0, 0, 0]


@pytest.mark.parametrize("words", [[[]] * 4, [["--"], ["!"], ["..."], ["the"]]])
def test_a_corpus_without_words_runs_with_a_remark(
    fit: Fit, reload: Callable[..., Ranker[Any]], make_corpus: Callable[..., Corpus], words: list[list[str]]
) -> None:
    corpus = make_corpus(HISTORIES, {"category": pa.array(words, pa.list_(pa.string()))})
    model = fit("bm25", corpus, "search")
    assert _ask(model, corpus, "lamp") == [0, 0, 0, 0]
    assert model.remarks() == reload(model, corpus).remarks() == ("no item has a word: every item ties",)


def test_a_corpus_with_none_of_the_fields_is_refused(fit: Fit, make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(HISTORIES, ATTRIBUTES)
    with pytest.raises(UsageError, match=r"bm25 finds none of its fields \(brand\) in this corpus"):
        fit("bm25", corpus, "search", fields=("brand",))


@pytest.mark.parametrize("settings", [{"b": 1.5}, {"k1": -1}, {"fields": ()}, {"fields": ("colour",)}])
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"bm25: {next(iter(settings))}"):
        registry.make_model("bm25", settings=settings)


def test_loads_what_it_saved(fit: Fit, reload: Callable[..., Ranker[Any]], planted: Corpus) -> None:
    model = fit("bm25", planted, "search")
    items = np.arange(48)
    assert np.array_equal(reload(model, planted).score(_search(planted), items), model.score(_search(planted), items))
