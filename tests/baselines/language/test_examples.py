"""The training examples of a language model, its loss in plain loops, and ratings as texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.language.examples import TrainingExamples, jittered, rating_words, read_ratings
from baselines.language.p5 import P5
from baselines.language.prompts import FAMILIES
from baselines.language.tokens import TokenizedTexts
from unimp_bench.contracts import FitData, TaskExamples
from unimp_bench.kinds.rating import rating_words as plain_rating
from unimp_bench.records import Histories
from unimp_bench.unimp.tokens import _RATING, RATING

MANY = 40_000


def _decoded(model: P5, data: FitData, seed: int = 0) -> list[tuple[str, str]]:
    """The prompts and answers of an epoch, as text."""
    training = TrainingExamples(data, model.artifacts, model._renderer, model.config)
    words = model.artifacts.tokenizer.decode
    return [
        pair
        for questions, answers, _ in training.epoch(np.random.default_rng(seed), 32)
        for pair in zip(words(questions.padded().tokens), words(answers.padded().tokens), strict=True)
    ]


def _only(data: FitData, task: str) -> FitData:
    return replace(data, examples={task: data.examples[task]})


@pytest.mark.parametrize("task", list(FAMILIES))
def test_an_epoch_has_one_example_per_user_and_task(untrained: P5, planted_data: FitData, task: str) -> None:
    train = planted_data.examples[task].train
    told = _decoded(untrained, _only(planted_data, task))
    assert len(told) == len(np.unique(train.users))
    asked = {prompt.words.split("{")[0] for prompt in FAMILIES[task]}
    begun = {begin for begin in asked for question, _ in told if begin and question.startswith(begin.strip())}
    assert begun == asked - {""}


def test_next_item_is_the_one_after_the_history(untrained: P5, planted_data: FitData) -> None:
    """Read back from the words: the history is a stretch of the user's training sequence, the answer follows it."""
    histories = planted_data.examples["recommendation"].train.histories
    names, users = untrained.artifacts.ids.item_names(), untrained.artifacts.ids.user_names()
    walks = {
        users[user]: [
            names[row]
            for row in untrained.artifacts.ids.rows(
                histories.items[histories.offsets[user] : histories.offsets[user + 1]]
            )
        ]
        for user in range(histories.users)
    }
    checked, skipped = 0, set()
    for question, said in _decoded(untrained, _only(planted_data, "recommendation")):
        if said.startswith("item_") and "from" not in question and "Which of" not in question:
            words = question.split()
            walk = walks[next(word for word in words if word.startswith("user_"))]
            told = [word for word in words if word.startswith("item_")]
            start = walk.index(told[0])
            assert walk[start : start + len(told) + 1] == [*told, said]
            skipped.add(start)
            checked += 1
    assert checked > 50 and skipped <= {0, 1, 2} and len(skipped) > 1


def test_answers_of_the_other_tasks(untrained: P5, planted_data: FitData) -> None:
    stars = [float(said) for _, said in _decoded(untrained, _only(planted_data, "preference"))]
    assert min(stars) >= 1 and max(stars) <= 5 and any(star % 1 for star in stars)
    train = planted_data.examples["explanation"].train
    assert {said for _, said in _decoded(untrained, _only(planted_data, "explanation"))} <= set(train.texts.read())
    for question, said in _decoded(untrained, _only(planted_data, "selection")):
        assert 1 <= len(said.split()) <= 3 and set(said.split()) <= set(question.split())
    for question, said in _decoded(untrained, _only(planted_data, "recommendation")):
        assert said in ("yes", "no") or said.startswith("item_")
        if "from item_" in question or question.startswith("Which of"):
            assert said in question.split()


def test_held_out_items_change_nothing(untrained: P5, planted_data: FitData) -> None:
    """With other validation targets, and other items known only to validation, the training examples are unchanged."""
    part = planted_data.examples["recommendation"]
    assert part.validation.targets is not None

    def other(histories: Histories) -> Histories:
        return replace(histories, items=np.roll(np.asarray(histories.items), 1))

    validation = replace(
        part.validation,
        targets=np.roll(part.validation.targets, 1),
        histories=other(part.validation.histories),
    )
    changed = replace(planted_data, examples={"recommendation": TaskExamples(part.train, validation)})
    for scheme in ("random", "sequential"):
        model = P5(replace(untrained.config, ids=scheme))
        first, second = model.gather(_only(planted_data, "recommendation")), model.gather(changed)
        assert np.array_equal(first.ids.items, second.ids.items)
    assert _decoded(untrained, _only(planted_data, "recommendation")) == _decoded(untrained, changed)


