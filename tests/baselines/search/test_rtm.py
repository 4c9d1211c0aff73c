"""RTM: encoders, attention, positions and loss by hand, inputs of both sides, pools, and learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.search.learned import NO_REVIEWS, SearchVocabulary
from baselines.search.rtm import Layer, RTMConfig, RTMNetwork, sinusoids
from baselines.search.rtm_examples import PADDING, Pools, Reviews, TrainingExamples
from tests.baselines.search.store import TASTES, fit_data, fitted, plain, shaken, store_of_tastes, words_of
from unimp_bench import registry
from unimp_bench.contracts import Ranker
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.records import Examples, FloatArray, Part

MakeCorpus = Callable[..., Corpus]

CONFIG = RTMConfig(width=4, inner=6, layers=2, heads=2, user_reviews=3, item_reviews=4, dropout=0.0, corruption=0.5)
POOL = 12


def search(corpus: Corpus, part: Any) -> Examples:
    return registry.make_task("search").examples(corpus, "loo", part)


@pytest.fixture(scope="module")
def reviews(planted: Corpus) -> Reviews:
    train = search(planted, "train")
    assert train.histories.reviews is not None
    vocabulary = SearchVocabulary.of(train.histories.reviews, train.query_texts, 1, reviewed=True)
    return Reviews.of(train.histories, planted.items, vocabulary, 100, recall=1.0)


@pytest.fixture(scope="module")
def training(planted: Corpus, reviews: Reviews) -> TrainingExamples:
    train = search(planted, "train")
    counts = np.bincount(train.histories.items, minlength=len(planted.items))
    return TrainingExamples.of(train, catalogue(planted, "loo"), reviews.vocabulary, Pools(planted.items, counts, POOL))


@pytest.fixture
def network(reviews: Reviews) -> RTMNetwork:
    made: RTMNetwork = shaken(RTMNetwork(reviews, CONFIG))
    return made


def numbers(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().numpy()
    return array


def test_the_loss_at_zero_scores_is_6_ln_2(network: RTMNetwork, training: TrainingExamples) -> None:
    """One positive and five negatives, summed, whatever the number of samples."""
    with torch.no_grad():
        network.judge.weight.zero_()
        network.judge.bias.zero_()
    for size in (1, 7):
        batch = network.batch(training, np.arange(size), np.random.default_rng(0))
        assert network.loss(batch).item() == pytest.approx(6 * np.log(2), abs=1e-5)


def test_the_loss_is_the_cross_entropy_of_its_scores(network: RTMNetwork, training: TrainingExamples) -> None:
    batch = network.batch(training, np.arange(5), np.random.default_rng(0))
    vectors = network.encode_reviews(batch.documents)
    scores = numbers(
        network.relevance(network.encode_queries(batch.queries), vectors, batch.users, vectors, batch.candidates)
    )
    shares = 1 / (1 + np.exp(-scores.astype(np.float64)))
    expected = np.mean([-np.log(row[0]) - sum(np.log(1 - other) for other in row[1:]) for row in shares])
    assert network.loss(batch).item() == pytest.approx(expected, rel=1e-5)


def test_queries_and_reviews_are_means_of_words(network: RTMNetwork) -> None:
    """In eval mode, word by word; an empty document is zero, an empty query is tanh(b)."""
    parts = plain(network)
    documents = words_of([[0, 2, 2], [], [1]])
    means = np.zeros((3, 4))
    for row, words in enumerate(([0, 2, 2], [], [1])):
        for word in words:
            means[row] += parts["words.weight"][word] / len(words)
    np.testing.assert_allclose(numbers(network.encode_reviews(documents)), [*means, np.zeros(4)], atol=1e-6)
    asked = np.tanh(means @ parts["ask.weight"].T + parts["ask.bias"])
    np.testing.assert_allclose(numbers(network.encode_queries(documents)), asked, atol=1e-6)


def test_corruption_drops_words_and_rescales_the_rest(network: RTMNetwork) -> None:
    """With the same random draws, word by word; queries are not corrupted; dropped words get no gradient."""
    network.train()
    texts = [[0, 1, 2, 3], [4, 0, 1], [2, 2]]
    torch.manual_seed(3)
    found = network.encode_reviews(words_of(texts))
    torch.manual_seed(3)
    kept = iter((torch.rand(9) >= 0.5).tolist())
    expected, read = np.zeros((4, 4)), set()
    for row, words in enumerate(texts):
        for word in words:
            if next(kept):
                expected[row] += plain(network)["words.weight"][word] / (0.5 * len(words))
                read.add(word)
    assert 0 < len(read) < 5
    np.testing.assert_allclose(numbers(found), expected, atol=1e-6)
    found.sum().backward()
    gradient = network.words.weight.grad
    assert gradient is not None and set(gradient.abs().sum(1).nonzero()[:, 0].tolist()) == read
    asked = words_of(texts)
    assert torch.equal(network.encode_queries(asked), network.encode_queries(asked))


def norm(vector: FloatArray, parts: dict[str, FloatArray], name: str) -> FloatArray:
    scaled: FloatArray = (vector - vector.mean()) / np.sqrt(vector.var() + 1e-5)
    return scaled * parts[f"{name}.weight"] + parts[f"{name}.bias"]


def gelu(values: FloatArray) -> FloatArray:
    return np.array([value * 0.5 * (1 + float(torch.erf(torch.tensor(value / np.sqrt(2))))) for value in values])


def layer_by_hand(states: FloatArray, parts: dict[str, FloatArray], name: str, heads: int, normed: bool) -> FloatArray:
    """One layer, by position and head."""

    def linear(vector: FloatArray, which: str) -> FloatArray:
        mapped: FloatArray = parts[f"{name}{which}.weight"] @ vector + parts[f"{name}{which}.bias"]
        return mapped

    read = [norm(state, parts, f"{name}attention_norm") if normed else state for state in states]
    size = states.shape[1] // heads
    left = []
    for slot, state in enumerate(states):
        seen = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            asked = linear(read[slot], "ask")[part]
            shares = np.exp([asked @ linear(other, "match")[part] / np.sqrt(size) for other in read])
            seen.append(sum(s * linear(o, "tell")[part] for s, o in zip(shares / shares.sum(), read, strict=True)))
        state = state + linear(np.concatenate(seen), "gather")
        left.append(state + linear(gelu(linear(norm(state, parts, f"{name}norm"), "widen")), "narrow"))
    return np.array(left)


@pytest.mark.parametrize("normed", [False, True])
def test_a_layer_is_attention_and_feed_forward(normed: bool) -> None:
    """Padding has no effect; computing only the first position gives the same state."""
    layer: Layer = shaken(Layer(4, 6, 2, 0.1, normed=normed))
    states = torch.randn(2, 5, 4)
    real = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    found = numbers(layer(states, real, query_alone=False))
    for row, length in enumerate((5, 3)):
        expected = layer_by_hand(states[row, :length].double().numpy(), plain(layer), "", 2, normed)
        np.testing.assert_allclose(found[row, :length], expected, atol=1e-4)
    np.testing.assert_allclose(numbers(layer(states, real, query_alone=True)), found[:, :1], atol=1e-5)


def test_positions_are_sines_and_cosines() -> None:
    found = numbers(sinusoids(7, 6))
    for place in range(7):
        for k in range(3):
            angle = place / 10_000 ** (2 * k / 6)
            assert found[place, 2 * k : 2 * k + 2] == pytest.approx([np.sin(angle), np.cos(angle)], abs=1e-5)


def test_the_score_is_computed_at_the_query_position(network: RTMNetwork) -> None:
    """Two users with two candidates each, by separate passes: segments, positions, layers, norm, output."""
    parts = plain(network)
    rng = np.random.default_rng(0)
    queries, vectors = rng.normal(size=(2, 4)), np.concatenate([rng.normal(size=(5, 4)), np.zeros((1, 4))])
    users, candidates = np.array([[0, 1], [2, -1]]), np.array([[[3, 4, 0], [1, -1, -1]], [[2, -1, -1], [0, 1, -1]]])
    told = [torch.from_numpy(values.astype(np.float32)) for values in (queries, vectors)]
    found = numbers(network.relevance(told[0], told[1], users, told[1], candidates))
    tags, places = parts["segments.weight"], numbers(network.positions)
    for row in range(2):
        for column in range(2):
            slots = [queries[row] + tags[0] + places[0]]
            slots += [vectors[r] + tags[1] + places[1 + k] for k, r in enumerate(users[row]) if r >= 0]
            own = candidates[row, column]
            slots += [vectors[r] + tags[2] + places[1 + 3 + k] for k, r in enumerate(own) if r >= 0]
            states = np.array(slots)
            for number in range(2):
                states = layer_by_hand(states, parts, f"layers.{number}.", 2, normed=number > 0)
            expected = norm(states[0], parts, "norm") @ parts["judge.weight"][0] + parts["judge.bias"][0]
            assert found[row, column] == pytest.approx(expected, abs=1e-3)


def test_more_padding_changes_no_score(network: RTMNetwork, training: TrainingExamples) -> None:
    batch = network.batch(training, np.arange(4), np.random.default_rng(0))
    vectors, queries = network.encode_reviews(batch.documents), network.encode_queries(batch.queries)
    users, candidates = batch.users[:, :2], batch.candidates[:, :, :2]
    wider = [np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, 1)], constant_values=-1) for a in (users, candidates)]
    found = network.relevance(queries, vectors, users, vectors, candidates)
    again = network.relevance(queries, vectors, wider[0], vectors, wider[1])
    np.testing.assert_allclose(numbers(again), numbers(found), rtol=1e-4, atol=1e-5)


def test_the_predicted_review_is_excluded_on_both_sides(
    planted: Corpus, reviews: Reviews, training: TrainingExamples
) -> None:
    """For all training examples: users read their own earlier rows, candidates all others of the target's, by loops."""
    histories = search(planted, "train").histories
    users = reviews.of_users(training.starts, training.ends, 3)
    items = reviews.of_items(training.targets, training.ends, 4)
    assert len(reviews.documents) == len(planted.items) + len(histories)
    for example, (start, end) in enumerate(zip(training.starts, training.ends, strict=True)):
        own = [row + len(planted.items) for row in range(start, end)][-3:]
        assert [document for document in users[example] if document != PADDING] == own
        target = training.targets[example]
        rows = [row for row in np.flatnonzero(histories.items == target) if row != end]
        rows = sorted(rows, key=lambda row: histories.times[row])[-4:]
        read = [document for document in items[example] if document != PADDING]
        assert read == ([row + len(planted.items) for row in rows] or [target])
        assert end + len(planted.items) not in {*own, *read}


