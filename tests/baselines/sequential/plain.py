"""The transformer over one history, written from its equations as loops."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from torch import nn

from baselines.sequential.next_item import HistoryEncoder
from unimp_bench.records import FloatArray

Values = Mapping[str, FloatArray]


def values(module: nn.Module) -> dict[str, FloatArray]:
    """The weights as float64 arrays."""
    return {name: tensor.detach().double().numpy() for name, tensor in module.state_dict().items()}


def shake(module: nn.Module, seed: int = 0) -> None:
    """Redraw all weights, including biases and norms, at a scale that affects the output."""
    rng = np.random.default_rng(seed)
    for weight in module.parameters():
        weight.data += weight.new_tensor(rng.normal(scale=0.3, size=tuple(weight.shape)))


def transformer(encoder: HistoryEncoder, vectors: FloatArray, causal: bool) -> FloatArray:
    """States (N, width) of (N, width) item vectors: positions, norm, then blocks of attention and feed-forward."""
    weights = values(encoder)
    states = [norm(row + weights["places.weight"][place], weights, "norm") for place, row in enumerate(vectors)]
    for number, block in enumerate(encoder.encoder.blocks):
        own = {name: weights[f"encoder.blocks.{number}.{name}"] for name in values(block)}
        states = attended(states, own, encoder.encoder.blocks[number].heads, causal)
        states = [norm(row + fed(row, own), own, "norm") for row in states]
    return np.array(states)


def attended(states: list[FloatArray], own: Values, heads: int, causal: bool) -> list[FloatArray]:
    """``LN(x + attention(x))``, head by head and position by position."""
    width = len(states[0])
    size = width // heads
    queries, keys, contents = (
        [linear(row, own, "attend")[part * width : (part + 1) * width] for row in states] for part in range(3)
    )
    out = []
    for t, row in enumerate(states):
        seen = range(t + 1) if causal else range(len(states))
        gathered = []
        for head in range(heads):
            cut = slice(head * size, (head + 1) * size)
            weights = softmax(np.array([queries[t][cut] @ keys[s][cut] / math.sqrt(size) for s in seen]))
            gathered.append(sum(weight * contents[s][cut] for weight, s in zip(weights, seen, strict=True)))
        out.append(norm(row + linear(np.concatenate(gathered), own, "gather"), own, "attention_norm"))
    return out


def fed(row: FloatArray, own: Values) -> FloatArray:
    return linear(gelu(linear(row, own, "widen")), own, "narrow")


def linear(row: FloatArray, own: Values, name: str) -> FloatArray:
    product: FloatArray = own[f"{name}.weight"] @ row + own[f"{name}.bias"]
    return product


def norm(row: FloatArray, own: Values, name: str) -> FloatArray:
    centred: FloatArray = (row - row.mean()) / math.sqrt(row.var() + 1e-12)
    return centred * own[f"{name}.weight"] + own[f"{name}.bias"]


def gelu(row: FloatArray) -> FloatArray:
    return np.array([value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in row])


def softmax(row: FloatArray) -> FloatArray:
    shares: FloatArray = np.exp(row - row.max())
    return shares / shares.sum()


def unit(row: FloatArray) -> FloatArray:
    return row / math.sqrt(row @ row)
