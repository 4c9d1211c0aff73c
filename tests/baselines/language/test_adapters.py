"""Adapters: their equation in plain loops, their position in T5, and freezing of other parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from baselines.language.vip5 import adapt_t5, train_adapters_alone
from baselines.learning.adapters import Adapter
from unimp_bench.torch_setup import make_torchvision_importable

WIDTH, LAYERS, WORDS = 16, 2, 20


@pytest.fixture
def t5() -> Any:
    """A T5 of two blocks on each side, in eval mode."""
    make_torchvision_importable()
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    config = T5Config(
        vocab_size=WORDS, d_model=WIDTH, d_kv=4, num_heads=2, d_ff=24, num_layers=LAYERS, decoder_start_token_id=0
    )
    return T5ForConditionalGeneration(config).eval()


def adapters(t5: Any) -> list[Adapter]:
    return [module for module in t5.modules() if isinstance(module, Adapter)]


def shake(t5: Any) -> None:
    """Redraw the adapters, so that none is the identity."""
    for adapter in adapters(t5):
        for weight in adapter.parameters():
            torch.nn.init.normal_(weight)


def logits(t5: Any) -> torch.Tensor:
    words = torch.arange(2 * 5).view(2, 5)
    with torch.no_grad():
        found: torch.Tensor = t5(input_ids=words, labels=words[:, :3].contiguous()).logits
    return found


def plain_adapter(adapter: Adapter, states: np.ndarray) -> np.ndarray:
    """The equation, by loops."""
    down, up = (layer.weight.detach().double().numpy() for layer in (adapter.down, adapter.up))
    down_bias, up_bias = (layer.bias.detach().double().numpy() for layer in (adapter.down, adapter.up))
    found = np.zeros(states.shape)
    for row, state in enumerate(states):
        inner = [sum(down[m] * state) + down_bias[m] for m in range(len(down))]
        active = [0.5 * x * (1 + math.erf(x / math.sqrt(2))) for x in inner]
        for k in range(WIDTH):
            found[row, k] = state[k] + sum(up[k, m] * active[m] for m in range(len(down))) + up_bias[k]
    return found


def plain_norm(norm: Any, states: np.ndarray) -> np.ndarray:
    """T5's: by the root of the mean square, no mean taken off."""
    gain = norm.weight.detach().double().numpy()
    return np.array([gain * state / math.sqrt(np.mean(state**2) + norm.variance_epsilon) for state in states])


def states(seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(1, 3, WIDTH)).astype(np.float32))


def test_the_equation() -> None:
    adapter = Adapter(WIDTH, WIDTH // 8)
    for weight in adapter.parameters():
        torch.nn.init.normal_(weight)
    expected = plain_adapter(adapter, states()[0].double().numpy())
    np.testing.assert_allclose(adapter(states())[0].detach(), expected, rtol=1e-4, atol=1e-5)


def test_initial_adapters_do_not_change_t5(t5: Any) -> None:
    before = logits(t5)
    adapt_t5(t5)
    assert torch.equal(logits(t5), before)
    shake(t5)
    assert not torch.allclose(logits(t5), before, atol=1e-2)


def test_every_sub_layer_has_an_adapter(t5: Any) -> None:
    """Two in a block of the encoder, three in one of the decoder."""
    adapt_t5(t5)
    assert len({id(adapter) for adapter in adapters(t5)}) == (2 + 3) * LAYERS
    assert all(adapter.down.weight.shape == (WIDTH // 8, WIDTH) for adapter in adapters(t5))
    shake(t5)
    before = logits(t5)
    for adapter in adapters(t5):
        kept = adapter.up.bias.detach().clone()
        torch.nn.init.constant_(adapter.up.bias, 3.0)
        assert not torch.allclose(logits(t5), before, atol=1e-4)
        with torch.no_grad():
            adapter.up.bias.copy_(kept)


def test_the_feed_forward_layer_adapts_before_the_residual_add(t5: Any) -> None:
    adapt_t5(t5)
    shake(t5)
    layer = t5.encoder.block[0].layer[-1]
    wi, wo = (getattr(layer.DenseReluDense, name).weight.detach().double().numpy() for name in ("wi", "wo"))
    given = states()[0].double().numpy()
    computed = np.maximum(plain_norm(layer.layer_norm, given) @ wi.T, 0) @ wo.T
    expected = given + plain_adapter(layer.dropout[0], computed)
    np.testing.assert_allclose(layer(states())[0].detach(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("stack", "place", "name"), [("encoder", 0, "SelfAttention"), ("decoder", 1, "EncDecAttention")]
)
def test_attention_adapts_before_the_residual_add(t5: Any, stack: str, place: int, name: str) -> None:
    adapt_t5(t5)
    shake(t5)
    layer = getattr(t5, stack).block[0].layer[place]
    told = {"key_value_states": states(2)} if place else {}
    given = states()[0].double().numpy()
    normed = torch.from_numpy(plain_norm(layer.layer_norm, given).astype(np.float32))[None]
    computed = getattr(layer, name)(normed, **told)[0][0].detach().double().numpy()
    expected = given + plain_adapter(layer.dropout[0], computed)
    np.testing.assert_allclose(layer(states(), **told)[0][0].detach(), expected, rtol=1e-4, atol=1e-4)


def test_only_adapters_and_norms_have_gradients(t5: Any) -> None:
    adapt_t5(t5)
    train_adapters_alone(t5)
    shake(t5)
    words = torch.arange(2 * 5).view(2, 5)
    t5(input_ids=words, labels=words[:, :3].contiguous()).loss.backward()
    moved = {name for name, weight in t5.named_parameters() if weight.grad is not None and weight.grad.any()}
    expected = {name for name, _ in t5.named_parameters() if "dropout.0" in name or "layer_norm" in name}
    assert moved == expected
    assert len(moved) == (2 + 3) * LAYERS * 5 + 2  # four tensors and a norm each, and the last norm of each side
