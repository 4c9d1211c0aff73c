"""HGN against loops over the input items, and its windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from baselines.sequential.hgn import HGNConfig, HGNNetwork, Samples, sliding_windows
from tests.baselines.sequential.small import (
    ITEMS,
    SEQUENCES,
    array,
    examples_after,
    interactions,
    large,
    sigmoid,
    softplus,
    zeroed,
)
from unimp_bench.errors import UsageError
from unimp_bench.records import FloatArray

CONFIG = HGNConfig(width=4, length=3, targets=2, batch_size=2)


def made() -> HGNNetwork:
    network: HGNNetwork = large(HGNNetwork(interactions(), CONFIG))
    return network


def plain_scores(network: HGNNetwork, user: int, shown: tuple[int, ...]) -> list[float]:
    """Eq. 2 to 7 of the paper; the newest item is at the last position."""
    taste, table, outputs = (array(part.weight) for part in (network.users, network.items, network.outputs))
    gated, chances = [], []
    for k, item in enumerate(shown):
        gate = array(network.feature_gate_item.weight) @ table[item] + array(network.feature_gate_item.bias)
        gate = gate + array(network.feature_gate_user.weight) @ taste[user]
        gated.append(table[item] * sigmoid(gate))
        place = CONFIG.length - len(shown) + k
        logit = array(network.item_gate)[:, 0] @ gated[-1] + taste[user] @ array(network.place_gates)[:, place]
        chances.append(float(sigmoid(logit)))
    pooled: FloatArray = sum(chance * item for chance, item in zip(chances, gated, strict=True)) / sum(chances)
    scores = []
    for item in range(ITEMS):
        score = taste[user] @ outputs[item] + pooled @ outputs[item] + network.biases[item].item()
        scores.append(float(score + sum(table[other] @ outputs[item] for other in shown)))
    return scores


def test_scores_follow_the_equations() -> None:
    """For histories as long as, longer and shorter than the window."""
    network = made()
    scores = array(network.score(examples_after((1, 2, 3), (8, 0, 4, 5, 6), (7, 1), (2,))))
    for user, shown in enumerate(((1, 2, 3), (4, 5, 6), (7, 1), (2,))):
        np.testing.assert_allclose(scores[user], plain_scores(network, user, shown), rtol=1e-9)


def test_the_loss_is_the_sum_of_the_pairs() -> None:
    network, part = made(), ITEMS
    batch = Samples(
        torch.tensor([0, 3]),
        torch.tensor([[1, 2, 3], [part, part, 6]]),
        torch.tensor([[4, 5], [part, 7]]),
        torch.tensor([[6, 7], [0, 1]]),
    )
    wanted = 0.0
    for user, shown, pairs in ((0, (1, 2, 3), ((4, 6), (5, 7))), (3, (6,), ((7, 1),))):
        scores = plain_scores(network, user, shown)
        wanted += sum(softplus(scores[negative] - scores[positive]) for positive, negative in pairs)
    assert network.loss(batch).item() == pytest.approx(wanted)


def test_gates_with_zero_weights_are_one_half() -> None:
    """G_k = e_k / 2 and t_k = 1/2, so the pooled interest is half the mean; the sum of items is not gated."""
    network = zeroed(HGNNetwork(interactions(), CONFIG))
    torch.nn.init.normal_(network.items.weight)
    queries = network.queries(torch.tensor([0]), torch.tensor([[1, 2, ITEMS]]))[0]
    shown = network.items.weight[[1, 2]]
    torch.testing.assert_close(queries, 0.5 * shown.mean(dim=0) + shown.sum(dim=0))


def test_the_loss_at_zero_scores_is_ln_2_per_target() -> None:
    network = zeroed(HGNNetwork(interactions(), CONFIG))
    for batch in network.batches(np.random.default_rng(0)):
        targets = int((batch.positives != ITEMS).sum())
        assert network.loss(batch).item() == pytest.approx(targets * math.log(2), rel=1e-5)


def test_an_empty_window_uses_only_the_user() -> None:
    network = made()
    queries = network.queries(torch.tensor([2]), torch.full((1, 3), ITEMS))
    torch.testing.assert_close(queries, network.users.weight[2:3])


def test_all_gates_learn_and_padding_does_not() -> None:
    """The authors' program keeps the initial values of the instance gate."""
    network = made()
    network.loss(next(iter(network.batches(np.random.default_rng(0))))).backward()
    for gate in (network.item_gate, network.place_gates, network.feature_gate_item.weight):
        assert gate.grad is not None and gate.grad.abs().sum() > 0
    for table in (network.items.weight, network.outputs.weight, network.biases):
        assert table.grad is not None and not table.grad[ITEMS].any()
    assert network.outputs.weight.grad is not None and network.outputs.weight.grad[:ITEMS].any()


def test_windows_slide_by_one_and_short_sequences_are_padded_before() -> None:
    users, items = sliding_windows(interactions(((0, 1, 2, 3, 4, 5), (6, 7), (1, 2, 3, 4, 5))), 5)
    rows = {(int(user), tuple(row)) for user, row in zip(users, items.tolist(), strict=True)}
    assert rows == {(0, (1, 2, 3, 4, 5)), (0, (0, 1, 2, 3, 4)), (1, (9, 9, 9, 6, 7)), (2, (1, 2, 3, 4, 5))}
    assert len(users) == len(rows)


def test_an_epoch_has_every_window_once_with_valid_negatives() -> None:
    network = made()
    seen = 0
    for batch in network.batches(np.random.default_rng(0)):
        seen += len(batch.users)
        for user, negatives in zip(batch.users.tolist(), batch.negatives.tolist(), strict=True):
            assert len(negatives) == CONFIG.targets and not set(negatives) & set(SEQUENCES[user])
    assert seen == len(sliding_windows(interactions(), CONFIG.length + CONFIG.targets)[0])


def test_a_user_without_training_is_refused() -> None:
    with pytest.raises(UsageError, match="new users"):
        made().score(examples_after(*[(1, 2)] * (len(SEQUENCES) + 1)))
