"""S3-Rec: both stages against their equations written as loops, its views of a sequence, and its attributes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy import sparse

from baselines.learning.sequences import Windows
from baselines.sequential.s3rec import (
    NO_ATTRIBUTES,
    Pretraining,
    S3RecConfig,
    S3RecNetwork,
    Views,
    item_attributes,
    match_loss,
)
from tests.baselines.sequential.plain import linear, shake, transformer, values
from tests.baselines.sequential.small import examples_after, interactions, sigmoid
from unimp_bench.corpus import Corpus

HISTORIES = ((0, 1, 2, 4), (1, 2), (0, 2, 3, 5, 1), (3, 4), (5, 3, 2))
ITEMS = 7
"""The last one is in no history."""
ATTRIBUTES = ((0,), (0, 2), (), (1, 3), (3,), (0, 1, 2), (3,))
COUNT = 4
MASK = ITEMS + 1
CONFIG = S3RecConfig(max_length=5, width=8, inner=12, mask_share=0.4, aap=0.3, mip=0.7, map=1.1, sp=0.5)


def network() -> S3RecNetwork:
    torch.manual_seed(0)
    has = sparse.lil_array((ITEMS, COUNT), dtype=np.bool_)
    for item, attributes in enumerate(ATTRIBUTES):
        for attribute in attributes:
            has[item, attribute] = True
    made = S3RecNetwork(interactions(HISTORIES, ITEMS), sparse.csr_array(has), CONFIG)
    shake(made)
    return made.eval()


def pretraining() -> Pretraining:
    made = Pretraining(network())
    made.network.history.encoder.causal = False
    shake(made, seed=1)
    return made.eval()


def views(made: Pretraining, seed: int = 0) -> Views:
    """Views of complete histories, and of prefixes of two and one items."""
    offsets = interactions(HISTORIES, ITEMS).sequences.offsets
    starts, stops = offsets[:-1].copy(), offsets[1:].copy()
    stops[0] = starts[0] + 1
    return made.views(Windows(np.arange(len(HISTORIES)), starts, stops), np.random.default_rng(seed))


def test_the_recommender_is_the_causal_equation() -> None:
    made = network()
    table = values(made)["items.weight"]
    expected = [table[:ITEMS] @ transformer(made.history, table[list(history)], True)[-1] for history in HISTORIES]
    with torch.no_grad():
        np.testing.assert_allclose(made.score(examples_after(*HISTORIES)), expected, rtol=1e-4, atol=1e-5)
    total, count = 0.0, 0
    (batch,) = made.batches(np.random.default_rng(0))
    negatives = batch.negatives.tolist()
    for row in batch.items.tolist():
        ids = [item for item in row if item < ITEMS]
        (history,) = (history for history in HISTORIES if list(history[:-1]) == ids)
        states = transformer(made.history, table[ids], True)
        for state, wanted in zip(states, history[1:], strict=True):
            other = negatives.pop(0)
            assert other not in history
            total -= math.log(sigmoid(state @ table[wanted])) + math.log(1 - sigmoid(state @ table[other]))
            count += 1
    assert made.loss(batch).item() == pytest.approx(total / count, rel=1e-4)


def test_pretraining_is_its_four_equations() -> None:
    made = pretraining()
    batch, weights = views(made), values(made)
    table = np.vstack([weights["network.items.weight"], weights["masked"]])
    attributes = weights["attributes"]

    def states(ids: list[int]) -> Any:
        return transformer(made.network.history, table[[item for item in ids if item != ITEMS]], causal=False)

    def cross_entropy(state: Any, name: str, item: int) -> float:
        told = [sigmoid(attribute @ linear(state, weights, f"maps.{name}")) for attribute in attributes]
        return -sum(math.log(p if k in ATTRIBUTES[item] else 1 - p) for k, p in enumerate(told))

    def match(mapped: Any, good: Any, bad: Any) -> float:
        return -math.log(sigmoid(sigmoid(mapped @ good) - sigmoid(mapped @ bad)))

    aap = mip = map_ = sp = 0.0
    for row, items in enumerate(batch.items.tolist()):
        hidden = batch.hidden[row].tolist()
        shown = [MASK if hide else item for item, hide in zip(items, hidden, strict=True)]
        for t, state in enumerate(states(shown)):
            if hidden[t]:
                mapped, other = linear(state, weights, "maps.mip"), int(batch.negatives[row, t])
                assert other not in HISTORIES[row]
                mip += match(mapped, table[items[t]], table[other])
                map_ += cross_entropy(state, "map", items[t])
            else:
                aap += cross_entropy(state, "aap", items[t])
    for context, segment, other in zip(batch.context, batch.segment, batch.other, strict=True):
        mapped, good, bad = (states(ids.tolist())[-1] for ids in (context, segment, other))
        sp += match(linear(mapped, weights, "maps.sp"), good, bad)
    expected = (0.3 * aap + 0.7 * mip + 1.1 * map_ + 0.5 * sp) / len(HISTORIES)
    assert made.loss(batch).item() == pytest.approx(expected, rel=1e-4)


def test_masks_and_segments_of_prefixes() -> None:
    """The last item is always masked, others at random; segment and context make up the sequence."""
    made, others = pretraining(), set()
    for seed in range(40):
        batch = views(made, seed)
        lengths = (batch.items != ITEMS).sum(dim=1)
        last = torch.arange(5) == lengths[:, None] - 1
        assert batch.hidden[last].all() and not batch.hidden[batch.items == ITEMS].any()
        long = batch.items[lengths > 1]
        assert torch.equal(batch.lengths, lengths[lengths > 1])
        gone = batch.context == MASK
        sizes = gone.sum(dim=1)
        assert (sizes >= 1).all() and (sizes <= batch.lengths // 2).all()
        assert (gone[:, 1:] & ~gone[:, :-1]).sum(dim=1).add(gone[:, 0]).eq(1).all(), "a segment is in one piece"
        assert torch.equal(torch.where(gone, batch.segment, batch.context), long)
        assert torch.equal(batch.segment == MASK, batch.other == MASK)
        assert torch.equal(batch.segment == MASK, ~gone & (long != ITEMS))
        others |= set(batch.other[gone].tolist())
    assert others == set(range(ITEMS - 1)), "a strange segment comes from anywhere"


def test_pretraining_sees_both_sides_and_the_recommender_one() -> None:
    made = pretraining()
    first, edited = torch.tensor([[0, 1, 2]]), torch.tensor([[0, 1, 5]])
    with torch.no_grad():
        assert not torch.allclose(made.states(first)[:, 0], made.states(edited)[:, 0])
        made.network.history.encoder.causal = True
        assert torch.equal(made.network.encode(first)[:, :2], made.network.encode(edited)[:, :2])


def test_losses_of_uninformative_states() -> None:
    """ln 2 per pair and per attribute; perfect states still have -ln sigmoid(1), because of the inner sigmoid."""
    made = pretraining()
    batch = views(made)
    for weight in made.parameters():
        weight.data.zero_()
    hidden, real = int(batch.hidden.sum()), int((batch.items != ITEMS).sum())
    terms = 0.3 * (real - hidden) * COUNT + 0.7 * hidden + 1.1 * hidden * COUNT + 0.5 * len(batch.context)
    assert made.loss(batch).item() == pytest.approx(math.log(2) * terms / len(HISTORIES), rel=1e-5)
    sure = torch.full((1, 1), 30.0)
    assert match_loss(sure, sure, -sure).item() == pytest.approx(-math.log(sigmoid(np.array(1.0))), rel=1e-5)


def test_an_epoch_samples_as_many_prefixes_as_users() -> None:
    made, lengths = pretraining(), set()
    for seed in range(30):
        batches = list(made.batches(np.random.default_rng(seed)))
        assert sum(len(batch.items) for batch in batches) == len(HISTORIES)
        for batch in batches:
            lengths |= set((batch.items != ITEMS).sum(dim=1).tolist())
    assert lengths == {1, 2, 3, 4, 5}


def test_attributes_are_category_levels_and_brands(make_corpus: Callable[..., Corpus]) -> None:
    """A level shared by all items is left out; a brand with the name of a category is a separate attribute."""
    corpus = make_corpus(
        [[0, 1, 2]],
        {
            "category": pa.array([["Top", "Hair"], ["Top", "Hair", "Hair"], ["Top"]]),
            "brand": pa.array(["Hair", None, "Glow"]),
        },
    )
    found = item_attributes(corpus.items, np.array([0, 1, 2])).toarray()
    assert found.shape == (3, 3)
    assert sorted(map(tuple, found.T.tolist())) == [(False, False, True), (True, False, False), (True, True, False)]
    assert item_attributes(corpus.items, np.array([1, 2])).toarray().tolist() == [[True, False], [False, True]]


def test_a_corpus_without_attributes_is_trained_with_a_remark(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus([[0, 1, 2]], {"title": pa.array(["a", "b", "c"])})
    none = item_attributes(corpus.items, np.arange(3))
    assert none.shape == (3, 0)
    bare = S3RecNetwork(interactions(HISTORIES, ITEMS), sparse.csr_array((ITEMS, 0), dtype=np.bool_), CONFIG)
    assert bare.remarks == (NO_ATTRIBUTES,)
    made = Pretraining(bare).eval()
    loss = made.loss(views(made))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() > 0
