"""SANCL: its equations in plain loops, what it may read, what it does without reviews or pictures, what it learns."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from torch import nn

from baselines.preference.sancl_contrast import Contrast, Known
from baselines.preference.sancl_layers import (
    ProductAttention,
    SelectiveWeights,
    SelfAttention,
    TextEncoder,
    info_nce,
    key_words,
    mean,
)
from baselines.preference.sancl_network import Pooled, SANCLNetwork
from baselines.preference.sancl_reading import NOBODY, Sides
from baselines.preference.sancl_words import FILE, UNKNOWN, Vocabulary, Written, rating_word
from unimp_bench import registry
from unimp_bench.contracts import Rater
from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.errors import DataError, UsageError
from unimp_bench.records import Examples, Histories

SMALL = {"width": 16, "word_width": 16, "space": 8, "epochs": 1}
WIDTH = 3

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
            writer.finish(
                source="made", licence="none", synthetic=True, options={}, inputs={}, domains=("all",),
                new_domains=(), bad_lines={},
            )  # fmt: skip
        return Corpus.open(folder)

    return made


def drawn(corpus: Corpus, part: str = "test") -> Examples:
    return registry.make_task("preference").examples(corpus, "loo", part)


def rmse(model: Rater[Any], examples: Examples) -> float:
    return float(np.sqrt(np.mean((model.rate(examples.hidden()) - examples.ratings) ** 2)))


def shaken(module: nn.Module, spread: float = 1.0) -> dict[str, np.ndarray]:
    """Every parameter drawn anew; all of them as double precision arrays."""
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.from_numpy(spread * rng.normal(size=weight.shape)))
    module.eval()
    return {name: weight.detach().numpy().astype(np.float64) for name, weight in module.named_parameters()}


def states(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def given(module: nn.Module, *inputs: Any) -> np.ndarray:
    with torch.no_grad():
        return module(*(torch.from_numpy(np.asarray(part)) for part in inputs)).numpy()


def softmax(scores: list[float]) -> list[float]:
    powers = [math.exp(score) for score in scores]
    return [power / sum(powers) for power in powers]


# The equations


def test_a_text_is_encoded_by_three_convolutions_averaged() -> None:
    encoder = TextEncoder(2, WIDTH)
    parts, vectors = shaken(encoder), states(1, 6, 2)
    expected = np.zeros((6, WIDTH))
    for number, reach in enumerate((1, 3, 5)):
        kernel, bias = (parts[f"convolutions.{number}.{name}"] for name in ("weight", "bias"))
        for place in range(6):
            for channel in range(WIDTH):
                total = bias[channel]
                for step in range(reach):
                    seen = place + step - reach // 2
                    if 0 <= seen < 6:
                        total += sum(kernel[channel, k, step] * vectors[0, seen, k] for k in range(2))
                expected[place, channel] += total / 3
    np.testing.assert_allclose(given(encoder, vectors)[0], expected, rtol=1e-4, atol=1e-5)


def test_key_words_are_those_of_sentences_that_share_a_stem_with_the_product() -> None:
    stems = torch.tensor([[0, 7, 3, 0, 5, 0], [0, 0, 0, 0, 0, 0]])
    sentences = torch.tensor([[0, 0, 1, 1, 2, 0], [0, 1, 1, 1, 1, 1]])
    keys = torch.tensor([[5, 7, 0], [5, 0, 0]])
    found = key_words(stems, sentences, keys)
    assert found.tolist() == [[True, True, False, False, True, True], [False] * 6]


def test_selective_weights_are_one_for_key_words_and_a_learned_share_for_others() -> None:
    layer = SelectiveWeights(WIDTH)
    review = states(1, 4, WIDTH)
    key, real = np.array([[False, True, False, False]]), np.array([[True, True, True, False]])
    np.testing.assert_allclose(given(layer, review, key, real), [[0.5, 1, 0.5, 0]])
    parts = shaken(layer)
    average = review[0, :3].astype(np.float64).mean(axis=0)
    share = 1 / (1 + math.exp(-(parts["share.weight"][0] @ average + parts["share.bias"][0])))
    np.testing.assert_allclose(given(layer, review, key, real), [[share, 1, share, 0]], rtol=1e-5)


def test_self_attention_is_masked_after_the_softmax_and_not_normalised_again() -> None:
    layer = SelfAttention(WIDTH)
    parts, review = shaken(layer), states(1, 4, WIDTH)
    real, weights = np.array([[True, True, True, False]]), np.array([[1, 0.5, 0.25, 0]], np.float32)
    expected = review[0].astype(np.float64)
    asks, answers = (expected @ parts[f"{name}.weight"].T for name in ("asks", "answers"))
    found = given(layer, review, weights, real)[0]
    for i in range(3):
        attention = softmax([float(asks[i] @ answers[j]) for j in range(3)])
        seen = sum(attention[j] * weights[0, i] * weights[0, j] * review[0, j] for j in range(3))
        np.testing.assert_allclose(found[i], expected[i] + seen, rtol=1e-4, atol=1e-5)


def test_product_attention_weighs_the_products_states_for_each_of_the_reviews() -> None:
    layer = ProductAttention(WIDTH)
    parts, reviews, products = shaken(layer), states(3, 4, WIDTH), states(2, 5, WIDTH, seed=1)
    real = np.array([[True, True, True, False, False], [False] * 5])
    owners = np.array([0, 1, 0])
    found = given(layer, reviews, products, real, owners)
    mapped = np.maximum(products[0].astype(np.float64) @ parts["map.weight"].T + parts["map.bias"], 0)
    for review in (0, 2):
        for state in range(4):
            attention = softmax([float(mapped[j] @ reviews[review, state]) for j in range(3)])
            seen = sum(attention[j] * products[0, j] for j in range(3))
            np.testing.assert_allclose(found[review, state], reviews[review, state] + seen, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[1], reviews[1])  # its product has nothing to see


def test_means_are_weighted_and_zero_without_weights() -> None:
    some = states(2, 3, WIDTH)
    weights = np.array([[1, 0.5, 0], [0, 0, 0]], np.float32)
    found = mean(torch.from_numpy(some), torch.from_numpy(weights)).numpy()
    np.testing.assert_allclose(found[0], (some[0, 0] + 0.5 * some[0, 1]) / 1.5, rtol=1e-5)
    assert (found[1] == 0).all()


def plain_info_nce(cosines: np.ndarray, positive: np.ndarray, negative: np.ndarray, temperature: float) -> float:
    losses = []
    for row in range(len(cosines)):
        above = sum(math.exp(c / temperature) for c, yes in zip(cosines[row], positive[row], strict=True) if yes)
        below = sum(math.exp(c / temperature) for c, no in zip(cosines[row], negative[row], strict=True) if no)
        if positive[row].any() and negative[row].any():
            losses.append(-math.log(above / (above + below)))
    return sum(losses) / len(losses) if losses else 0.0


def test_the_contrast_is_info_nce_and_what_is_masked_counts_nothing() -> None:
    rng = np.random.default_rng(0)
    cosines, kind = rng.uniform(-1, 1, (6, 8)).astype(np.float32), rng.integers(0, 3, (6, 8))
    kind[4:] = [[0] * 8, [1] * 8]  # rows without a negative, without a positive
    positive, negative = kind == 0, kind == 1
    found = info_nce(torch.from_numpy(cosines), torch.from_numpy(positive), torch.from_numpy(negative), 0.3)
    assert float(found) == pytest.approx(plain_info_nce(cosines, positive, negative, 0.3), rel=1e-5)
    masked = np.where(kind == 2, 9.0, cosines).astype(np.float32)
    assert float(info_nce(*map(torch.from_numpy, (masked, positive, negative)), 0.3)) == pytest.approx(float(found))
    nothing = torch.zeros(6, 8, dtype=torch.bool)
    assert float(info_nce(torch.from_numpy(cosines), nothing, nothing, 0.3)) == 0


def test_equal_cosines_give_the_logarithm_of_the_share_of_positives() -> None:
    positive = torch.tensor([[True, True, False, False, False, False]])
    negative = torch.tensor([[False, False, True, True, True, False]])
    assert float(info_nce(torch.full((1, 6), 0.4), positive, negative, 0.2)) == pytest.approx(math.log(5 / 2))


KNOWN = {
    "items": [4, 5, 4],
    "users": [0, 1, 0],
    "history": [1, 2, 4, 3, 1],
    "owners": [0, 0, 1, 1, 2],
    "liked": [True, False, True, False, True],
    "disliked": [False, True, False, False, False],
    "written": [True, True, False],
    "product_pictured": [True, True, True],
    "pictured": [True, False, True, True, True],
}


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / math.sqrt((one @ one) * (other @ other)))


def mapped(parts: dict[str, np.ndarray], name: str, vector: np.ndarray) -> np.ndarray:
    """Linear, tanh, linear."""
    inner = np.tanh(parts[f"{name}.0.weight"] @ vector.astype(np.float64) + parts[f"{name}.0.bias"])
    return parts[f"{name}.2.weight"] @ inner + parts[f"{name}.2.bias"]


def test_texts_find_the_pictures_of_their_objects_and_products_what_their_users_like() -> None:
    """Who is an anchor, a positive or a negative, an object at a time."""
    contrast, k = Contrast(WIDTH, 0.5), KNOWN
    parts = shaken(contrast)
    (products, said), (looks, said_looks) = ((states(3, WIDTH, seed=s), states(5, WIDTH, seed=s + 1)) for s in (2, 4))
    texts, pictures = np.concatenate([products, said]), np.concatenate([looks, said_looks])
    items, seen = k["items"] + k["history"], k["product_pictured"] + k["pictured"]
    anchor = k["written"] + k["liked"]
    cosines = np.array([[cosine(mapped(parts, "of_text", t), p) for p in pictures] for t in texts])
    positive = np.array([[i == j and anchor[i] and seen[i] for j in range(8)] for i in range(8)])
    negative = np.array([[seen[j] and items[i] != items[j] for j in range(8)] for i in range(8)])
    known = Known(**{name: torch.tensor(values) for name, values in k.items()})
    pair, looked = ((torch.from_numpy(a), torch.from_numpy(b)) for a, b in ((products, said), (looks, said_looks)))
    with torch.no_grad():
        cm, rp = float(contrast.cm(pair, looked, known)), float(contrast.rp(pair, looked, known))
    assert cm == pytest.approx(plain_info_nce(cosines, positive, negative, 0.5), rel=1e-4)
    losses = []
    for anchors, found, usable, there in (
        (products, said, k["written"], [True] * 5),
        (looks, said_looks, k["product_pictured"], k["pictured"]),
    ):
        cosines = np.array([[cosine(mapped(parts, "of_product", a), f) for f in found] for a in anchors])
        positive, negative = np.zeros((2, 3, 5), bool)
        for i in range(3):
            for j in range(5):
                own, same_user = k["owners"][j] == i, k["users"][k["owners"][j]] == k["users"][i]
                both = usable[i] and there[j]
                positive[i, j] = both and own and k["liked"][j]
                negative[i, j] = both and ((own and k["disliked"][j]) or not same_user)
        losses.append(plain_info_nce(cosines, positive, negative, 0.5))
    assert rp == pytest.approx(sum(losses) / 2, rel=1e-4)


def test_the_head_makes_a_rating_on_the_scale_of_eight_vectors() -> None:
    config = registry.make_model("sancl", settings={"width": 4, "space": 2, "word_width": 2}).config
    network = SANCLNetwork(torch.zeros(5, dtype=torch.long), torch.zeros(3, 2), torch.zeros(3).bool(), (), config)
    parts = shaken(network, spread=0.3)
    texts, pictures = (Pooled(*(torch.from_numpy(states(1, 4, seed=s + n)) for n in range(3))) for s in (0, 3))
    vectors = []
    for space in ("cm", "rp"):
        for side in ("product", "review"):
            for kind, pooled in (("text", texts), ("picture", pictures)):
                vectors.append(mapped(parts, f"{space}.{kind}", getattr(pooled, side)[0].numpy()))
    hidden = np.concatenate(vectors)
    for layer in ("head.0", "head.2"):
        hidden = np.maximum(parts[f"{layer}.weight"] @ hidden + parts[f"{layer}.bias"], 0)
    score = float(parts["score.weight"][0] @ hidden + parts["score.bias"][0])
    with torch.no_grad():
        found = float(network.ratings(texts, pictures, (0.5, 5.0, 0.5)))
    assert found == pytest.approx(0.5 + 4.5 / (1 + math.exp(-score)), rel=1e-4)
    assert 0.6 < found < 4.9


# What is read


def test_a_vocabulary_knows_stems_and_frequent_words(tmp_path: Path) -> None:
    counts = Counter({"cards": 5, "card": 4, "the": 9, rating_word(4.0): 3, "once": 1, "rare": 2})
    vocabulary = Vocabulary.of(counts, 5, reviews=True)
    assert vocabulary.words == ("the", "cards", "card", "<4>", "rare")
    (numbers, second) = vocabulary.sentences("The CARDS, the card! Once &amp; rare")
    assert numbers == [2, 3, 2, 4] and second == [UNKNOWN, 6]
    stems = vocabulary.stems
    assert stems[3] == stems[4] > 0 and stems[6] not in (0, stems[3])
    assert (stems[[0, 1, 2, 5]] == 0).all()  # padding, unknown, stop words and ratings are no one's keys
    vocabulary.write(tmp_path)
    assert Vocabulary.read(tmp_path) == vocabulary
    (tmp_path / FILE).write_text("[]")
    with pytest.raises(DataError, match="fit the model again"):
        Vocabulary.read(tmp_path)


def test_texts_are_cut_and_padded() -> None:
    written = Written.of([[[5, 6], [7]], [], [[8, 9, 3], [4]]], longest=3)
    words, sentences = written.take(np.array([2, 0, 1]))
    assert words.tolist() == [[8, 9, 3], [5, 6, 7], [0, 0, 0]]
    assert sentences.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]


def said_of(model: Any, examples: Examples) -> Sides:
    sides: Sides = model._reader.sides(examples, model._reader.said(examples.histories))
    return sides


def test_a_history_is_the_last_interactions_with_rating_title_and_review(fit: Fit, store: Store) -> None:
    titles = [f"blue thing number{item}" for item in range(7)]
    reviews = [f"Lovely look. Spoke{row} well" for row in range(12)]
    corpus = store([[0, 1, 2, 3, 4, 5], [6, 5, 4, 3, 2, 1]], [4.0, 5.0] * 6, titles, reviews)
    model: Any = fit("sancl", corpus, "preference", history=3, **SMALL)
    sides = said_of(model, drawn(corpus))
    assert sides.items.tolist() == [5, 1]
    assert sides.history.tolist() == [[2, 3, 4], [4, 3, 2]]
    assert sides.owners.tolist() == [0, 0, 0, 1, 1, 1]
    vocabulary = model.facts
    (title,) = vocabulary.sentences("blue thing number2")
    judgement, story = vocabulary.sentences("Lovely look. Spoke2 well")
    expected = [vocabulary.number(rating_word(4.0)), *title, *judgement, *story]
    assert sides.words[0].tolist() == expected
    assert sides.sentences[0].tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    short = said_of(model, drawn(corpus, "train").select(slice(0, 1)))
    assert short.history.tolist() == [[NOBODY, NOBODY, 0]]


def world(rule: str, users: int = 80, seed: int = 0) -> dict[str, Any]:
    """Every item is bought once. What rates it: a word of its title, the colour of its picture, or its user's mood."""
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
def test_what_decides_the_rating_is_found(rule: str, fit: Fit, store: Store) -> None:
    """Items are new, so averages know the user at most; two fifths of the mean's error are left, or less."""
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
    network, sides = model.prepared(), said_of(model, drawn(corpus))

    def wider(table: np.ndarray) -> np.ndarray:
        return np.pad(table, ((0, 0), (0, 7)))

    padded = replace(
        sides,
        product=wider(sides.product),
        keys=wider(sides.keys),
        words=wider(sides.words),
        sentences=wider(sides.sentences),
        history=np.pad(sides.history, ((0, 0), (3, 0)), constant_values=NOBODY),
    )
    with torch.no_grad():
        answers = [network.ratings(*network.pooled(part), (1, 5, 1)).numpy() for part in (sides, padded)]
        known = [network.contrasts(*network.pooled(part), network.known(part, (1, 5, 1))) for part in (sides, padded)]
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-5)
    assert float(known[0]) == pytest.approx(float(known[1]), rel=1e-4) and float(known[0]) > 0.1


