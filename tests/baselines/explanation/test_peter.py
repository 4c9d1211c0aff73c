"""PETER: its masks, its losses against the equations, memorising a sentence, and learning to write and to rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from baselines.explanation.peter import PREFIX, PETERConfig, PETERNetwork, hides, shifted, sines
from baselines.explanation.sentences import END, PAD, START, TrainingExamples
from baselines.learning.interactions import Interactions
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.metrics.text import rouge_scores
from unimp_bench.ragged import Ragged

TASK = "explanation"
WORDS = 30
TOKENS = np.array([[5, 6, 7, END, PAD, PAD], [8, 5, 9, 10, 11, END], [6, END, PAD, PAD, PAD, PAD]])


def network(**settings: Any) -> PETERNetwork:
    """Three users, four items, five interactions: the first without a sentence, the second without a rating."""
    interactions = Interactions(np.arange(3), np.arange(4), Ragged(np.array([0, 3, 4, 5]), np.array([0, 1, 2, 1, 2])))
    chosen = {"width": 16, "inner": 32, "dropout": 0.0, "length": 6, "batch_size": 5} | settings
    torch.manual_seed(0)
    made = PETERNetwork(interactions, WORDS, PETERConfig(**chosen))
    ratings = np.array([5, np.nan, 1, 4, np.nan], dtype=np.float32)
    sentences = np.array([-1, 0, 1, 2, -1])
    made.show(
        TrainingExamples(
            interactions.owners, interactions.sequences.values, ratings, sentences, TOKENS.astype(np.int32)
        )
    )
    return made


def states(made: PETERNetwork, user: int = 0, item: int = 1, words: Any = (START, 5, 6, 7, 8)) -> torch.Tensor:
    with torch.no_grad():
        return made.eval().states(torch.tensor([user]), torch.tensor([item]), torch.tensor([words]))[0]


def test_user_and_item_see_each_other_and_words_what_precedes_them() -> None:
    seen = (~hides(5, torch.device("cpu"))).int().tolist()
    assert seen == [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    made = network()
    first, other_user, other_item = states(made), states(made, user=1), states(made, item=2)
    assert (first - other_user).abs().amax(dim=1).min() > 1e-4, "the item's state too"
    assert (first - other_item).abs().amax(dim=1).min() > 1e-4, "the user's state too"
    changed = (first - states(made, words=(START, 5, 6, 9, 8))).abs().amax(dim=1)
    place = PREFIX + 3
    assert changed[:place].max() < 1e-6 < changed[place:].min()


def test_inputs_are_scaled_embeddings_with_fixed_positions() -> None:
    made = network()
    read: list[torch.Tensor] = []
    made.transformer.register_forward_pre_hook(lambda _, given: read.append(given[0][0]))
    states(made, words=(START, 7))
    tables = ((made.users, 0), (made.items, 1), (made.words, START), (made.words, 7))
    rows = [table.weight.detach()[row] for table, row in tables]
    for position, row in enumerate(rows):
        for column in range(16):
            angle = position / 10_000 ** (column // 2 * 2 / 16)
            wave = math.cos(angle) if column % 2 else math.sin(angle)
            assert float(read[0][position, column]) == pytest.approx(4 * float(row[column]) + wave, abs=1e-5)
    assert sines(3, 4)[0].tolist() == [0, 1, 0, 1]


def test_the_losses_follow_the_equations() -> None:
    made = network(context=0.7, rating=0.3).eval()
    (batch,) = made.batches(np.random.default_rng(0))
    assert len(batch.users) == 4, "the interaction with neither a rating nor a sentence takes no part"
    with torch.no_grad():
        text, context, errors = [], [], []
        for user, item, rating, tokens in zip(*(part.tolist() for part in batch), strict=True):
            words = [word for word in tokens if word != PAD]
            held = states(made, user, item, (START, *words[:-1]))
            likely = made.out(held).log_softmax(dim=1)
            text += [-float(likely[PREFIX + place, word]) for place, word in enumerate(words)]
            context += [-float(likely[1, word]) for word in words]
            if not math.isnan(rating):
                height = made.height(torch.sigmoid(made.hidden(held[0])))
                errors.append((float(height) - rating) ** 2)
        loss = float(made.loss(batch))
    assert (len(text), len(errors)) == (12, 3)
    assert loss == pytest.approx(np.mean(text) + 0.7 * np.mean(context) + 0.3 * np.mean(errors), rel=1e-5)


def test_the_loss_of_the_items_state_ignores_the_order_of_words() -> None:
    made = network().eval()
    (batch,) = made.batches(np.random.default_rng(0))
    other = batch.tokens.flip(1)
    with torch.no_grad():
        held = made.states(batch.users, batch.items, shifted(batch.tokens))
        assert made.context_loss(held, batch.tokens) == pytest.approx(float(made.context_loss(held, other)), abs=1e-6)
        assert made.text_loss(held, batch.tokens) != pytest.approx(float(made.text_loss(held, other)), abs=1e-3)


def test_the_first_loss_is_that_of_a_uniform_choice() -> None:
    made = network(width=64).eval()
    (batch,) = made.batches(np.random.default_rng(0))
    with torch.no_grad():
        held = made.states(batch.users, batch.items, shifted(batch.tokens))
        for loss in (made.text_loss, made.context_loss):
            assert float(loss(held, batch.tokens)) == pytest.approx(math.log(WORDS), abs=0.5)


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 1e-2), ("sgd", 0.5)])
def test_memorises_its_sentences(optimizer: str, rate: float) -> None:
    made = network(optimizer=optimizer, learning_rate=rate).train()
    optimizers = made.optimizers(made.config)
    for number in range(100):
        for batch in made.batches(np.random.default_rng(number)):
            made.step(batch, optimizers)
    with torch.no_grad():
        written = list(made.eval().write(np.array([0, 0, 1]), np.array([1, 2, 1])))
    assert [words[: words.index(END) + 1] for words in written] == [
        [word for word in row if word != PAD] for row in TOKENS.tolist()
    ]


def test_users_and_items_without_an_example_have_the_mean_vector() -> None:
    made = network()
    assert made.known_users.tolist() == [True, True, False]
    assert made.known_items.tolist() == [True, True, True, False]
    with torch.no_grad():
        made.items.weight[0] = 3 * made.items.weight[:3].mean(dim=0) - made.items.weight[1:3].sum(dim=0)
        made.users.weight[0] = made.users.weight[:2].mean(dim=0)
        made.users.weight[1] = made.users.weight[0]
    assert torch.allclose(states(made, user=2), states(made, user=0), atol=1e-6)
    with torch.no_grad():
        made.items.weight[0] = made.items.weight[:3].mean(dim=0)
        made.items.weight[1:3] = made.items.weight[0]
    assert torch.allclose(states(made, item=3), states(made, item=0), atol=1e-6)


def test_the_rate_falls_after_a_validation_without_improvement() -> None:
    made = network(slowdown=0.25)
    paces = []
    for score in (0.2, 0.3, 0.3, 0.1, 0.4):
        made.validated(score)
        paces.append(made.pace(0))
    assert paces == [1, 1, 0.25, 0.0625, 0.0625]
    resumed = network(slowdown=0.25)
    resumed.load_state_dict(made.state_dict())
    resumed.validated(0.35)
    assert resumed.pace(0) == 0.0625 / 4


def test_a_width_that_heads_do_not_divide_is_refused(fit: Callable[..., Any], topics: Corpus) -> None:
    with pytest.raises(UsageError, match="width=10 is not an even multiple of heads=4"):
        fit("peter", topics, TASK, width=10, heads=4)


TOPICS = ("lamp", "rug", "chair", "clock", "vase")


@pytest.fixture
def topics(make_corpus: Callable[..., Corpus]) -> Corpus:
    """Items with a topic, which determines the rating and the explanation; purchases are random."""
    rng = np.random.default_rng(3)
    histories = [rng.permutation(20)[:9].tolist() for _ in range(80)]
    bought = [item for history in histories for item in history]
    told = {
        row: f"This {TOPICS[item % 5]} is made for {TOPICS[-1 - item % 5]} people" for row, item in enumerate(bought)
    }
    titles = pa.array([f"{TOPICS[item % 5]} thing" for item in range(20)])
    return make_corpus(histories, {"title": titles}, ratings=[1.0 + item % 5 for item in bought], sentences=told)


SETTINGS = {"epochs": 12, "validate_every": 12, "learning_rate": 3e-3, "batch_size": 32, "width": 32, "inner": 64}


def test_learns_to_write_and_to_rate(fit: Callable[..., Any], reload: Callable[..., Any], topics: Corpus) -> None:
    model = fit("peter", topics, TASK, **SETTINGS)
    examples = registry.make_task(TASK).examples(topics, "loo", "test")
    wanted = examples.texts.read()
    written = model.write(examples.hidden())
    constant = fit("constant-sentence", topics, TASK).write(examples.hidden())
    quality = [rouge_scores(texts, wanted)["ROUGE-L"].value for texts in (constant, written)]
    assert quality[0] < 0.8 and quality[1] > quality[0] + 0.15
    preference = registry.make_task("preference").examples(topics, "loo", "test")
    errors = np.abs(model.rate(preference.hidden()) - preference.ratings)
    assert errors.mean() < 0.5 < np.abs(preference.ratings - preference.ratings.mean()).mean()
    assert reload(model, topics).write(examples.hidden()) == written


def test_learns_to_rate_without_a_sentence(fit: Callable[..., Any], topics: Corpus) -> None:
    model = fit("peter", topics, "preference", **SETTINGS)
    preference = registry.make_task("preference").examples(topics, "loo", "test")
    assert np.abs(model.rate(preference.hidden()) - preference.ratings).mean() < 0.5
