"""MRG: its equations against loops, alternating losses, and learning of sentences and ratings."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from baselines.explanation.mrg import Batch, MRGConfig, MRGNetwork, Scene
from baselines.explanation.regions import Regions
from baselines.explanation.sentences import (
    END,
    PAD,
    START,
    UNKNOWN,
    SentenceArtifacts,
    SentenceVocabulary,
    TrainingExamples,
)
from baselines.learning.interactions import Interactions
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.pictures import picture_features
from unimp_bench.metrics.text import rouge_scores
from unimp_bench.ragged import Ragged
from unimp_bench.records import FloatArray
from unimp_bench.testing.planted import write_planted_corpus

TASK = "explanation"
SENTENCES = ("I love this lamp.", "It's too dim, I think!", "Nice lamp (and cheap)", "I love it")
MEAN, REGIONS, CHANNELS = 3.7, 3, 5


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("planted") / "planted"
    write_planted_corpus(folder)
    return Corpus.open(folder)


class FewRegions(Regions):
    """Random regions."""

    def __init__(self, seed: int) -> None:
        self.shape, self.remarks = (REGIONS, CHANNELS), ()
        self._grids = np.random.default_rng(seed).normal(size=(4, REGIONS, CHANNELS)).astype(np.float32)

    def of(self, rows: Any) -> FloatArray:
        return self._grids[rows]


def network(seed: int = 0, **settings: Any) -> MRGNetwork:
    """Three users, four items, seven interactions of which four have a sentence and six a rating."""
    interactions = Interactions(
        np.arange(3), np.arange(4), Ragged(np.array([0, 3, 5, 7]), np.array([0, 1, 2, 1, 3, 0, 2], dtype=np.int64))
    )
    vocabulary = SentenceVocabulary.of(SENTENCES, 1, 100)
    artifacts = SentenceArtifacts(interactions, vocabulary, MEAN)
    config = MRGConfig(factors=3, word_width=4, state_width=5, dropout=0.0, batch_size=7, **settings)
    torch.manual_seed(seed)
    made = MRGNetwork(artifacts, FewRegions(seed), config)
    made.examples = TrainingExamples(
        interactions.owners,
        interactions.sequences.values,
        np.array([5, 4, 1, np.nan, 2, 5, 3], dtype=np.float32),
        np.array([-1, 0, 1, -1, 2, -1, 3]),
        vocabulary.tokens(SENTENCES, 10),
    )
    return made


def batch_of(made: MRGNetwork) -> Batch:
    (batch,) = made.batches(np.random.default_rng(0))
    return batch


def large(made: MRGNetwork) -> MRGNetwork:
    """Weights, norms and running averages large enough that each affects the output."""
    torch.manual_seed(1)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    for norm in (made.decoder.sentiment_norm, made.decoder.region_norm):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return made.double().eval()


def sigmoid(value: Any) -> Any:
    return 1 / (1 + np.exp(-value))


def plain_step(weights: dict[str, FloatArray], p: FloatArray, q: FloatArray, regions: FloatArray, word: int) -> Any:
    """Attention, beta, ``h_1`` and the logits of the first word after ``word``."""
    w = weights
    pair = np.concatenate([p, q])
    trunk = np.tanh(w["trunk.weight"] @ pair + w["trunk.bias"])

    def normed(values: FloatArray, name: str) -> FloatArray:
        mean, variance = w[f"decoder.{name}.running_mean"], w[f"decoder.{name}.running_var"]
        scaled = (values - mean) / np.sqrt(variance + 1e-5)
        return scaled * w[f"decoder.{name}.weight"] + w[f"decoder.{name}.bias"]

    def linear(name: str, values: FloatArray) -> FloatArray:
        return w[f"decoder.{name}.weight"] @ values + w.get(f"decoder.{name}.bias", 0.0)

    sentiment = normed(trunk, "sentiment_norm")
    seen = [normed(linear("project", region), "region_norm") for region in regions]
    hidden, cell = np.tanh(linear("first_hidden", pair)), np.tanh(linear("first_cell", pair))
    scores = [float(linear("relevance", np.tanh(linear("key", v) + linear("query", hidden)))[0]) for v in seen]
    attention = np.exp(scores) / np.exp(scores).sum()
    glimpse = sum(share * v for share, v in zip(attention, seen, strict=True))
    x = w["decoder.words.weight"][word]
    beta = sigmoid(float(linear("word_gate", x)[0] + linear("state_gate", hidden)[0]))
    context = beta * sentiment + (1 - beta) * glimpse
    gates = w["decoder.lstm.weight_ih"] @ np.concatenate([x, context]) + w["decoder.lstm.bias_ih"]
    gates = gates + w["decoder.lstm.weight_hh"] @ hidden + w["decoder.lstm.bias_hh"]
    taken, kept, new, shown = np.split(gates, 4)
    cell = sigmoid(kept) * cell + sigmoid(taken) * np.tanh(new)
    hidden = sigmoid(shown) * np.tanh(cell)
    mixed = np.tanh(linear("from_state", hidden) + linear("from_context", context) + x)
    return attention, beta, hidden, linear("out", mixed)


def test_decoding_follows_the_equations() -> None:
    made = large(network())
    weights = {name: tensor.numpy() for name, tensor in made.state_dict().items()}
    users, items = torch.tensor([2, 0]), torch.tensor([1, 3])
    grids, word = made.regions.of(items.numpy()).astype(np.float64), 6
    with torch.no_grad():
        pairs = made.pairs(users, items)
        scene, before = made.decoder.scene(made.state(pairs), torch.from_numpy(grids)), made.decoder.begin(pairs)
        x = made.decoder.words(torch.tensor([word, word]))
        after, context = made.decoder.step(scene, before, x)
        logits = made.decoder.logits(after.hidden, context, x)
        found = (made.decoder.attention(scene, before), made.decoder.gate(before, x)[:, 0], after.hidden, logits)
    for row in range(2):
        p, q = weights["users.weight"][users[row]], weights["items.weight"][items[row]]
        for value, expected in zip(found, plain_step(weights, p, q, grids[row], word), strict=True):
            assert value[row].numpy() == pytest.approx(expected, abs=1e-9)


def test_ratings_follow_the_equation() -> None:
    made = large(network())
    w = {name: tensor.numpy() for name, tensor in made.state_dict().items()}
    pair = np.concatenate([w["users.weight"][1], w["items.weight"][2]])
    height = w["rating.weight"][0] @ np.tanh(w["trunk.weight"] @ pair + w["trunk.bias"]) + w["rating.bias"][0]
    with torch.no_grad():
        assert made.rate(np.array([1]), np.array([2])) == pytest.approx([MEAN + height], abs=1e-6)


def test_predictions_and_loss_at_zero_weights() -> None:
    """The mean rating, gates of 1/2, uniform attention, and a loss of ln V per word."""
    made = network().eval()
    for weight in made.parameters():
        torch.nn.init.zeros_(weight)
    batch = batch_of(made)
    scene = made.decoder.scene(torch.rand(2, 6), torch.rand(2, REGIONS, CHANNELS))
    state = made.decoder.begin(torch.rand(2, 6))
    with torch.no_grad():
        assert made.rate(np.array([0, 2]), np.array([1, 1])) == pytest.approx([MEAN, MEAN])
        assert made.decoder.gate(state, torch.rand(2, 4)).flatten().tolist() == [0.5, 0.5]
        assert made.decoder.attention(scene, state) == pytest.approx(np.full((2, REGIONS), 1 / REGIONS))
        assert float(made.review_loss(batch.written)) == pytest.approx(math.log(made.decoder.words.num_embeddings))


def test_another_picture_changes_only_the_words() -> None:
    made, batch = large(network()).float(), batch_of(network())
    other = Batch(batch.rated, batch.written._replace(regions=batch.written.regions.flip(0)))
    with torch.no_grad():
        first, second = ([float(loss) for loss in made.losses(some)] for some in (batch, other))
    assert first[0] == second[0]
    assert abs(first[1] - second[1]) > 1e-3


def test_the_loss_of_sentences_is_the_mean_over_their_words() -> None:
    """Padding does not count, and a longer sentence counts more."""
    made, batch = large(network()).float(), batch_of(network()).written
    with torch.no_grad():
        losses = []
        for row in range(len(batch.users)):
            one = type(batch)(*(part[row : row + 1] for part in batch))
            losses.append((float(made.review_loss(one)), int((one.tokens != PAD).sum())))
        whole = float(made.review_loss(batch))
    words = sum(count for _, count in losses)
    assert len({count for _, count in losses}) > 1
    assert whole == pytest.approx(sum(loss * count for loss, count in losses) / words, rel=1e-5)


def test_a_step_descends_on_the_ratings_and_then_on_the_sentences() -> None:
    """As two steps of one Adam on losses with half the squared weights written out."""
    made = network(l2=0.1)
    plain = copy.deepcopy(made).train()
    batch = batch_of(made)
    moved = [(weight, name) for name, weight in plain.named_parameters()]
    adam = torch.optim.Adam([weight for weight, _ in moved], lr=1e-2)
    shared = ("users", "items", "trunk")
    total = 0.0
    for loss_of, own in (
        (lambda: plain.rating_loss(batch.rated), "rating"),
        (lambda: plain.review_loss(batch.written), "decoder"),
    ):
        adam.zero_grad()
        loss = loss_of()
        decayed = [
            weight
            for weight, name in moved
            if name.startswith((*shared, own)) and "bias" not in name and "norm" not in name and ".words." not in name
        ]
        (loss + 0.1 / 2 * sum(weight.square().sum() for weight in decayed)).backward()
        adam.step()
        total += float(loss.detach())
    made.train()
    loss = made.step(batch, made.optimizers(MRGConfig(learning_rate=1e-2)))
    assert float(loss) == pytest.approx(total, rel=1e-5)
    for (name, weight), (expected, _) in zip(made.named_parameters(), moved, strict=True):
        torch.testing.assert_close(weight, expected, rtol=1e-4, atol=1e-5, msg=name)


def test_interactions_without_a_rating_or_a_sentence_take_part_in_the_other_loss() -> None:
    batch = batch_of(network())
    assert len(batch.rated.users) == 6 and len(batch.written.users) == 4
    assert sorted(batch.written.items.tolist()) == [1, 2, 2, 3]


def test_greedy_words_follow_each_other_and_end() -> None:
    made = large(network())
    users, items = np.array([0, 1, 2]), np.array([3, 2, 1])
    made.regions._grids = made.regions._grids.astype(np.float64)
    with torch.no_grad():
        written = list(made.write(users, items))
        pairs = made.pairs(torch.tensor(users), torch.tensor(items))
        scene = made.decoder.scene(made.state(pairs), torch.from_numpy(made.regions.of(items)))
        for row in range(3):
            scene_of = Scene(*(part[row : row + 1] for part in scene))
            state, word = made.decoder.begin(pairs[row : row + 1]), START
            for said in written[row]:
                x = made.decoder.words(torch.tensor([word]))
                state, context = made.decoder.step(scene_of, state, x)
                logits = made.decoder.logits(state.hidden, context, x)[0]
                allowed = [number for number in range(len(logits)) if number not in (PAD, START, UNKNOWN)]
                assert said == max(allowed, key=lambda number: float(logits[number]))
                word = said
    assert all(END in words or len(words) == made.config.length for words in written)


def test_sentences_are_restored_from_words() -> None:
    vocabulary = SentenceVocabulary.of(SENTENCES, 1, 100)
    numbers = vocabulary.tokens(SENTENCES, 12)
    assert [vocabulary.sentence(row) for row in numbers.tolist()] == list(SENTENCES)
    assert numbers[3].tolist()[3:] == [END] + [PAD] * 8


def test_rare_words_are_unknown_and_long_sentences_are_cut() -> None:
    vocabulary = SentenceVocabulary.of(SENTENCES, 2, 3)
    assert [word.word for word in vocabulary.words] == ["i", "lamp", "love"]
    assert len(vocabulary) == 7
    assert vocabulary.tokens(["love a LAMP"], 3).tolist() == [[6, UNKNOWN, 5]]
    assert vocabulary.sentence([6, 5, END, 4]) == "Love lamp"


def test_a_saved_vocabulary_is_restored(tmp_path: Path) -> None:
    vocabulary = SentenceVocabulary.of(SENTENCES, 1, 100)
    vocabulary.write(tmp_path)
    assert SentenceVocabulary.read(tmp_path) == vocabulary


def test_regions_are_patch_tokens_and_zero_without_a_picture(planted: Corpus, tmp_path: Path) -> None:
    numbers = np.array([3, 9, 12])  # item 9 has no picture
    regions = Regions(planted.items, numbers, "tiny", "", "lsa", tmp_path)
    features = picture_features(planted.items, "tiny", "", tmp_path)
    grids = regions.of(np.array([2, 1, 0]))
    assert grids.shape == (3, *regions.shape) and not regions.remarks
    assert np.array_equal(grids[[0, 2]], features.of(np.array([12, 3])))
    assert not grids[1].any() and grids[0].any()


TOPICS = ("lamp", "rug", "chair", "clock", "vase")


@pytest.fixture
def topics(make_corpus: Callable[..., Corpus]) -> Corpus:
    """Items with a topic, which determines rating and explanation; purchases are random; no pictures."""
    rng = np.random.default_rng(3)
    histories = [rng.permutation(20)[:9].tolist() for _ in range(80)]
    bought = [item for history in histories for item in history]
    told = {
        row: f"This {TOPICS[item % 5]} is made for {TOPICS[-1 - item % 5]} people" for row, item in enumerate(bought)
    }
    titles = pa.array([f"{TOPICS[item % 5]} thing" for item in range(20)])
    return make_corpus(histories, {"title": titles}, ratings=[1.0 + item % 5 for item in bought], sentences=told)


SETTINGS = {
    "epochs": 12,
    "validate_every": 12,
    "learning_rate": 5e-3,
    "batch_size": 32,
    "factors": 8,
    "state_width": 32,
}


def test_learns_to_write_and_to_rate(fit: Callable[..., Any], reload: Callable[..., Any], topics: Corpus) -> None:
    model = fit("mrg", topics, TASK, **SETTINGS)
    examples = registry.make_task(TASK).examples(topics, "loo", "test")
    wanted = examples.texts.read()

    def quality(texts: list[str]) -> float:
        return rouge_scores(texts, wanted)["ROUGE-L"].value

    written = model.write(examples.hidden())
    constant = fit("constant-sentence", topics, TASK).write(examples.hidden())
    assert quality(constant) < 0.8
    assert quality(written) > quality(constant) + 0.15
    preference = registry.make_task("preference").examples(topics, "loo", "test")
    errors = np.abs(model.rate(preference.hidden()) - preference.ratings)
    assert errors.mean() < 0.5 < np.abs(preference.ratings - preference.ratings.mean()).mean()
    loaded = reload(model, topics)
    assert loaded.write(examples.hidden()) == written
    assert model.remarks() == ("no pictures in this corpus: text features alone", *model.remarks()[1:])


def test_the_best_limit_of_words_is_kept_with_the_weights(
    fit: Callable[..., Any], reload: Callable[..., Any], topics: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def quality(model: Any, data: Any) -> dict[str, float]:
        tried.append(int(model.network.limit))
        return {"paper": 0.5 if tried[-1] == 12 else 0.4}

    monkeypatch.setattr(registry.make_model("mrg").__class__, "quality", quality)
    model = fit("mrg", topics, TASK, **(SETTINGS | {"epochs": 1, "validate_every": 1, "length": 20}))
    assert tried == [20, 20, 16, 12, 8]
    assert int(model.network.limit) == int(reload(model, topics).network.limit) == 12


def test_learns_to_rate_without_a_sentence(fit: Callable[..., Any], topics: Corpus) -> None:
    model = fit("mrg", topics, "preference", **SETTINGS)
    preference = registry.make_task("preference").examples(topics, "loo", "test")
    assert np.abs(model.rate(preference.hidden()) - preference.ratings).mean() < 0.5
