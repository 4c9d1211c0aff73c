"""Visual tokens: their equation in plain loops, items without a picture, and placeholders."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from baselines.language.vip5 import VisualTokens

ITEMS, FEATURES, WIDTH, COUNT = 4, 3, 6, 2
BARE = 2
"""The item without a picture."""


@pytest.fixture
def tokens() -> VisualTokens:
    """All parameters drawn anew, none of them special."""
    torch.manual_seed(0)
    features = torch.randn(ITEMS, FEATURES)
    features[BARE] = 0
    made = VisualTokens(features, WIDTH, COUNT)
    for weight in made.parameters():
        torch.nn.init.normal_(weight)
    return made


def plain(tokens: VisualTokens, item: int) -> np.ndarray:
    """The equation by loops, (n, d)."""
    weights = {name: weight.detach().double().numpy() for name, weight in tokens.named_parameters()}
    looks = tokens.features[item].double().numpy()
    half = COUNT * WIDTH // 2
    inner = [math.tanh(sum(weights["narrow.weight"][m] * looks) + weights["narrow.bias"][m]) for m in range(half)]
    wide = [
        sum(weights["widen.weight"][k, m] * inner[m] for m in range(half)) + weights["widen.bias"][k]
        for k in range(COUNT * WIDTH)
    ]
    size = math.sqrt(sum(number**2 for number in wide) / len(wide) + 1e-6)
    normed = [gain * number / size for gain, number in zip(weights["norm.weight"], wide, strict=True)]
    return np.array([normed[token * WIDTH : (token + 1) * WIDTH] for token in range(COUNT)])


def test_the_equation(tokens: VisualTokens) -> None:
    mentioned = [3, 0, 3, 1]
    expected = [plain(tokens, item) for item in mentioned]
    found = tokens.of(torch.tensor(mentioned)).detach()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_items_without_a_picture_have_learned_tokens(tokens: VisualTokens) -> None:
    found = tokens.of(torch.tensor([BARE, 0]))
    assert torch.equal(found[0], tokens.missing)
    assert not torch.allclose(found[1], tokens.missing)


@pytest.mark.parametrize(("item", "kind"), [(BARE, {"missing"}), (0, {"narrow", "widen", "norm"})])
def test_gradients_reach_features_or_learned_tokens(tokens: VisualTokens, item: int, kind: set[str]) -> None:
    tokens.of(torch.tensor([item])).square().sum().backward()  # type: ignore[no-untyped-call]
    graded = {name: weight.grad for name, weight in tokens.named_parameters()}
    moved = {name.split(".")[0] for name, grad in graded.items() if grad is not None and grad.any()}
    assert moved == kind


def test_initial_tokens_have_the_given_scale() -> None:
    made = VisualTokens(torch.randn(50, FEATURES), 64, COUNT, scale=0.125)
    sizes = made.of(torch.arange(50)).square().mean(dim=(1, 2)).sqrt()
    np.testing.assert_allclose(sizes.detach(), 0.125, rtol=1e-3)
    assert made.missing.square().mean().sqrt().item() == pytest.approx(0.125, rel=0.3)


def test_placeholders_are_overwritten_in_order(tokens: VisualTokens) -> None:
    """Two texts, one with two mentions, one with the same item twice; what an item looks like does not depend on it."""
    marks = torch.tensor([[-1, 3, 3, -1, 1, 1], [3, 3, -1, 3, 3, -1]])
    words = torch.randn(2, 6, WIDTH)
    visual = tokens.of(torch.tensor([3, 1]))
    found = tokens(words, marks)
    expected = words.clone()
    expected[0, 1:3], expected[0, 4:6], expected[1, 0:2], expected[1, 3:5] = visual[[0, 1, 0, 0]]
    torch.testing.assert_close(found, expected)


def test_texts_without_a_placeholder_are_unchanged(tokens: VisualTokens) -> None:
    words = torch.randn(2, 6, WIDTH)
    assert torch.equal(tokens(words, torch.full((2, 6), -1)), words)
