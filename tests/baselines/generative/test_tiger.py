"""TIGER against T5's equations written as loops; beams, exact scores and ranks against all ids one by one."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from baselines.generative.tiger import UNFOUND, Tiger, TigerConfig, TigerNetwork
from tests.baselines.generative.small import CODES, HISTORIES, coded_interactions, give_ids
from tests.baselines.sequential.plain import shake, softmax, values
from tests.baselines.sequential.small import examples_after, fit_data, hits
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.records import FloatArray, IntArray

CONFIG = TigerConfig(width=8, inner=12, heads=2, head_width=3, beams=0, max_length=3)


def network(codes: IntArray = CODES, config: TigerConfig = CONFIG) -> TigerNetwork:
    torch.manual_seed(0)
    made = TigerNetwork(coded_interactions(codes), config)
    shake(made)
    return made.eval()


def normed(row: FloatArray, weight: FloatArray) -> FloatArray:
    scaled: FloatArray = weight * row / math.sqrt((row**2).mean() + 1e-6)
    return scaled


def bucket(distance: int, both: bool) -> int:
    """Of the distance from query to key; half of the buckets are for later keys where both directions are read."""
    exact, first = (8, 16 if distance > 0 else 0) if both else (16, 0)
    size = abs(distance) if both else max(-distance, 0)
    if size < exact:
        return first + size
    return first + min(2 * exact - 1, exact + int(exact * math.log(size / exact) / math.log(128 / exact)))


def attention(
    queries: list[FloatArray], keys: list[FloatArray], own: dict[str, FloatArray], bias: FloatArray | None, causal: bool
) -> list[FloatArray]:
    out = []
    for t, query in enumerate(queries):
        gathered = []
        for head in range(2):
            cut = slice(3 * head, 3 * head + 3)
            seen = range(t + 1) if causal else range(len(keys))
            logits = [(own["q.weight"] @ query)[cut] @ (own["k.weight"] @ keys[s])[cut] for s in seen]
            if bias is not None:
                logits = [logit + bias[bucket(s - t, not causal), head] for logit, s in zip(logits, seen, strict=True)]
            contents = [(own["v.weight"] @ keys[s])[cut] for s in seen]
            gathered.append(sum(w * c for w, c in zip(softmax(np.array(logits)), contents, strict=True)))
        out.append(own["o.weight"] @ np.concatenate(gathered))
    return out


def stack(module: nn.Module, rows: FloatArray, memory: FloatArray | None = None) -> FloatArray:
    """The states of an encoder, or of a decoder that reads ``memory``."""
    states, causal = list(rows), memory is not None
    bias = values(module)["block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    for block in module.block:  # type: ignore[union-attr]
        own, *rest = block.layer
        read = [normed(row, values(own)["layer_norm.weight"]) for row in states]
        for place, new in enumerate(attention(read, read, values(own.SelfAttention), bias, causal)):
            states[place] = states[place] + new
        if memory is not None:
            read = [normed(row, values(rest[0])["layer_norm.weight"]) for row in states]
            for place, new in enumerate(attention(read, list(memory), values(rest[0].EncDecAttention), None, False)):
                states[place] = states[place] + new
        forward = values(rest[-1])
        for place, row in enumerate(states):
            inner = np.maximum(forward["DenseReluDense.wi.weight"] @ normed(row, forward["layer_norm.weight"]), 0)
            states[place] = row + forward["DenseReluDense.wo.weight"] @ inner
    return np.array([normed(row, values(module)["final_layer_norm.weight"]) for row in states])


def brute(made: TigerNetwork, codes: IntArray = CODES) -> FloatArray:
    """The log-probability of every item after each history, by loops."""
    own, bounds = values(made), made.bounds
    scores = np.zeros((len(HISTORIES), len(codes)))
    for number, history in enumerate(HISTORIES):
        tokens = np.concatenate([codes[item] + bounds[:-1] for item in history[-3:]])
        memory = stack(made.blocks.encoder, own["embed.weight"][tokens])
        for item, row in enumerate(codes):
            read = np.array([own["begin"], *own["embed.weight"][row[:-1] + bounds[:-2]]])
            states = stack(made.blocks.decoder, read, memory)
            for level, code in enumerate(row):
                scores[number, item] += math.log(softmax(own[f"heads.{level}.weight"] @ states[level])[code])
    return scores


def test_scores_are_log_probabilities_of_ids() -> None:
    made = network()
    expected = brute(made)
    with torch.no_grad():
        scores = made.score(examples_after(*HISTORIES)).numpy()
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
        alone = made.score(examples_after(HISTORIES[1])).numpy()
    np.testing.assert_allclose(alone[0], scores[1], atol=1e-5)
    assert (scores[:, 5] == scores[:, 6]).all(), "they share an id"
    assert np.ptp(expected, axis=1).min() > 0.1


def test_buckets_are_those_of_transformers() -> None:
    encoder, decoder = (
        each.block[0].layer[0].SelfAttention for each in (network().blocks.encoder, network().blocks.decoder)
    )
    distances = torch.arange(-200, 201)
    for module, both in ((encoder, True), (decoder, False)):
        given = module._relative_position_bucket(distances, bidirectional=both, num_buckets=32, max_distance=128)
        assert given.tolist() == [bucket(int(each), both) for each in distances]


def test_the_loss_is_that_of_the_next_ids() -> None:
    made = network()
    (batch,) = made.batches(np.random.default_rng(0))
    assert len(batch.items) == 13, "every interaction with one before it"
    losses = []
    with torch.no_grad():
        for row, target in zip(batch.items, batch.targets, strict=True):
            history = tuple(row[row < made.padding].tolist())
            losses.append(-float(made.score(examples_after(history))[0, target]))
        assert float(made.loss(batch)) == pytest.approx(np.mean(losses), rel=1e-4)
        for head in made.heads:
            nn.init.zeros_(head.weight)
        assert float(made.loss(batch)) == pytest.approx(math.log(3) + 2 * math.log(2), rel=1e-5)


def test_ranks_need_no_scores_of_all_items() -> None:
    made = network()
    examples = examples_after(*HISTORIES)
    scores = brute(made)
    with torch.no_grad():
        for item in range(len(CODES)):
            ranks = made.ranks(examples, np.full(len(HISTORIES), item))
            assert ranks.tolist() == [(row >= row[item] - 1e-5).sum() for row in scores]


def test_beams_find_the_best_and_leave_the_rest_last() -> None:
    made = network(config=dataclasses.replace(CONFIG, beams=2))
    expected = brute(made)
    with torch.no_grad():
        scores = made.score(examples_after(*HISTORIES)).numpy()
    for row, truth in zip(scores, expected, strict=True):
        found = row > UNFOUND
        assert 2 <= found.sum() <= 3 and (row[~found] == UNFOUND).all()
        np.testing.assert_allclose(row[found], truth[found], atol=1e-4)


def test_what_no_item_has_is_measured() -> None:
    made = network()
    distinct = np.unique(CODES, axis=0, return_index=True)[1]
    with torch.no_grad():
        made.measure_illegal(examples_after(*HISTORIES))
    assert float(made.illegal) == pytest.approx(1 - np.exp(brute(made)[:, distinct]).sum(axis=1).mean(), abs=1e-5)
    assert 0.01 < float(made.illegal) < 1


def test_it_learns_the_order_and_needs_its_ids(planted: Corpus, tmp_path: Path) -> None:
    codes = np.stack([np.arange(72) // 9, np.arange(72) % 9], axis=1)
    corpus = give_ids(planted, codes)
    model = Tiger(TigerConfig(width=32, inner=64, epochs=12, validate_every=12, learning_rate=5e-3, batch_size=64))
    model.fit(fit_data(corpus, tmp_path))
    assert corpus.items.features_read == {"ids"} and model.artifacts.codes.shape == (48, 2)
    assert hits(model, planted) > 0.5
    assert any("ids of no item have" in remark for remark in model.remarks())


def test_without_texts_it_says_what_is_missing(planted: Corpus, tmp_path: Path) -> None:
    opened = Corpus.open(planted.folder)
    opened.items.features = {"text": None}
    with pytest.raises(UsageError, match="tiger needs ids or texts"):
        Tiger(TigerConfig()).fit(fit_data(opened, tmp_path))
