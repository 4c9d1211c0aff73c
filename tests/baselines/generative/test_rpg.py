"""RPG against its equations written as loops, and what its scores do not depend on."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.generative.rpg import RPG, RPGConfig, RPGNetwork
from tests.baselines.generative.small import CODES, HISTORIES, coded_interactions, give_ids
from tests.baselines.sequential.plain import shake, softmax, unit, values
from tests.baselines.sequential.small import examples_after, fit_data, hits
from unimp_bench.corpus import Corpus
from unimp_bench.records import FloatArray, IntArray

CONFIG = RPGConfig(width=8, inner=12, max_length=4, temperature=0.5)


def network(codes: IntArray = CODES, config: RPGConfig = CONFIG) -> RPGNetwork:
    torch.manual_seed(0)
    made = RPGNetwork(coded_interactions(codes), config)
    shake(made)
    return made.eval()


def norm(row: FloatArray, own: dict[str, FloatArray], name: str) -> FloatArray:
    centred = row - row.mean()
    scaled: FloatArray = own[f"{name}.weight"] * centred / np.sqrt((centred**2).mean() + 1e-12) + own[f"{name}.bias"]
    return scaled


def gelu(row: FloatArray) -> FloatArray:
    found: FloatArray = 0.5 * row * (1 + np.tanh(math.sqrt(2 / math.pi) * (row + 0.044715 * row**3)))
    return found


def states_of(made: RPGNetwork, history: tuple[int, ...], codes: IntArray) -> FloatArray:
    """GPT-2 by loops, (N, width)."""
    own, table = values(made.blocks), values(made)["embed.weight"]
    states = [
        np.mean([table[code + bound] for code, bound in zip(codes[item], made.bounds, strict=False)], axis=0)
        + own["wpe.weight"][place]
        for place, item in enumerate(history)
    ]
    for number in range(2):
        layer = {
            name.removeprefix(f"h.{number}."): each for name, each in own.items() if name.startswith(f"h.{number}.")
        }
        read = [norm(row, layer, "ln_1") @ layer["attn.c_attn.weight"] + layer["attn.c_attn.bias"] for row in states]
        attended = []
        for t in range(len(read)):
            heads = []
            for head in range(2):
                cut = [slice(8 * part + 4 * head, 8 * part + 4 * head + 4) for part in range(3)]
                weights = softmax(np.array([read[t][cut[0]] @ read[s][cut[1]] / 2 for s in range(t + 1)]))
                heads.append(sum(weight * read[s][cut[2]] for s, weight in enumerate(weights)))
            attended.append(np.concatenate(heads) @ layer["attn.c_proj.weight"] + layer["attn.c_proj.bias"])
        states = [row + new for row, new in zip(states, attended, strict=True)]
        for place, row in enumerate(states):
            inner = gelu(norm(row, layer, "ln_2") @ layer["mlp.c_fc.weight"] + layer["mlp.c_fc.bias"])
            states[place] = row + inner @ layer["mlp.c_proj.weight"] + layer["mlp.c_proj.bias"]
    return np.array([norm(row, own, "ln_f") for row in states])


def brute(made: RPGNetwork, history: tuple[int, ...], codes: IntArray = CODES) -> FloatArray:
    """The score of every item after each item of a history, (N, I)."""
    own = values(made)
    scores = []
    for state in states_of(made, history, codes):
        total = np.zeros(len(codes))
        for level, size in enumerate(made.sizes):
            lifted = own["lift"][level] @ state + own["shift"][level]
            head = unit(state + lifted / (1 + np.exp(-lifted)))
            rows = own["embed.weight"][made.bounds[level] : made.bounds[level] + size]
            shares = softmax(np.array([head @ unit(row) / CONFIG.temperature for row in rows]))
            assert shares.sum() == pytest.approx(1)
            total += np.log(shares[codes[:, level]]) / len(made.sizes)
        scores.append(total)
    return np.array(scores)


def test_scores_are_means_of_the_codes_log_probabilities() -> None:
    made = network()
    with torch.no_grad():
        scores = made.score(examples_after(*HISTORIES)).numpy()
    expected = np.array([brute(made, history)[-1] for history in HISTORIES])
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-4)
    assert (scores[:, 5] == scores[:, 6]).all() and np.ptp(expected, axis=1).min() > 0.1


def test_the_loss_is_the_mean_over_positions() -> None:
    made = network()
    (batch,) = made.batches(np.random.default_rng(0))
    losses, targets = [], iter(batch.targets.tolist())
    for row in batch.items:
        history = tuple(row[row < made.padding].tolist())
        losses += [-scores[next(targets)] for scores in brute(made, history)]
    with torch.no_grad():
        assert float(made.loss(batch)) == pytest.approx(np.mean(losses), rel=1e-3)


def test_at_first_all_heads_are_the_state_and_codes_equally_likely() -> None:
    torch.manual_seed(0)
    wide = np.random.default_rng(0).integers(200, size=(9, 4))
    made = RPGNetwork(coded_interactions(wide), RPGConfig(temperature=1.0)).eval()
    assert not made.lift.any() and not made.shift.any()
    (batch,) = made.batches(np.random.default_rng(0))
    with torch.no_grad():
        assert float(made.loss(batch)) == pytest.approx(np.log(made.sizes).mean(), abs=0.1)


def test_names_of_codes_and_order_of_groups_do_not_matter() -> None:
    made = network()
    groups, renamed = [2, 0, 1], {2: [2, 0, 1]}
    other_codes = CODES[:, groups].copy()
    other_codes[:, 1] = np.array(renamed[2])[CODES[:, 0]]
    other = network(other_codes)
    other.blocks.load_state_dict(made.blocks.state_dict())
    rows = np.split(np.arange(made.bounds[-1]), made.bounds[1:-1])
    order = np.concatenate([rows[2], rows[0][np.argsort(renamed[2])], rows[1], [made.bounds[-1]]])
    with torch.no_grad():
        other.embed.weight.copy_(made.embed.weight[torch.from_numpy(order)])
        other.lift.copy_(made.lift[groups])
        other.shift.copy_(made.shift[groups])
        examples = examples_after(*HISTORIES)
        torch.testing.assert_close(other.score(examples), made.score(examples), atol=1e-5, rtol=1e-4)


def test_it_learns_the_order_and_scores_cold_items(planted: Corpus, tmp_path: Path) -> None:
    codes = np.stack([np.arange(72) // 9, np.arange(72) % 9, np.arange(72) // 3 % 8], axis=1)
    config = RPGConfig(width=32, inner=64, epochs=12, validate_every=12, learning_rate=1e-2, batch_size=16, dropout=0.1)
    model = RPG(dataclasses.replace(config, attention_dropout=0.1))
    model.fit(fit_data(give_ids(planted, codes), tmp_path))
    assert hits(model, planted) > 0.5
    assert model.artifacts.codes.shape == (72, 3), "those of an unseen domain too"
