"""eSASRec against loops over positions and heads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from baselines.sequential.esasrec import ESASRecConfig, ESASRecNetwork, LiGRBlock
from tests.baselines.sequential.small import array, examples_after, interactions, large, sigmoid
from tests.baselines.sequential.test_sasrec import affine, attention, norm

WIDTH, INNER = 4, 6
HISTORY = (3, 1, 4)
CONFIG = ESASRecConfig(width=WIDTH, inner=INNER, heads=2, layers=2, max_length=5)


def test_states_are_gated_attention_and_gated_swiglu() -> None:
    network = large(ESASRecNetwork(interactions(), CONFIG))
    places = array(network.places.weight)
    states = [array(network.items.weight)[item] + places[2 - t] for t, item in enumerate(HISTORY)]
    for block in network.blocks:
        projected = [affine(norm(state, block.attention_norm), block.attend) for state in states]
        parts = [[row[n * WIDTH : (n + 1) * WIDTH] for row in projected] for n in range(3)]
        for t, seen in enumerate(attention(*parts, heads=2)):
            state = states[t] + sigmoid(affine(states[t], block.attention_gate)) * affine(seen, block.gather)
            wide, linear = np.split(array(block.widen.weight) @ norm(state, block.norm), 2)
            fed = array(block.narrow.weight) @ (wide * sigmoid(wide) * linear)
            states[t] = state + sigmoid(affine(state, block.gate)) * fed
    np.testing.assert_allclose(array(network.encode(torch.tensor([HISTORY])))[0], states, rtol=1e-9)


@pytest.mark.parametrize("shift", [-1e3, 1e3])
def test_closed_gates_leave_the_states_and_open_ones_a_plain_block(shift: float) -> None:
    torch.manual_seed(0)
    block, states = LiGRBlock(CONFIG).double().eval(), torch.randn(2, 3, WIDTH, dtype=torch.float64)
    for gate in (block.attention_gate, block.gate):
        nn.init.constant_(gate.bias, shift)
    if shift < 0:
        assert torch.allclose(block(states), states)
        return
    mask = nn.Transformer.generate_square_subsequent_mask(3, dtype=torch.float64)
    heads = nn.MultiheadAttention(WIDTH, 2, batch_first=True, dtype=torch.float64)
    heads.in_proj_weight, heads.in_proj_bias, heads.out_proj = block.attend.weight, block.attend.bias, block.gather
    normed = block.attention_norm(states)
    middle = states + heads(normed, normed, normed, attn_mask=mask, need_weights=False)[0]
    wide, linear = block.widen(block.norm(middle)).chunk(2, dim=-1)
    assert torch.allclose(block(states), middle + block.narrow(nn.functional.silu(wide) * linear))


def test_positions_count_from_the_newest_item() -> None:
    """Padding moves no score, and the oldest items of a history beyond the maximum length have no effect."""
    network = large(ESASRecNetwork(interactions(), CONFIG))
    short = network.encode(torch.tensor([HISTORY]))
    padded = network.encode(torch.tensor([[*HISTORY, network.padding, network.padding]]))
    assert torch.allclose(padded[:, :3], short)
    scores = array(network.score(examples_after((7, *range(5)), tuple(range(5)))))
    np.testing.assert_allclose(scores[0], scores[1])


def test_matrices_are_xavier_normal_initially() -> None:
    """``W_1`` and ``W_3`` each on their own, though they are stored as one."""
    torch.manual_seed(0)
    network = ESASRecNetwork(interactions(), ESASRecConfig(width=64, inner=256))
    block = network.blocks[0]
    for matrix in (*block.widen.weight.chunk(2), block.narrow.weight, block.gate.weight, network.places.weight):
        assert matrix.std().item() == pytest.approx((2 / sum(matrix.shape)) ** 0.5, rel=0.05)
    assert not block.attend.bias.any() and not block.gather.bias.any()


def test_a_chain_is_learned_up_to_its_chance() -> None:
    """The next item is the successor in four of five cases: after training, the share of successors at rank 1."""
    rng = np.random.default_rng(0)
    items, rows = 20, []
    for _ in range(300):
        row = [int(rng.integers(items))]
        while len(row) < 8:
            row.append((row[-1] + 1) % items if rng.random() < 0.8 else int(rng.integers(items)))
        rows.append(tuple(row))
    torch.manual_seed(0)
    config = ESASRecConfig(width=16, inner=32, max_length=8, samples=64, learning_rate=1e-2)
    network = ESASRecNetwork(interactions(tuple(rows), items), config)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(25):
        for batch in network.batches(rng):
            network.step(batch, (optimizer,))
    network.eval()
    with torch.no_grad():
        best = network.score(examples_after(*((item,) for item in range(items)))).argmax(dim=1).tolist()
    assert sum(found == (item + 1) % items for item, found in enumerate(best)) >= items - 1
