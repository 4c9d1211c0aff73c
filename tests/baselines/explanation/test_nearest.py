"""The nearest sentence: its terms against loops, and users with a distinctive style."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from baselines.explanation.nearest import TERMS, NearestConfig, NearestSentence, Pairs
from baselines.explanation.typical import tf_idf
from unimp_bench import registry
from unimp_bench.contracts import FitData, TaskExamples, Writer
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.metrics.text import rouge_scores
from unimp_bench.records import Examples, FloatArray
from unimp_bench.testing.planted import write_planted_corpus

TASK = "explanation"
ITEMS, USERS, LENGTH = 20, 60, 9
OPENINGS = (
    "honestly speaking I must say",
    "wow and wow again it is",
    "my dear late aunt thinks that",
    "no words but only",
)
TOPICS = ("lamp", "rug", "chair", "clock", "vase")

Fit = Callable[..., Writer[Any]]


def drawn(corpus: Corpus, part: Any) -> Examples:
    return registry.make_task(TASK).examples(corpus, "loo", part)


@pytest.fixture
def styled(make_corpus: Callable[..., Corpus]) -> Corpus:
    """Each user starts sentences in a fixed way and each item has one topic; purchases are random."""
    rng = np.random.default_rng(3)
    histories = [rng.permutation(ITEMS)[:LENGTH].tolist() for _ in range(USERS)]
    told = [f"{OPENINGS[user % 4]} {TOPICS[item % 5]}" for user, bought in enumerate(histories) for item in bought]
    return make_corpus(
        histories,
        {"category": pa.array([[TOPICS[item % 5]] for item in range(ITEMS)])},
        sentences=dict(enumerate(told)),
    )


def quality(model: Writer[Any], corpus: Corpus) -> float:
    examples = drawn(corpus, "test")
    return rouge_scores(model.write(examples.hidden()), examples.texts.read())["ROUGE-L"].value


def test_learns_a_users_style_and_an_items_topic(fit: Fit, styled: Corpus) -> None:
    assert quality(fit("typical-sentence", styled, TASK), styled) < 0.5
    assert quality(fit("nearest-sentence", styled, TASK), styled) > 0.95


def test_an_uninformative_term_gets_weight_zero(fit: Fit, styled: Corpus) -> None:
    weights = dict(zip(TERMS, fit("nearest-sentence", styled, TASK)._weights, strict=True))
    assert weights["words"] > 0 and weights["taste"] == 0


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("planted") / "planted"
    write_planted_corpus(folder)
    return Corpus.open(folder)


@pytest.fixture(scope="module")
def fitted(planted: Corpus) -> NearestSentence:
    model = NearestSentence(NearestConfig(candidates=3, wider=2))
    examples = TaskExamples(drawn(planted, "train"), drawn(planted, "validation"))
    nowhere = Path()
    model.fit(
        FitData(
            planted.items, catalogue(planted, "loo"), {TASK: examples}, 0, nowhere, nowhere, lambda *_: {"paper": 0.0}
        )
    )
    return model


def test_terms_are_those_of_the_loops(planted: Corpus, fitted: NearestSentence) -> None:
    examples = drawn(planted, "test").select(slice(0, 40))
    pairs = fitted.pairs(examples.hidden())
    plain = PlainTerms(planted)
    assert len(np.unique(pairs.owners)) == 40
    for owner, sentence, terms in zip(pairs.owners, pairs.sentences, pairs.terms, strict=True):
        assert terms == pytest.approx(plain.terms(examples, int(owner), int(sentence)), abs=1e-9)
    assert (pairs.terms.max(axis=0) > 0.1).all()  # none of them is compared at 0 alone


def test_candidates_are_the_most_typical_of_the_item_the_category_and_the_corpus(
    planted: Corpus, fitted: NearestSentence
) -> None:
    examples = drawn(planted, "test").select(slice(0, 40))
    pairs, plain = fitted.pairs(examples.hidden()), PlainTerms(planted)
    for example in range(40):
        item = int(examples.shown.items[example])
        expected = plain.most_typical(plain.on_item(item), 3, once=False)
        expected += plain.most_typical(plain.on_category(item), 2, once=True)
        expected += plain.most_typical(range(len(plain.sentences)), 2, once=True)
        assert sorted(pairs.sentences[pairs.owners == example].tolist()) == sorted(expected)


def test_the_largest_weighted_sum_wins_with_ties_to_the_first() -> None:
    terms = np.array([[0.2, 0.9], [0.7, 0.1], [0.5, 0.5], [0.5, 0.5]])
    pairs = Pairs(np.array([0, 0, 1, 1]), np.array([4, 6, 2, 8]), terms)
    assert pairs.best(np.array([1.0, 0.0])).tolist() == [1, 2]
    assert pairs.best(np.array([1.0, 1.0])).tolist() == [0, 2]


def test_words_of_the_user_include_reviews_of_the_history(planted: Corpus, fitted: NearestSentence) -> None:
    """New users have no training sentence, but reviews in their history."""
    examples = registry.make_task(TASK).examples(planted, "new-user", "test")
    words = fitted.pairs(examples.hidden()).terms[:, TERMS.index("words")]
    assert words.max() > 0.5


def test_loads_what_it_saved(fit: Fit, reload: Callable[..., Writer[Any]], styled: Corpus) -> None:
    model = fit("nearest-sentence", styled, TASK)
    examples = drawn(styled, "test").hidden()
    assert reload(model, styled).write(examples) == model.write(examples)


class PlainTerms:
    """The terms as loops over dense vectors."""

    def __init__(self, corpus: Corpus) -> None:
        train = drawn(corpus, "train")
        self.sentences, self.about, self.authors = train.texts.read(), train.targets, train.users
        self.histories = train.histories
        self.categories = corpus.items.text("category")
        self.vectors = tf_idf(self.sentences).toarray()
        self.cosines = self.vectors @ self.vectors.T
        words = sorted({word for sentence in self.sentences for word in self.words(sentence)})
        self.columns = {word: column for column, word in enumerate(words)}
        used = [set(self.words(sentence)) for sentence in self.sentences]
        self.idf = {
            word: 1 + math.log((1 + len(used)) / (1 + sum(word in sentence for sentence in used))) for word in words
        }

    def words(self, text: str) -> list[str]:
        return "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()

    def vector(self, text: str) -> FloatArray:
        vector = np.zeros(len(self.columns))
        for word in self.words(text):
            if word in self.columns:
                vector[self.columns[word]] += self.idf[word]
        return vector / (np.linalg.norm(vector) or 1)

    def on_item(self, item: int) -> list[int]:
        return [number for number, about in enumerate(self.about) if about == item]

    def on_category(self, item: int) -> list[int]:
        alike = self.categories[item]
        return [number for number, about in enumerate(self.about) if self.categories[about] == alike]

    def typicality(self, sentence: int, among: Any) -> float:
        return float(self.cosines[sentence, list(among)].mean()) if len(among) else 0.0

    def most_typical(self, among: Any, most: int, *, once: bool) -> list[int]:
        order = sorted(among, key=lambda number: (-round(self.typicality(number, among), 9), number))
        chosen: list[int] = []
        for number in order:
            said = [self.sentences[other] for other in chosen]
            if len(chosen) < most and not (once and self.sentences[number] in said):
                chosen.append(number)
        return chosen

    def terms(self, examples: Examples, owner: int, sentence: int) -> list[float]:
        item, user = int(examples.shown.items[owner]), int(examples.users[owner])
        rows = np.arange(examples.starts()[owner], examples.ends[owner])
        written = sum((self.vector(text) for text in examples.histories.reviews.select(rows).read()), 0.0)
        for number, author in enumerate(self.authors):
            if author == user:
                written = written + self.vectors[number]
        bought = examples.history(owner).tolist()
        author = self.authors[sentence]
        start, stop = self.histories.offsets[author : author + 2]
        theirs = self.histories.items[start:stop].tolist()
        shared = sum(bought.count(one) * theirs.count(one) for one in set(bought))
        lengths = [math.sqrt(sum(some.count(one) ** 2 for one in set(some))) for some in (bought, theirs)]
        return [
            self.typicality(sentence, self.on_item(item)),
            self.typicality(sentence, self.on_category(item)),
            float(self.vectors[sentence] @ self.vectors.mean(axis=0)),
            float(self.vectors[sentence] @ written) / (np.linalg.norm(written) or 1),
            shared / (lengths[0] * lengths[1]),
        ]
