"""What causal next-item networks must share: every step learned once, and no look ahead."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch

from baselines.sequential.gru4rec import GRU4RecConfig, GRU4RecNetwork
from baselines.sequential.next_item import NextItemNetwork
from baselines.sequential.sasrec import CatalogueSASRec, OriginalSASRec, SASRecConfig
from tests.baselines.sequential.small import ITEMS, SEQUENCES, array, asked, interactions, large

LENGTH = 4


def ce() -> NextItemNetwork:
    config = SASRecConfig(width=4, inner=6, max_length=LENGTH, batch_size=2)
    return large(CatalogueSASRec(interactions(), config))


def original() -> NextItemNetwork:
    config = SASRecConfig(form="original", width=4, inner=4, heads=1, max_length=LENGTH, batch_size=2)
    return large(OriginalSASRec(interactions(), config))


def gru() -> NextItemNetwork:
    return large(GRU4RecNetwork(interactions(), GRU4RecConfig(width=4, max_length=LENGTH, batch_size=2)))


every = pytest.mark.parametrize("make", [ce, original, gru])


@every
def test_an_epoch_learns_every_step_from_an_item_to_the_next_once(make: Callable[[], NextItemNetwork]) -> None:
    network = make()
    steps: Counter[tuple[int, int]] = Counter()
    for batch in network.batches(np.random.default_rng(0)):
        real = batch.items != ITEMS
        assert (real.int().diff(dim=1) <= 0).all(), "padding stands behind"
        steps.update(zip(batch.items[real].tolist(), batch.targets.tolist(), strict=True))
    assert steps == Counter(pair for sequence in SEQUENCES for pair in itertools.pairwise(sequence))


@every
def test_an_edited_item_leaves_the_states_before_it_alone(make: Callable[[], NextItemNetwork]) -> None:
    before, after = make().encode(torch.tensor([[1, 2, 3, 4], [1, 2, 5, 4]]))
    torch.testing.assert_close(before[:2], after[:2])
    assert (before[2:] - after[2:]).abs().amax(dim=1).min() > 1e-3


@every
def test_the_embedding_of_padding_reaches_no_real_position(make: Callable[[], NextItemNetwork]) -> None:
    network, items = make(), torch.tensor([[1, 2, ITEMS, ITEMS]])
    before = network.encode(items)
    with torch.no_grad():
        network.items.weight[ITEMS] += torch.tensor([5.0, -2.0, 0.0, 1.0])
    after = network.encode(items)
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2:], after[:, 2:])


@every
def test_padding_is_not_learned_and_is_no_answer(make: Callable[[], NextItemNetwork]) -> None:
    network = make()
    network.loss(next(iter(network.batches(np.random.default_rng(0))))).backward()
    gradient = network.items.weight.grad
    assert gradient is not None and not gradient[ITEMS].any() and gradient[:ITEMS].any()
    assert network.score(asked((1, 2))).shape == (1, ITEMS)


@every
def test_a_score_is_the_product_of_the_last_state_and_an_embedding(make: Callable[[], NextItemNetwork]) -> None:
    """Whoever else is in the batch; of a long history the last items are read."""
    network = make()
    scores = network.score(asked((1, 2), (8, 7, 3, 2, 1, 0), (5,)))
    for row, history in enumerate(((1, 2), (3, 2, 1, 0), (5,))):
        state = array(network.encode(torch.tensor([history])))[0, -1]
        for item in range(ITEMS):
            bias = 0 if network.bias is None else network.bias[item].item()
            assert scores[row, item].item() == pytest.approx(state @ array(network.items.weight)[item] + bias)


@every
def test_a_step_of_training_lowers_the_loss_of_its_batch(make: Callable[[], NextItemNetwork]) -> None:
    network = make()
    batch = next(iter(network.batches(np.random.default_rng(0))))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    first = network.step(batch, (optimizer,))
    assert network.loss(batch) < first
