"""The shared transformer: its equations in loops, causality, and padding."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from baselines.learning.encoder import Encoder, init_weights, last_states
from unimp_bench.records import FloatArray

WIDTH, HEADS = 8, 2


def made(causal: bool, layers: int = 2) -> Encoder:
    """An encoder in eval mode, with weights large enough that every part affects the output."""
    torch.manual_seed(0)
    encoder = Encoder(WIDTH, 12, layers, HEADS, 0.5, 0.5, causal).double().eval()
    for weight in encoder.parameters():
        nn.init.normal_(weight, std=0.5)
    return encoder


def norm(vector: FloatArray, layer: nn.LayerNorm) -> FloatArray:
    centred = vector - vector.mean()
    scaled: FloatArray = centred / math.sqrt(centred @ centred / len(vector)) * array(layer.weight) + array(layer.bias)
    return scaled


def array(tensor: torch.Tensor) -> FloatArray:
    values: FloatArray = tensor.detach().numpy()
    return values


def affine(vector: FloatArray, layer: nn.Linear) -> FloatArray:
    mapped: FloatArray = array(layer.weight) @ vector + array(layer.bias)
    return mapped


def gelu(value: float) -> float:
    return value * 0.5 * (1 + math.erf(value / math.sqrt(2)))


@pytest.mark.parametrize("causal", [True, False])
def test_a_block_is_its_equations(causal: bool) -> None:
    encoder = made(causal, layers=1)
    block = encoder.blocks[0]
    states = np.random.default_rng(1).normal(size=(4, WIDTH))
    size = WIDTH // HEADS
    projected = [affine(state, block.attend) for state in states]
    for t in range(4):
        gathered = np.zeros(WIDTH)
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            queries, keys, values = ([row[n * WIDTH : (n + 1) * WIDTH][part] for row in projected] for n in range(3))
            seen = range(t + 1) if causal else range(4)
            weights = np.exp([queries[t] @ keys[other] / math.sqrt(size) for other in seen])
            for other, weight in zip(seen, weights / weights.sum(), strict=True):
                gathered[part] += weight * values[other]
        state = norm(states[t] + affine(gathered, block.gather), block.attention_norm)
        widened = np.array([gelu(value) for value in affine(state, block.widen)])
        wanted = norm(state + affine(widened, block.narrow), block.norm)
        np.testing.assert_allclose(array(encoder(torch.from_numpy(states)[None]))[0, t], wanted, rtol=1e-9)


def test_a_causal_position_does_not_see_what_comes_later() -> None:
    encoder, states = made(causal=True), torch.randn(1, 5, WIDTH, dtype=torch.float64)
    edited = states.clone()
    edited[0, 3] += 1
    before, after = encoder(states), encoder(edited)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert (before[:, 3:] - after[:, 3:]).abs().amax(dim=2).min() > 1e-3


def test_a_position_that_sees_both_sides_changes_with_what_comes_later() -> None:
    encoder, states = made(causal=False), torch.randn(1, 5, WIDTH, dtype=torch.float64)
    edited = states.clone()
    edited[0, 4] += 1
    assert (encoder(states) - encoder(edited)).abs().amax(dim=2).min() > 1e-3


@pytest.mark.parametrize("causal", [True, False])
def test_padding_changes_nothing(causal: bool) -> None:
    encoder, states = made(causal), torch.randn(1, 3, WIDTH, dtype=torch.float64)
    longer = torch.cat([states, torch.randn(1, 2, WIDTH, dtype=torch.float64)], dim=1)
    real = torch.tensor([[True, True, True, False, False]])
    torch.testing.assert_close(encoder(longer, real)[:, :3], encoder(states))


def test_dropout_is_active_only_in_training() -> None:
    encoder, states = made(causal=True), torch.randn(1, 5, WIDTH, dtype=torch.float64)
    assert torch.equal(encoder(states), encoder(states))
    encoder.train()
    assert not torch.equal(encoder(states), encoder(states))


def test_initial_weights_follow_bert() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(200, 200).apply(init_weights)
    assert abs(layer.weight.std().item() - 0.02) < 1e-3 and not layer.bias.any()


def test_the_state_of_the_last_item() -> None:
    states = torch.arange(12.0).reshape(2, 3, 2)
    assert last_states(states, torch.tensor([1, 3])).tolist() == [[0, 1], [10, 11]]
