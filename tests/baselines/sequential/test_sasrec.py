"""Both forms of SASRec against loops over positions, heads and items."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from baselines.sequential.sasrec import CatalogueSASRec, OriginalSASRec, SASRec, SASRecConfig
from tests.baselines.sequential.small import array, interactions, large
from unimp_bench import registry
from unimp_bench.errors import UsageError
from unimp_bench.records import FloatArray

WIDTH = 4
HISTORY = (3, 1, 4)


def norm(vector: FloatArray, layer: nn.LayerNorm) -> FloatArray:
    centred = vector - vector.mean()
    scaled = centred / math.sqrt(centred @ centred / len(vector) + layer.eps)
    normed: FloatArray = scaled * array(layer.weight) + array(layer.bias)
    return normed


def affine(vector: FloatArray, layer: nn.Linear) -> FloatArray:
    mapped: FloatArray = array(layer.weight) @ vector + array(layer.bias)
    return mapped


def attention(
    queries: list[FloatArray], keys: list[FloatArray], values: list[FloatArray], heads: int
) -> list[FloatArray]:
    """Causal attention, with the heads concatenated."""
    size = WIDTH // heads
    seen = []
    for t, query in enumerate(queries):
        state = np.zeros(WIDTH)
        for part in (slice(head * size, (head + 1) * size) for head in range(heads)):
            weights = np.exp([query[part] @ keys[s][part] / math.sqrt(size) for s in range(t + 1)])
            state[part] = sum(weight * values[s][part] for s, weight in enumerate(weights)) / weights.sum()
        seen.append(state)
    return seen


@pytest.mark.parametrize("heads", [1, 2])
def test_the_original_form_is_the_papers_equations(heads: int) -> None:
    config = SASRecConfig(form="original", width=WIDTH, inner=WIDTH, heads=heads, layers=2, max_length=5)
    network = large(OriginalSASRec(interactions(), config))
    embeddings, places = array(network.items.weight), array(network.places.weight)
    states = [math.sqrt(WIDTH) * embeddings[item] + places[t] for t, item in enumerate(HISTORY)]
    for block in network.blocks:
        normed = [norm(state, block.attention_norm) for state in states]
        parts = [[affine(state, project) for state in normed] for project in block.attend]
        states = [state + new for state, new in zip(states, attention(*parts, heads), strict=True)]
        for t, state in enumerate(states):
            widened = np.maximum(affine(norm(state, block.norm), block.widen), 0)
            states[t] = state + affine(widened, block.narrow)
    wanted = [norm(state, network.norm) for state in states]
    np.testing.assert_allclose(array(network.encode(torch.tensor([HISTORY])))[0], wanted, rtol=1e-9)


def test_form_ce_is_post_norm_with_gelu() -> None:
    config = SASRecConfig(width=WIDTH, inner=6, heads=2, layers=2, max_length=5)
    network = large(CatalogueSASRec(interactions(), config))
    history = network.encoder
    embeddings, places = array(network.items.weight), array(history.places.weight)
    states = [norm(embeddings[item] + places[t], history.norm) for t, item in enumerate(HISTORY)]
    for block in history.encoder.blocks:
        projected = [affine(state, block.attend) for state in states]
        parts = [[row[n * WIDTH : (n + 1) * WIDTH] for row in projected] for n in range(3)]
        for t, seen in enumerate(attention(*parts, heads=2)):
            state = norm(states[t] + affine(seen, block.gather), block.attention_norm)
            widened = [value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in affine(state, block.widen)]
            states[t] = norm(state + affine(np.array(widened), block.narrow), block.norm)
    np.testing.assert_allclose(array(network.encode(torch.tensor([HISTORY])))[0], states, rtol=1e-9)


def test_presets() -> None:
    """The first preset is the default."""
    assert list(SASRec.presets) == ["ce", "original", "sampled"]
    assert isinstance(SASRec(SASRec.presets["ce"]).build(interactions(), None, None), CatalogueSASRec)  # type: ignore[arg-type]
    assert isinstance(SASRec(SASRec.presets["original"]).build(interactions(), None, None), OriginalSASRec)  # type: ignore[arg-type]


def test_heads_divide_the_width() -> None:
    with pytest.raises((UsageError, ValueError), match="multiple"):
        registry.make_model("sasrec", settings={"width": 33})