# Poor corpora


def test_without_reviews_the_items_texts_are_read(fit: Fit, store: Store) -> None:
    made = world("words", users=20)
    corpus = store(made["histories"], made["ratings"], made["titles"])
    model: Any = fit("sancl", corpus, "preference", **SMALL)
    sides, vocabulary = said_of(model, drawn(corpus)), model.facts
    item = int(sides.history[0, 0])
    expected = [vocabulary.number(rating_word(made["ratings"][item])), *vocabulary.sentences(made["titles"][item])[0]]
    assert sides.words[0].tolist() == expected
    assert "no reviews" in model.remarks()[0] and "no pictures" in model.remarks()[1]


def test_without_anything_but_ratings_it_reads_those(fit: Fit, make_corpus: Callable[..., Corpus]) -> None:
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


def test_without_the_contrast_other_weights_are_learned(fit: Fit, store: Store) -> None:
    corpus = store(**world("words", users=20))
    test = drawn(corpus).hidden()
    plain, both = (fit("sancl", corpus, "preference", alpha=alpha, **SMALL).rate(test) for alpha in (0.0, 0.5))
    assert not np.array_equal(plain, both)


def test_impossible_heads_are_refused() -> None:
    with pytest.raises(UsageError, match="no multiple of heads"):
        registry.make_model("sancl", settings={"width": 30})
