"""SANCL: its equations against plain loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from baselines.preference.sancl import Pooled, SANCLNetwork
from baselines.preference.sancl_layers import (
    Contrast,
    Labels,
    ProductAttention,
    SelectiveWeights,
    SelfAttention,
    TextEncoder,
    info_nce,
    key_words,
    mean,
)
from unimp_bench import registry

WIDTH = 3


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


def test_the_contrast_is_info_nce_with_masks() -> None:
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


LABELS = {
    "items": [4, 5, 4],
    "users": [0, 1, 0],
    "history": [1, 2, 4, 3, 1],
    "owners": [0, 0, 1, 1, 2],
    "liked": [True, False, True, False, True],
    "disliked": [False, True, False, False, False],
    "has_text": [True, True, False],
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
    """Anchors, positives and negatives, object by object."""
    contrast, k = Contrast(WIDTH, 0.5), LABELS
    parts = shaken(contrast)
    (products, said), (looks, said_looks) = ((states(3, WIDTH, seed=s), states(5, WIDTH, seed=s + 1)) for s in (2, 4))
    texts, pictures = np.concatenate([products, said]), np.concatenate([looks, said_looks])
    items, seen = k["items"] + k["history"], k["product_pictured"] + k["pictured"]
    anchor = k["has_text"] + k["liked"]
    cosines = np.array([[cosine(mapped(parts, "of_text", t), p) for p in pictures] for t in texts])
    positive = np.array([[i == j and anchor[i] and seen[i] for j in range(8)] for i in range(8)])
    negative = np.array([[seen[j] and items[i] != items[j] for j in range(8)] for i in range(8)])
    labels = Labels(**{name: torch.tensor(values) for name, values in k.items()})
    pair, looked = ((torch.from_numpy(a), torch.from_numpy(b)) for a, b in ((products, said), (looks, said_looks)))
    with torch.no_grad():
        cm, rp = float(contrast.cm(pair, looked, labels)), float(contrast.rp(pair, looked, labels))
    assert cm == pytest.approx(plain_info_nce(cosines, positive, negative, 0.5), rel=1e-4)
    losses = []
    for anchors, found, usable, there in (
        (products, said, k["has_text"], [True] * 5),
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