def test_the_loss_is_the_mean_over_tokens_then_over_samples(untrained: P5, planted_data: FitData) -> None:
    network = untrained.network
    training = TrainingExamples(
        _only(planted_data, "selection"), untrained.artifacts, untrained._renderer, untrained.config
    )
    questions, answers, _ = next(training.epoch(np.random.default_rng(0), 5))
    batch = next(iter(_batches(untrained, questions, answers)))
    with torch.no_grad():
        loss = float(network.loss(batch))
    samples = []
    for number in range(len(questions)):
        said = [0, *answers.take(np.array([number])).padded().tokens[0].tolist()]
        source = network.batch(questions.take(np.array([number])))
        with torch.no_grad():
            logits = (
                network.t5(inputs_embeds=network.embed(source), decoder_input_ids=torch.tensor([said[:-1]]))
                .logits[0]
                .double()
                .numpy()
            )
        losses = []
        for place, token in enumerate(said[1:]):
            odds = np.exp(logits[place] - logits[place].max())
            losses.append(-np.log(odds[token] / odds.sum()))
        samples.append(sum(losses) / len(losses))
    assert len({len(answer) for answer in answers.tokens.rows()}) > 1
    assert loss == pytest.approx(sum(samples) / len(samples), rel=1e-5)


def _batches(model: P5, questions: TokenizedTexts, answers: TokenizedTexts) -> list:
    from baselines.language.network import Batch

    return [Batch(model.network.batch(questions), torch.from_numpy(answers.padded().tokens), 0.0)]


def test_the_rate_rises_then_falls(untrained: P5) -> None:
    network = P5(replace(untrained.config, epochs=100, warm_up=0.05))
    network._network = untrained.network
    rate = type(untrained.network).rate
    settings = replace(untrained.config, epochs=100, warm_up=0.05)
    kept, untrained.network.settings = untrained.network.settings, settings
    try:
        assert [round(rate(untrained.network, at), 6) for at in (0, 2.5, 5, 52.5, 100)] == [0, 0.5, 1, 0.5, 0]
    finally:
        untrained.network.settings = kept


@pytest.mark.parametrize(
    ("star", "mean", "deviation"), [(1, 1.2, 0.1), (2, 1.95, 0.225), (4, 3.95, 0.225), (5, 4.75, 0.125)]
)
def test_jitter_is_normal_around_the_rating(star: int, mean: float, deviation: float) -> None:
    """As in the release: mean is the midpoint of the interval, deviation a quarter of its width."""
    drawn, decimals = jittered(np.full(MANY, star, np.float64), (1.0, 5.0, 1.0), np.random.default_rng(0))
    assert decimals == 1 and drawn.min() >= 1 and drawn.max() <= 5
    assert abs(drawn.mean() - mean) < 0.01 and abs(drawn.std() - np.hypot(deviation, 0.1 / 12**0.5)) < 0.01
    assert np.allclose(drawn * 10, np.round(drawn * 10))


def test_jitter_follows_the_scale() -> None:
    drawn, decimals = jittered(np.full(1000, 3.5), (0.5, 5.0, 0.5), np.random.default_rng(0))
    assert decimals == 2 and abs(drawn - 3.5).max() < 0.5
    assert rating_words(3.9, 1) == "3.9" and rating_words(4.0, 0) == "4" and rating_words(3.5, 0) == "3.5"


@pytest.mark.parametrize("rating", [1, 4.5, -2.25, 0.1, 1e-5, 2.5e-5, 2_000_000, 0.1 + 0.2])
def test_written_ratings_can_be_parsed(rating: float) -> None:
    """Without exponents, which are not parsed."""
    for value in (rating, np.float32(rating)):
        assert read_ratings([plain_rating(value)])[0] == pytest.approx(rating, rel=1e-6)
        assert _RATING.fullmatch(f"{RATING}{plain_rating(value)}")
    assert [plain_rating(stars) for stars in (4.0, 3.5, 5, np.float32(0.1))] == ["4", "3.5", "5", "0.1"]


@pytest.mark.parametrize(
    ("text", "rating"),
    [("4.2", 4.2), ("4 . 2", 4.2), (" 4 ", 4.0), ("-3", -3.0), ("5.", 5.0), (".5", 0.5)],
)
def test_numbers_are_parsed(text: str, rating: float) -> None:
    assert read_ratings([text]).tolist() == [rating]


def test_unparsable_ratings_are_nan() -> None:
    """No guessing: neither two numbers nor literals of programming languages are ratings."""
    texts = ["five", "", "nan", "inf", "1e999", "1e0", "4 2", "4.5 4.5", ".", "1_0", "\u0664", "4 stars", "-"]
    assert np.isnan(read_ratings(texts)).all()