def test_a_document_is_an_items_text_or_a_review(planted: Corpus, reviews: Reviews) -> None:
    """Items first, then the training rows; all training reviews of an item may be read at test."""
    rows, words = search(planted, "train").histories, list(reviews.vocabulary.counts)
    told = reviews.documents.take(np.array([5, len(planted.items) + 7]))
    item, review = ([words[word] for word in told[row]] for row in (0, 1))
    assert planted.items.text("title")[5] == "blue square thing number5"
    assert item == ["blue", "squar", "book", "blue", "squar"]  # things, numbers and brands are in no review
    look = planted.items.text("title")[rows.items[7]].split()[0]
    assert review[0] == look and review[2:] in (["look", "love"], ["look", "dull"])
    everything = reviews.of_items(np.arange(48), np.full(48, PADDING), 1000)
    counts = np.bincount(rows.items, minlength=48)[:48]
    assert np.array_equal((everything != PADDING).sum(axis=1), np.maximum(1, counts))


def test_documents_are_cut_to_their_first_words(planted: Corpus, reviews: Reviews) -> None:
    train = search(planted, "train").histories
    cut = Reviews.of(train, planted.items, reviews.vocabulary, 2, recall=1.0).documents
    for row in (0, 30, len(cut) - 1):
        whole = reviews.documents[row]
        assert np.array_equal(cut[row], whole[:2])


