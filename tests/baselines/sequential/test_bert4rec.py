"""BERT4Rec against its equations written as loops, and masking."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from baselines.sequential.bert4rec import BERT4RecConfig, BERT4RecNetwork
from tests.baselines.sequential.plain import gelu, linear, norm, shake, softmax, transformer, values
from tests.baselines.sequential.small import examples_after, interactions
from unimp_bench.records import FloatArray

HISTORIES = ((0, 1, 2, 4), (1, 2), (0, 2, 3, 5, 1), (3, 4), (5, 3, 2))
ITEMS = 7
"""The last one is in no history."""
LENGTH = 4
NONE = torch.zeros(0, dtype=torch.int64)


def network(**settings: Any) -> BERT4RecNetwork:
    torch.manual_seed(0)
    config = BERT4RecConfig(max_length=LENGTH, width=8, inner=12, **settings)
    made = BERT4RecNetwork(interactions(HISTORIES, ITEMS), config)
    shake(made)
    return made.eval()


def logits(made: BERT4RecNetwork, ids: list[int]) -> FloatArray:
    """Logits of all items at all positions of one row, (N, I)."""
    weights = values(made)
    table = weights["items.weight"]
    states = transformer(made.history, table[ids], causal=False)
    rows = [norm(gelu(linear(state, weights, "head.0")), weights, "head.2") for state in states]
    return np.array([table[:ITEMS] @ row + weights["bias"] for row in rows])


def test_scores_are_the_logits_at_a_mask_appended_to_the_history() -> None:
    """The oldest items of a long history are dropped to make room for the mask."""
    made = network()
    expected = [logits(made, [*history[-(LENGTH - 1) :], ITEMS + 1])[-1] for history in HISTORIES]
    with torch.no_grad():
        np.testing.assert_allclose(made.score(examples_after(*HISTORIES)), expected, rtol=1e-4, atol=1e-5)


def test_the_loss_is_the_mean_over_hidden_positions() -> None:
    made = network()
    batch = made.cloze(torch.tensor([[0, 1, 2, 4], [3, 5, ITEMS, ITEMS], [6, ITEMS, ITEMS, ITEMS]]), NONE)
    expected, targets = [], batch.targets.tolist()
    for row in batch.items.tolist():
        ids = [item for item in row if item != ITEMS]
        told = logits(made, ids)
        expected += [-math.log(softmax(told[t])[targets.pop(0)]) for t, item in enumerate(ids) if item > ITEMS]
    assert not targets
    assert made.loss(batch).item() == pytest.approx(np.mean(expected), rel=1e-4)


def test_the_sampled_loss_compares_with_the_drawn_items() -> None:
    """Each drawn item counts by the inverse of its expected number of draws; one that is the target does not count."""
    made = network(loss="sampled", samples=3)
    drawn, seen = torch.tensor([0, 5, 5]), len({item for history in HISTORIES for item in history})
    batch = made.cloze(torch.tensor([[0, 1, 2, 4], [3, 5, ITEMS, ITEMS]]), drawn)
    expected, targets = [], batch.targets.tolist()
    for row in batch.items.tolist():
        ids = [item for item in row if item != ITEMS]
        told = logits(made, ids)
        for t in (t for t, item in enumerate(ids) if item > ITEMS):
            target = targets.pop(0)
            others = sum(math.exp(told[t][j]) * seen / 3 for j in drawn.tolist() if j != target)
            expected.append(math.log(math.exp(told[t][target]) + others) - told[t][target])
    assert not targets
    assert made.loss(batch).item() == pytest.approx(np.mean(expected), rel=1e-4)


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_the_loss_of_zero_weights_is_that_of_chance(share: float) -> None:
    made = network(mask_share=share)
    torch.nn.init.zeros_(made.items.weight)
    torch.nn.init.zeros_(made.bias)
    batch = made.cloze(torch.tensor([[0, 1, 2, 4], [3, 5, 1, ITEMS]]), NONE)
    assert made.loss(batch).item() == pytest.approx(math.log(ITEMS), rel=1e-5)


def test_a_share_of_each_row_is_masked() -> None:
    """At a share of 1/2, two of three and of four items, and the only item of a single one."""
    made = network(mask_share=0.5, last_share=0.0)
    rows = torch.tensor([[0, 1, 2, 4], [3, 5, 1, ITEMS], [6, ITEMS, ITEMS, ITEMS]]).repeat(50, 1)
    batch = made.cloze(rows, NONE)
    hidden = batch.items == made.mask
    assert hidden.sum(dim=1).tolist() == [2, 2, 1] * 50
    assert torch.equal(batch.items[~hidden], rows[~hidden])
    assert torch.equal(batch.targets, rows[hidden]) and torch.equal(batch.hidden, hidden.flatten().nonzero()[:, 0])
    assert hidden[::3].any(dim=0).all() and not hidden[rows == ITEMS].any()


def test_a_share_of_the_rows_masks_only_the_last_item() -> None:
    rows = torch.tensor([[0, 1, 2, 4], [3, 5, 1, ITEMS]]).repeat(500, 1)
    always = network(mask_share=0.9, last_share=1.0).cloze(rows, NONE)
    assert ((always.items == ITEMS + 1) == torch.tensor([[0, 0, 0, 1], [0, 0, 1, 0]]).repeat(500, 1)).all()
    some = network(mask_share=0.9, last_share=0.25).cloze(rows, NONE)
    alone = ((some.items == ITEMS + 1).sum(dim=1) == 1).float().mean()
    assert 0.2 < float(alone) < 0.3


def test_scores_do_not_depend_on_batch_or_padding() -> None:
    made = network()
    with torch.no_grad():
        whole = made.score(examples_after(*HISTORIES))
        made.items.weight[made.padding] += 5
        for number, history in enumerate(HISTORIES):
            np.testing.assert_allclose(made.score(examples_after(history))[0], whole[number], rtol=1e-4, atol=1e-6)


def test_an_epoch_reads_every_interaction_once() -> None:
    made = network(last_share=1.0)
    batches = list(made.batches(np.random.default_rng(0)))
    assert sum(int((batch.items != ITEMS).sum()) for batch in batches) == len(interactions(HISTORIES, ITEMS))


def test_the_learning_rate_falls_to_zero() -> None:
    made = network(epochs=4)
    assert [made.pace(epoch) for epoch in range(5)] == [0.5, 0.75, 0.5, 0.25, 0]
