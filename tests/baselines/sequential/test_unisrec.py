"""UniSRec against its equations written as loops, and the items that its two forms can score."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from baselines.learning.training import Snapshot
from baselines.sequential.unisrec import Adaptor, Pretraining, UniSRecConfig, UniSRecNetwork, in_batch_loss
from tests.baselines.sequential.plain import shake, softmax, transformer, unit, values
from tests.baselines.sequential.small import examples_after, interactions
from unimp_bench.contracts import Model
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.records import FloatArray

HISTORIES = ((0, 1, 2, 4), (1, 2), (0, 2, 3, 5, 1), (3, 4), (5, 3, 2))
ITEMS = 7
"""The last one is in no history."""
INPUTS, TAU = 6, 0.07
TEXT = np.random.default_rng(5).normal(size=(ITEMS, INPUTS)).astype(np.float32) / math.sqrt(INPUTS)
CONFIG = UniSRecConfig(max_length=5, width=8, inner=12, experts=3, copy_weight=0.25, item_drop=0.5)


def network(with_ids: bool = True) -> UniSRecNetwork:
    torch.manual_seed(0)
    made = UniSRecNetwork(interactions(HISTORIES, ITEMS), TEXT, with_ids, CONFIG)
    shake(made)
    return made.eval()


def adapted(made: UniSRecNetwork) -> FloatArray:
    """``v`` of all items, (I, width)."""
    own = values(made.adaptor)
    rows = []
    for text in TEXT.astype(float) * math.sqrt(INPUTS):
        gates = softmax(text @ own["gate"])
        experts = zip(gates, own["bias"], own["weight"], strict=True)
        rows.append(sum(gate * ((text - bias) @ weight) for gate, bias, weight in experts))
    return np.array(rows)


def vectors(made: UniSRecNetwork) -> FloatArray:
    """``t`` of all items, (I, width)."""
    return adapted(made) + (values(made)["ids.weight"] if made.ids else 0)


@pytest.mark.parametrize("with_ids", [True, False])
def test_scores_are_cosines_over_tau(with_ids: bool) -> None:
    made = network(with_ids)
    table = vectors(made)
    ends = [transformer(made.history, table[list(history)], True)[-1] for history in HISTORIES]
    expected = np.array([[unit(end) @ unit(row) / TAU for row in table] for end in ends])
    with torch.no_grad():
        made.prepare()
        scores = made.score(examples_after(*HISTORIES)).numpy()
        np.testing.assert_allclose(
            made.score_among(examples_after(*HISTORIES), np.array([1, 6])), scores[:, [1, 6]], rtol=1e-5
        )
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-4)
    assert np.abs(scores).max() <= 1 / TAU + 1e-4


@pytest.mark.parametrize("with_ids", [True, False])
def test_fine_tuning_is_cross_entropy_over_items_of_training(with_ids: bool) -> None:
    """An item without training interactions is neither target nor competitor."""
    made = network(with_ids)
    table, losses = vectors(made), []
    for history in HISTORIES:
        states = transformer(made.history, table[list(history)], True)
        for state, wanted in zip(states, history[1:], strict=False):
            logits = np.array([unit(state) @ unit(row) / TAU for row in table[: ITEMS - 1]])
            losses.append(-math.log(softmax(logits)[wanted]))
    (batch,) = made.batches(np.random.default_rng(0))
    assert made.loss(batch).item() == pytest.approx(np.mean(losses), rel=1e-3)


def test_fine_tuning_against_sampled_items() -> None:
    """Negatives are items of training, which all positions share; one that is the target is left out."""
    torch.manual_seed(0)
    config = replace(CONFIG, form="sampled", samples=3)
    made = UniSRecNetwork(interactions(HISTORIES, ITEMS), TEXT, True, config)
    shake(made)
    table, losses = vectors(made.eval()), []
    (batch,) = made.batches(np.random.default_rng(0))
    negatives = batch.negatives.tolist()
    assert len(negatives) == 3 and ITEMS - 1 not in negatives
    for history in HISTORIES:
        states = transformer(made.history, table[list(history)], True)
        for state, wanted in zip(states, history[1:], strict=False):
            logits = np.array([unit(state) @ unit(row) / TAU for row in table])
            others = [math.exp(logits[item]) / (3 / (ITEMS - 1)) for item in negatives if item != wanted]
            losses.append(math.log(1 + sum(others) / math.exp(logits[wanted])))
    assert made.loss(batch).item() == pytest.approx(np.mean(losses), rel=1e-3)


def test_pre_training_is_its_two_equations() -> None:
    made = Pretraining(network())
    offsets = interactions(HISTORIES, ITEMS).sequences.offsets
    starts, nexts = np.append(offsets[:-1], 0), np.append(offsets[1:] - 1, 1)
    batch = made.pairs(starts, nexts, np.random.default_rng(3))
    wanted, table = batch.targets.tolist(), adapted(made.network)
    assert wanted == [4, 2, 1, 4, 2, 1], "other rows with the same next item are no competitors"

    def ends(items: torch.Tensor) -> list[FloatArray]:
        rows = [[item for item in row if item != ITEMS] for row in items.tolist()]
        return [unit(transformer(made.network.history, table[row], True)[-1]) for row in rows]

    def contrast(partners: list[FloatArray]) -> float:
        total = 0.0
        for i, state in enumerate(states):
            rivals = [j for j in range(len(wanted)) if j == i or wanted[j] != wanted[i]]
            exponents = {j: math.exp(state @ partners[j] / TAU) for j in rivals}
            total -= math.log(exponents[i] / sum(exponents.values()))
        return total / len(wanted)

    states = ends(batch.items)
    expected = contrast([unit(table[item]) for item in wanted]) + 0.25 * contrast(ends(batch.copies))
    assert made.loss(batch).item() == pytest.approx(expected, rel=1e-3)


def test_a_copy_lacks_some_items_but_never_the_first() -> None:
    made, kept = Pretraining(network()), 0
    for seed in range(100):
        batch = made.pairs(np.array([0, 6]), np.array([3, 10]), np.random.default_rng(seed))
        assert batch.items.tolist() == [[0, 1, 2, ITEMS], [0, 2, 3, 5]]
        for whole, copy, length in zip(batch.items, batch.copies, batch.copy_lengths, strict=True):
            left = [item for item in copy.tolist() if item != ITEMS]
            assert len(left) == int(length) and copy.tolist()[: len(left)] == left and left[0] == whole[0]
            assert left == [item for item in whole.tolist() if item in left]
            kept += len(left) - 1
    assert 0.4 < kept / (100 * 5) < 0.6


def test_an_epoch_samples_as_many_histories_as_users_with_next_items() -> None:
    made = Pretraining(network())
    steps = {(history[:end], history[end]) for history in HISTORIES for end in range(1, len(history))}
    found = set()
    for seed in range(40):
        (batch,) = made.batches(np.random.default_rng(seed))
        assert len(batch.targets) == len(HISTORIES)
        for row, target in zip(batch.items.tolist(), batch.targets.tolist(), strict=True):
            found.add((tuple(item for item in row if item != ITEMS), target))
    assert found == steps


def test_gates_begin_equal_and_are_noisy_in_training_alone() -> None:
    adaptor, text = Adaptor(INPUTS, 4, 8, 0.0), torch.from_numpy(TEXT)
    assert torch.allclose(adaptor.eval().gates(text), torch.full((ITEMS, 8), 1 / 8))
    assert not torch.allclose(adaptor.train().gates(text), torch.full((ITEMS, 8), 1 / 8), atol=1e-2)


def test_identical_rows_contrast_at_chance_and_duplicates_are_masked() -> None:
    same = torch.nn.functional.normalize(torch.ones(4, 3), dim=1)
    assert in_batch_loss(same, same, torch.arange(4), TAU).item() == pytest.approx(math.log(4))
    assert in_batch_loss(same, same, torch.tensor([0, 0, 1, 2]), TAU).item() == pytest.approx(
        (2 * math.log(3) + 2 * math.log(4)) / 4
    )


def test_later_items_do_not_change_a_state_and_padding_no_score() -> None:
    made = network()
    with torch.no_grad():
        made.prepare()
        whole = made.score(examples_after(*HISTORIES))
        for number, history in enumerate(HISTORIES):
            np.testing.assert_allclose(made.score(examples_after(history))[0], whole[number], rtol=1e-4, atol=1e-4)


def test_the_inductive_form_scores_unseen_items_by_text(
    make_corpus: Callable[..., Corpus], fit: Callable[..., Model[object]]
) -> None:
    """Item 6 is in no history; it has the text of item 2 and gets the same score."""
    words = ["red round", "blue square", "green long", "black flat", "red square", "blue long", "green long"]
    histories = [[0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [2, 3, 4, 5, 0]] * 4
    corpus = make_corpus(histories, {"title": pa.array(words)})
    settings = {"epochs": 1, "pretraining_epochs": 1}
    model = fit("unisrec-inductive", corpus, "recommendation", **settings)
    scores = model.score(examples_after((0, 1, 6)), np.array([2, 3, 6]))  # type: ignore[attr-defined]
    assert scores.shape == (1, 3) and scores[0, 0] == pytest.approx(scores[0, 2]) and scores[0, 0] != scores[0, 1]


def test_frozen_keeps_the_transformer_and_position_embeddings(
    make_corpus: Callable[..., Corpus], fit: Callable[..., Model[object]], tmp_path: Path
) -> None:
    """They keep the pre-trained values; all other parameters are trained."""
    words = pa.array(["a cat", "a dog", "cat dog", "a bird", "bird dog"])
    corpus = make_corpus([[0, 1, 2, 3, 4], [1, 2, 3, 4, 0]] * 3, {"title": words})
    model = fit("unisrec", corpus, "recommendation", pretraining_epochs=1, epochs=1)
    latest = Snapshot.read(tmp_path / "fit-0" / "pretraining" / "latest.safetensors").below("network")
    before = {name.removeprefix("network."): weight for name, weight in latest.items() if name.startswith("network.")}
    after = model._network.state_dict()  # type: ignore[attr-defined]
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name for name in moved if name.startswith("history")} == {"history.norm.weight", "history.norm.bias"}
    assert {"ids.weight", "adaptor.weight", "adaptor.bias"} <= moved
    assert model.parameters().trained == model.parameters().total


def test_a_corpus_without_text_is_refused(
    make_corpus: Callable[..., Corpus], fit: Callable[..., Model[object]]
) -> None:
    corpus = make_corpus([[0, 1, 2, 3]], {"price": pa.array([1.0, 2.0, 3.0, 4.0])})
    with pytest.raises(UsageError, match="no item of this corpus has a text"):
        fit("unisrec", corpus, "recommendation")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["unisrec", "unisrec-inductive"])
def test_a_corpus_with_equal_texts_is_refused(
    make_corpus: Callable[..., Corpus], fit: Callable[..., Model[object]], name: str
) -> None:
    corpus = make_corpus([[0, 1, 2, 3]] * 3, {"title": pa.array(["a good thing"] * 4)})
    with pytest.raises(UsageError, match=r"^the texts of all items have equal vectors, and unisrec"):
        fit(name, corpus, "recommendation")