def test_a_pool_is_the_queried_category_then_the_most_popular(planted: Corpus) -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, len(planted.items))
    validation = search(planted, "validation")
    pools, rows = Pools(planted.items, counts, POOL).of(validation)
    paths, held = planted.items.text("category"), []
    assert validation.queries is not None and validation.targets is not None
    for example in range(len(validation)):
        query = validation.query_texts[validation.queries[example]]
        order = sorted(range(len(paths)), key=lambda item: (paths[item] != query, -counts[item], item))
        assert pools[rows[example]].tolist() == order[:POOL]
        held.append(validation.targets[example] in order[:3])
    assert Pools(planted.items, counts, 3).recall(validation) == pytest.approx(np.mean(held))


def test_negatives_are_never_the_target(training: TrainingExamples) -> None:
    """Uniform over the catalogue or, for hard ones, over the pool; every allowed item is drawn."""
    rows = np.repeat([3], 4000)
    target, pool = training.targets[3], training.pools[training.query_rows[3]]
    assert target in pool
    rng = np.random.default_rng(0)
    near, far = training.draw(rows, 5, 1.0, rng), training.draw(rows, 5, 0.0, rng)
    assert set(near.ravel()) == set(pool) - {target}
    assert set(far.ravel()) == set(training.catalogue) - {target}
    frequencies = np.bincount(near.ravel())[sorted(set(pool) - {target})] / near.size
    np.testing.assert_allclose(frequencies, 1 / (POOL - 1), atol=0.01)
    half = training.draw(rows, 5, 0.5, rng)
    assert np.isin(half, pool).mean() == pytest.approx(0.5 + 0.5 * (POOL - 1) / (len(training.catalogue) - 1), abs=0.02)


