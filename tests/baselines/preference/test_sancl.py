"""SANCL: its inputs, corpora without reviews or pictures, and learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from baselines.preference.sancl_examples import NO_ITEM, Inputs, SANCLVocabulary, cut, padded_texts, rating_word
from tests.corpora import finish
from unimp_bench import registry
from unimp_bench.contracts import Rater
from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.errors import DataError, UsageError
from unimp_bench.kinds.rating import RatingExamples
from unimp_bench.records import Examples, Histories

SMALL = {"width": 16, "word_width": 16, "space": 8, "epochs": 1}

Fit = Callable[..., Rater[Any]]
Store = Callable[..., Corpus]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """``store(histories, ratings, titles, reviews=None, colours=None)`` gives a corpus with these."""

    def made(
        histories: list[list[int]],
        ratings: list[float],
        titles: list[str],
        reviews: list[str] | None = None,
        colours: list[tuple[int, int, int]] | None = None,
    ) -> Corpus:
        folder = tmp_path / f"store{len(list(tmp_path.glob('store*')))}"
        rows = len(ratings)
        with CorpusWriter(folder) as writer:
            for item, colour in enumerate(colours or []):
                Image.new("RGB", (32, 32), colour).save(tmp_path / "look.png")
                writer.add_picture(item, tmp_path / "look.png")
            users = len(histories)
            writer.users([f"u{user}" for user in range(users)], ["all"] * users, np.zeros(users, bool))
            writer.items(
                [f"i{item}" for item in range(len(titles))], ["all"] * len(titles), {"title": pa.array(titles)}
            )
            offsets = np.cumsum([0, *map(len, histories)])
            writer.histories(
                Histories(offsets, np.concatenate(histories), np.array(ratings, np.float32), np.arange(rows))
            )
            if reviews is not None:
                writer.reviews([(iter([""] * rows), reviews)])
            finish(writer)
        return Corpus.open(folder)

    return made


def drawn(corpus: Corpus, part: str = "test") -> Examples:
    return registry.make_task("preference").examples(corpus, "loo", part)


def rmse(model: Rater[Any], examples: RatingExamples) -> float:
    return float(np.sqrt(np.mean((model.rate(examples.hidden()) - examples.ratings) ** 2)))


# What is read


def test_a_vocabulary_has_stems_and_frequent_words(store: Store, tmp_path: Path) -> None:
    reviews = ["The cards, the cards. The card!", "the cards the card rare", "The cards the card. The card rare once"]
    corpus = store([[0, 0, 0]], [4.0] * 3, ["the the cards"], reviews)
    vocabulary = SANCLVocabulary.of(corpus.histories, corpus.items, 5)
    assert vocabulary.words == ("the", "cards", "card", "<4>", "rare") and vocabulary.reviews
    (numbers, second) = vocabulary.sentences("The CARDS, the card! Once &amp; rare")
    assert numbers == [2, 3, 2, 4] and second == [vocabulary.UNKNOWN, 6]
    stems = vocabulary.stems
    assert stems[3] == stems[4] > 0 and stems[6] not in (0, stems[3])
    assert (stems[[0, 1, 2, 5]] == 0).all()  # padding, unknown, stop words and ratings are no one's keys
    vocabulary.write(tmp_path)
    assert SANCLVocabulary.read(tmp_path) == vocabulary
    (tmp_path / vocabulary.FILE).write_text("[]")
    with pytest.raises(DataError, match="fit the model again"):
        SANCLVocabulary.read(tmp_path)


def test_texts_are_cut_and_padded() -> None:
    texts = cut([[[5, 6], [7]], [], [[8, 9, 3], [4]]], max_words=3)
    words, sentences = padded_texts(texts, np.array([2, 0, 1]))
    assert words.tolist() == [[8, 9, 3], [5, 6, 7], [0, 0, 0]]
    assert sentences.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]


def inputs_of(model: Any, examples: Examples) -> Inputs:
    inputs: Inputs = model._reader.inputs(examples, model._reader.texts(examples.histories))
    return inputs


def test_a_history_is_the_last_interactions_with_rating_title_and_review(fit: Fit, store: Store) -> None:
    titles = [f"blue thing number{item}" for item in range(7)]
    reviews = [f"Lovely look. Spoke{row} well" for row in range(12)]
    corpus = store([[0, 1, 2, 3, 4, 5], [6, 5, 4, 3, 2, 1]], [4.0, 5.0] * 6, titles, reviews)
    model: Any = fit("sancl", corpus, "preference", history=3, **SMALL)
    inputs = inputs_of(model, drawn(corpus))
    assert inputs.items.tolist() == [5, 1]
    assert inputs.history.tolist() == [[2, 3, 4], [4, 3, 2]]
    assert inputs.owners.tolist() == [0, 0, 0, 1, 1, 1]
    vocabulary = model.artifacts
    (title,) = vocabulary.sentences("blue thing number2")
    judgement, story = vocabulary.sentences("Lovely look. Spoke2 well")
    expected = [*vocabulary.rows([rating_word(4.0)]), *title, *judgement, *story]
    assert inputs.words[0].tolist() == expected
    assert inputs.sentences[0].tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    short = inputs_of(model, drawn(corpus, "train").select(slice(0, 1)))
    assert short.history.tolist() == [[NO_ITEM, NO_ITEM, 0]]


def world(rule: str, users: int = 80, seed: int = 0) -> dict[str, Any]:
    """Every item is bought once. A word of its title, the colour of its picture, or its user determines the rating."""
    rng = np.random.default_rng(seed)
    histories = [list(range(6 * user, 6 * user + 6)) for user in range(users)]
    good = rng.random(6 * users) < 0.5
    if rule == "mood":
        good = np.repeat(rng.random(users) < 0.5, 6)
    ratings = np.where(good, 5.0, 2.0).tolist()
    titles = ["plain thing"] * len(good)
    if rule == "words":
        titles = [f"{'sturdy' if well else 'flimsy'} thing {rng.choice(['red', 'blue'])}" for well in good]
    made: dict[str, Any] = {"histories": histories, "ratings": ratings, "titles": titles}
    made["reviews"] = ["As I said"] * len(good)
    if rule == "pictures":
        made["colours"] = [(230, 40, 40) if well else (40, 40, 230) for well in good]
    return made


@pytest.mark.parametrize("rule", ["words", "pictures", "mood"])
def test_learns_ratings_from_words_pictures_and_history(rule: str, fit: Fit, store: Store) -> None:
    """Items are new, so averages can only use the user; the error is at most two fifths of the mean's."""
    corpus = store(**world(rule))
    test = drawn(corpus)
    settings = {"epochs": 8, "validate_every": 8, "learning_rate": 3e-3, "batch_size": 32}
    model = fit("sancl", corpus, "preference", **(SMALL | settings))
    floor = rmse(fit("global-mean" if rule == "mood" else "bias", corpus, "preference"), test)
    assert floor > 1.3
    assert rmse(model, test) < 0.4 * floor


