"""HSTU against loops over positions, heads and times."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from baselines.sequential.hstu import NORM_EPSILON, HSTUConfig, HSTULayer, HSTUNetwork, buckets
from tests.baselines.sequential.small import array, examples_after, interactions, large, sigmoid
from tests.baselines.sequential.test_sasrec import affine
from unimp_bench import registry
from unimp_bench.records import FloatArray

WIDTH, HEADS, LONGEST = 4, 2, 5
HISTORY, TIMES = (3, 1, 4), (0, 40, 86_440)


def config(time: str) -> HSTUConfig:
    return HSTUConfig(width=WIDTH, heads=HEADS, layers=2, max_length=LONGEST, time=time)  # type: ignore[arg-type]


def normed(vector: FloatArray) -> FloatArray:
    centred = vector - vector.mean()
    scaled: FloatArray = centred / math.sqrt(centred @ centred / len(vector) + NORM_EPSILON)
    return scaled


def bucket(gap: int) -> int:
    return min(128, math.floor(math.log(max(gap, 1)) / 0.301))


@pytest.mark.parametrize("time", ["none", "past"])
def test_states_are_pointwise_attention(time: str) -> None:
    network = large(HSTUNetwork(interactions(), config(time)))
    places = array(network.places.weight)
    states = [math.sqrt(WIDTH) * array(network.items.weight)[item] + places[t] for t, item in enumerate(HISTORY)]
    for layer in network.layers:
        projected = [array(layer.project.weight) @ normed(state) for state in states]
        gates, values, queries, keys = ([np.split(row * sigmoid(row), 4)[n] for row in projected] for n in range(4))
        for t in range(len(HISTORY)):
            seen = np.zeros(WIDTH)
            for part in (slice(0, 2), slice(2, 4)):
                for s in range(t + 1):
                    logit = queries[t][part] @ keys[s][part] + array(layer.distances)[t - s]
                    if time == "past":
                        logit += array(layer.gaps)[bucket(TIMES[t] - TIMES[s])]
                    seen[part] += logit * sigmoid(logit) / LONGEST * values[s][part]
            states[t] = states[t] + affine(gates[t] * normed(seen), layer.gather)
    wanted = [state / np.linalg.norm(state) / 0.05 for state in states]
    times = torch.tensor([TIMES]) if time == "past" else None
    np.testing.assert_allclose(array(network.encode(torch.tensor([HISTORY]), times))[0], wanted, rtol=1e-7)


def test_scores_are_cosines_over_tau() -> None:
    network = large(HSTUNetwork(interactions(), config("none")))
    state = array(network.encode(torch.tensor([HISTORY])))[0, -1]
    table = array(network.items.weight)[:-1]
    wanted = table @ state / np.linalg.norm(table, axis=1)
    np.testing.assert_allclose(array(network.score(examples_after(HISTORY)))[0], wanted, rtol=1e-9)


def test_buckets_of_times() -> None:
    gaps = torch.tensor([0, 1, 2, 86_400, -86_400, 10**18])
    assert buckets(gaps).tolist() == [0, 0, 2, 37, 37, 128]


@pytest.mark.parametrize("name", ["project", "gather"])
def test_a_layer_without_its_input_or_its_output_is_the_identity(name: str) -> None:
    torch.manual_seed(0)
    layer, states = HSTULayer(config("none")).double().eval(), torch.randn(2, 3, WIDTH, dtype=torch.float64)
    assert not torch.equal(layer(states, None), states)
    nn.init.zeros_(getattr(layer, name).weight)
    assert torch.allclose(layer(states, None), states)


@pytest.mark.parametrize("time", ["none", "past"])
def test_later_items_and_padding_change_no_earlier_state(time: str) -> None:
    network = large(HSTUNetwork(interactions(), config(time)))

    def states(items: tuple[int, ...], times: tuple[int, ...]) -> torch.Tensor:
        read: torch.Tensor = network.encode(torch.tensor([items]), torch.tensor([times]) if time == "past" else None)
        return read[0, :2]

    first = states(HISTORY, TIMES)
    assert torch.allclose(first, states((3, 1, 7), (0, 40, 50)))
    assert torch.allclose(first, states((3, 1, network.padding, network.padding), (0, 40, 0, 0)))


def test_times_of_training_reach_the_batches() -> None:
    """``past`` reads the time of each item, and a later interaction changes the state behind it; ``none`` has none."""
    network = large(HSTUNetwork(interactions(), config("past")))
    rows = len(network.interactions.sequences.values)
    network.learn_times(np.arange(rows) * 1_000)
    batch = next(iter(network.batches(np.random.default_rng(0))))
    gaps = batch.times[:, 1] - batch.times[:, 0]
    assert set(gaps[batch.items[:, 1] != network.padding].tolist()) == {1_000}
    assert not torch.allclose(network.encode(batch.items, batch.times), network.encode(batch.items, 0 * batch.times))
    plain = HSTUNetwork(interactions(), config("none"))
    plain.learn_times(np.arange(rows))
    assert next(iter(plain.batches(np.random.default_rng(0)))).times is None


def test_heads_divide_the_width() -> None:
    with pytest.raises(Exception, match="multiple of the 3 heads"):
        registry.make_model("hstu", settings={"width": 32, "heads": 3})