def test_items_outside_the_pool_tie_below_it(planted: Corpus, tmp_path: Path) -> None:
    sizes = {"width": 8, "inner": 8, "heads": 2, "layers": 1, "user_reviews": 3, "item_reviews": 3}
    model = fitted("rtm", planted, tmp_path / "fit", epochs=1, pool=5, **sizes)
    test, items = search(planted, "test").hidden().select(slice(0, 9)), catalogue(planted, "loo")
    scores = model.score(test, items)
    for row in scores:
        ordered = np.sort(row)
        assert (ordered[:-5] == ordered[0]).all() and ordered[-5] > ordered[0]
    assert "re-ranks the 5 items" in model.remarks()[0]


def first_hits(model: Ranker[Any], corpus: Corpus, part: Part = "test") -> float:
    """HR@1."""
    examples = search(corpus, part)
    ranks = rank_examples(model, examples, catalogue(corpus, "loo"), "paper", top=0, label="test").ranks
    return float((ranks == 1).mean())


def test_learns_the_users_taste(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    """On a corpus without reviews, with item texts instead: query and popularity find one in four, RTM most."""
    store = store_of_tastes(make_corpus, users=200)
    data = replace(fit_data(store, tmp_path), validate=lambda one, _: {"paper": first_hits(one, store, "validation")})
    course = {"epochs": 8, "learning_rate": 3e-3, "batch_size": 64, "hard": 1.0, "pool": len(TASTES)}
    sizes = {"width": 32, "layers": 2, "min_count": 1, "dropout": 0.0, "corruption": 0.0}
    learned: Any = registry.make_model("rtm", settings=course | sizes)
    floor: Any = registry.make_model("query-popularity")
    for model in (learned, floor):
        model.fit(data)
    assert first_hits(learned, store) > first_hits(floor, store) + 0.5
    assert NO_REVIEWS in learned.remarks()