def test_the_review_of_the_target_is_never_read(fit: Fit, store: Store) -> None:
    """With the reviews of all test targets, and of all validation targets, gone from the disk, nothing changes."""
    made = world("words", users=30)
    reviews = [f"I gave it {rating:g} word{row}" for row, rating in enumerate(made["ratings"])]
    ends = np.arange(6, len(reviews) + 1, 6)
    answers = []
    for hidden in ([], ends - 1, np.concatenate([ends - 1, ends - 2])):
        corpus = store(**(made | {"reviews": ["" if row in hidden else text for row, text in enumerate(reviews)]}))
        model = fit("sancl", corpus, "preference", **SMALL)
        answers.append([model.rate(drawn(corpus, part).hidden()) for part in ("validation", "test")])
    assert np.array_equal(answers[0][0], answers[1][0]) and np.array_equal(answers[0][1], answers[1][1])
    assert np.array_equal(answers[0][0], answers[2][0])
    assert not np.array_equal(answers[0][1], answers[2][1])  # known by then: the validation item is history


def test_padding_changes_nothing(fit: Fit, store: Store) -> None:
    made = world("words", users=20)
    made["reviews"] = ["Nice sturdy box. " * (1 + row % 4) for row in range(len(made["ratings"]))]
    corpus = store(**made, colours=[(9 * (item % 20), 90, 90) for item in range(120)])
    model: Any = fit("sancl", corpus, "preference", **SMALL)
    network, inputs = model.prepared(), inputs_of(model, drawn(corpus))

    def wider(table: np.ndarray) -> np.ndarray:
        return np.pad(table, ((0, 0), (0, 7)))

    padded = replace(
        inputs,
        product=wider(inputs.product),
        keys=wider(inputs.keys),
        words=wider(inputs.words),
        sentences=wider(inputs.sentences),
        history=np.pad(inputs.history, ((0, 0), (3, 0)), constant_values=NO_ITEM),
    )
    with torch.no_grad():
        answers = [network.ratings(*network.pooled(part), (1, 5, 1)).numpy() for part in (inputs, padded)]
        losses = [
            network.contrasts(*network.pooled(part), network.labels(part, (1, 5, 1))) for part in (inputs, padded)
        ]
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-5)
    assert float(losses[0]) == pytest.approx(float(losses[1]), rel=1e-4) and float(losses[0]) > 0.1


# Corpora with missing inputs


def test_without_reviews_the_items_texts_are_read(fit: Fit, store: Store) -> None:
    made = world("words", users=20)
    corpus = store(made["histories"], made["ratings"], made["titles"])
    model: Any = fit("sancl", corpus, "preference", **SMALL)
    inputs, vocabulary = inputs_of(model, drawn(corpus)), model.artifacts
    item = int(inputs.history[0, 0])
    expected = [*vocabulary.rows([rating_word(made["ratings"][item])]), *vocabulary.sentences(made["titles"][item])[0]]
    assert inputs.words[0].tolist() == expected
    assert "no reviews" in model.remarks()[0] and "no pictures" in model.remarks()[1]


def test_runs_on_ratings_alone(fit: Fit, make_corpus: Callable[..., Corpus]) -> None:
    made = world("mood")
    attributes = {"price": pa.array(np.ones(len(made["ratings"])))}
    corpus = make_corpus(made["histories"], attributes, made["ratings"])
    settings = {"epochs": 8, "validate_every": 8, "learning_rate": 3e-3, "batch_size": 32}
    model = fit("sancl", corpus, "preference", **(SMALL | settings))
    assert any("no text" in remark for remark in model.remarks())
    assert rmse(model, drawn(corpus)) < 0.4 * rmse(fit("global-mean", corpus, "preference"), drawn(corpus))


def test_an_example_without_a_history_gets_a_rating(fit: Fit, store: Store) -> None:
    corpus = store(**world("words", users=20))
    model = fit("sancl", corpus, "preference", **SMALL)
    test = drawn(corpus).hidden()
    alone = replace(test, ends=test.starts())
    given = model.rate(alone)
    assert np.isfinite(given).all() and ((given > 1) & (given < 5)).all()
    assert not np.allclose(given, model.rate(test))


def test_alpha_zero_disables_the_contrastive_losses(fit: Fit, store: Store) -> None:
    corpus = store(**world("words", users=20))
    test = drawn(corpus).hidden()
    plain, both = (fit("sancl", corpus, "preference", alpha=alpha, **SMALL).rate(test) for alpha in (0.0, 0.5))
    assert not np.array_equal(plain, both)


def test_impossible_heads_are_refused() -> None:
    with pytest.raises(UsageError, match="must be a multiple of heads"):
        registry.make_model("sancl", settings={"width": 30})
