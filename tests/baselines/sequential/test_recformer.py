"""Recformer against its equations written as loops, its stages, and items that it never saw."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from baselines.learning.interactions import Interactions
from baselines.learning.training import Snapshot
from baselines.sequential.item_words import CLS, MASK, PADDING, VALUE, ItemVocabulary, WordedInteractions
from baselines.sequential.recformer import Pretraining, RecformerConfig, RecformerNetwork, masked, pairs_of_users
from tests.baselines.multimodal.visual import fit_data, fitted, hit_rate
from tests.baselines.sequential.plain import attended, fed, gelu, norm, shake, softmax, unit, values
from tests.baselines.sequential.small import examples_after, interactions
from unimp_bench import registry
from unimp_bench.contracts import Model
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.views import View, view_of
from unimp_bench.errors import UsageError
from unimp_bench.ragged import Ragged
from unimp_bench.records import FloatArray, IntArray

HISTORIES = ((0, 1, 2, 4), (1, 2), (0, 2, 3, 5, 1), (3, 4), (5, 3, 2))
ITEMS = 7
"""The last one is in no history."""
WORDS = 9
TEXTS = ([[3, 1], [4, 2]], [[3, 1], [5, 2], [6, 2]], [[4, 2]], [[7, 2], [8, 2]], [[3, 1], [8, 2]], [], [[5, 2], [4, 2]])
"""Words of items with their types; item 5 has none."""
TAU = 0.05
CONFIG = RecformerConfig(width=8, inner=12, max_length=3, max_tokens=6, mask_weight=0.3, batch_size=99)


def worded(plain: Interactions) -> WordedInteractions:
    vocabulary = ItemVocabulary(tuple("abcdef"))
    assert len(vocabulary) == WORDS
    return WordedInteractions(plain.users, plain.items, plain.sequences, vocabulary)


def network(source: IntArray | None = None) -> RecformerNetwork:
    torch.manual_seed(0)
    texts = Ragged.of_lengths([len(text) for text in TEXTS], np.array([pair for text in TEXTS for pair in text]))
    source = np.arange(ITEMS) if source is None else source
    made = RecformerNetwork(worded(interactions(HISTORIES, ITEMS)), texts, source, CONFIG)
    shake(made)
    made.eval().encode_items()
    return made


def states(made: RecformerNetwork, history: tuple[int, ...], shown: dict[int, int] | None = None) -> list[FloatArray]:
    """States of ``[CLS]`` and the words of a history; ``shown`` gives other words at some places of the sequence."""
    own = values(made)
    words = [(CLS, 0, 0)]
    for place, item in enumerate(reversed(history[-CONFIG.max_length :]), start=1):
        words += [(word, kind, place) for word, kind in TEXTS[item]]
    rows = []
    for number, (word, kind, place) in enumerate(words[: CONFIG.max_tokens]):
        word = (shown or {}).get(number, word)
        row = own["words.weight"][word] + own["tokens.weight"][number]
        rows.append(norm(row + own["types.weight"][kind] + own["places.weight"][place], own, "norm"))
    for block in made.encoder.blocks:
        layer = values(block)
        rows = attended(rows, layer, CONFIG.heads, False)
        rows = [norm(row + fed(row, layer), layer, "norm") for row in rows]
    return rows


def vectors(made: RecformerNetwork) -> FloatArray:
    """Unit vectors of the items, (I, width)."""
    return np.array([unit(states(made, (item,))[0]) for item in range(ITEMS)])


def test_scores_are_cosines_over_tau() -> None:
    made = network()
    expected = [unit(states(made, history)[0]) @ vectors(made).T / TAU for history in HISTORIES]
    with torch.no_grad():
        scores = made.score(examples_after(*HISTORIES)).numpy()
        np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-4)
        for number, history in enumerate(HISTORIES):  # the batch and its padding do not matter
            np.testing.assert_allclose(made.score(examples_after(history))[0], scores[number], rtol=1e-4, atol=1e-4)
    assert len({len(states(made, history)) for history in HISTORIES}) > 1


def test_what_the_test_shows_has_the_vector_of_the_fit() -> None:
    """The first item shows the text of the second, the last one none, as item 5."""
    plain, moved = network(), network(np.array([1, 1, 2, 3, 4, 5, -1]))
    with torch.no_grad():
        before, after = (made.score(examples_after((0, 1))).numpy()[0] for made in (plain, moved))
    np.testing.assert_allclose(after, before[[1, 1, 2, 3, 4, 5, 5]], rtol=1e-4)


def test_fine_tuning_is_cross_entropy_over_the_items_of_training() -> None:
    made = network()
    (batch,) = made.batches(np.random.default_rng(0))
    drawn = pairs_of_users(made.interactions, CONFIG.max_length, np.random.default_rng(0))
    sequence, losses = made.interactions.sequences.values, []
    for start, stop in zip(drawn.starts, drawn.stops, strict=True):
        logits = unit(states(made, tuple(sequence[start:stop]))[0]) @ vectors(made)[: ITEMS - 1].T / TAU
        losses.append(-math.log(softmax(logits)[sequence[stop]]))
    loss = made.loss(batch)
    assert loss.item() == pytest.approx(np.mean(losses), rel=1e-3)
    loss.backward()  # type: ignore[no-untyped-call]
    assert made.vectors.grad is None and not made.vectors.requires_grad
    assert all(weight.grad is not None for weight in made.parameters())


def test_pre_training_is_its_two_equations() -> None:
    made = Pretraining(network())
    shake(made, 1)
    made.network.encode_items()
    drawn = pairs_of_users(made.network.interactions, CONFIG.max_length, np.random.default_rng(4), second_half=True)
    sequence = made.network.interactions.sequences.values
    pasts = [tuple(sequence[start:stop]) for start, stop in zip(drawn.starts, drawn.stops, strict=True)]
    targets = sequence[drawn.stops].tolist()
    assert len(set(targets)) < len(targets), "pairs with the same next item are no competitors"
    batch = made.pairs(drawn, np.random.default_rng(3))

    ends, table = [unit(states(made.network, past)[0]) for past in pasts], vectors(made.network)
    expected = 0.0
    for row, (end, wanted) in enumerate(zip(ends, targets, strict=True)):
        rivals = [other for n, other in enumerate(targets) if n == row or other != wanted]
        exponents = [math.exp(end @ table[other] / TAU) for other in rivals]
        expected -= math.log(math.exp(end @ table[wanted] / TAU) / sum(exponents)) / len(targets)
    own = values(made)
    for side, read in enumerate((pasts, [(item,) for item in targets])):
        losses = []
        for row, history in enumerate(read):
            shown = dict(enumerate(batch.shown[side][row].tolist()))
            for place in np.flatnonzero(batch.chosen[side][row]):
                state = states(made.network, history, shown)[place]
                transformed = norm(gelu(own["transform.weight"] @ state + own["transform.bias"]), own, "norm")
                logits = own["network.words.weight"] @ transformed + own["bias"]
                word = int((batch.history if side == 0 else batch.item)[0][row, place])
                losses.append(-math.log(softmax(logits)[word]))
        expected += CONFIG.mask_weight * float(np.mean(losses))
    assert made.loss(batch).item() == pytest.approx(expected, rel=1e-3)


def test_pairs_without_words_have_a_finite_loss() -> None:
    made = Pretraining(network())
    assert made.word_loss(torch.zeros(0, 8), torch.zeros(0, dtype=torch.long)).item() == 0
    assert pairs_of_users(interactions(((0,), (1,)), 2), 3, np.random.default_rng(0)).starts.tolist() == []


def test_words_are_masked_replaced_or_kept() -> None:
    words = np.full((400, 41), 3)
    words[:, 0], words[:, 31:] = CLS, PADDING
    words[0, 1:] = PADDING
    words[1, 2:] = PADDING
    changed, chosen = masked(words, 1000, 0.2, np.random.default_rng(0))
    assert chosen.sum(axis=1).tolist() == [0, 1] + [6] * 398
    assert (changed[~chosen] == words[~chosen]).all() and (words[chosen] == 3).all()
    found = changed[chosen]
    assert (found == MASK).mean() == pytest.approx(0.8, abs=0.03)
    assert (found == 3).mean() == pytest.approx(0.1, abs=0.03)
    assert found.min() >= MASK and found.max() < 1000
    places = np.flatnonzero(chosen[2:].any(axis=0))
    assert places.tolist() == list(range(1, 31))


@pytest.mark.parametrize("second_half", [False, True])
def test_pairs_are_drawn_from_all_places(second_half: bool) -> None:
    plain, found = interactions(HISTORIES, ITEMS), set()
    for seed in range(60):
        drawn = pairs_of_users(plain, 3, np.random.default_rng(seed), second_half=second_half)
        assert drawn.users.tolist() == list(range(len(HISTORIES)))
        sequence = plain.sequences.values
        found |= {(tuple(sequence[a:b]), sequence[b]) for a, b in zip(drawn.starts, drawn.stops, strict=True)}
    first = {length: (length - 1) // 2 if second_half else 1 for length in range(2, 6)}
    wanted = {
        (history[max(0, end - 3) : end], history[end])
        for history in HISTORIES
        for end in range(max(1, first[len(history)]), len(history))
    }
    assert found == wanted


def ring(make_corpus: Callable[..., Corpus], shuffled: bool = False) -> Corpus:
    """150 users whose next item has the next of ten looks; an item is one of eight, so ids are rare and words common.

    The last item of each look is in no history. With ``shuffled`` titles, words say nothing.
    """
    rng = np.random.default_rng(0)
    looks = np.repeat(np.arange(10), 8)
    histories = [
        [8 * ((start + step) % 10) + int(rng.integers(7)) for step in range(6)]
        for start in rng.integers(10, size=150).tolist()
    ]
    titles = rng.permutation(looks) if shuffled else looks
    return make_corpus(histories, {"title": pa.array([f"{'abcdefghij'[look]}{look} thing" for look in titles])})


QUICK: dict[str, Any] = {
    **{"width": 32, "inner": 64, "learning_rate": 3e-3, "pretraining_rate": 3e-3, "batch_size": 32},
    **{"pretraining_epochs": 12, "epochs": 4, "validate_every": 4, "fixed_epochs": 4, "max_length": 3, "dropout": 0.0},
}


def test_words_help_and_an_item_without_interactions_ranks_by_its_own(
    make_corpus: Callable[..., Corpus], tmp_path: Path
) -> None:
    rates = []
    for shuffled in (False, True):
        corpus = ring(make_corpus, shuffled)
        model = fitted("recformer", corpus, tmp_path / str(shuffled), **QUICK)
        rates.append(hit_rate(model, corpus))
        if not shuffled:
            scores = model.score(examples_after((0, 8, 16)), np.arange(80))[0]
            assert set(np.argsort(-scores)[:8]) == set(range(24, 32)), "the next look, its unseen item 31 included"
            assert scores[31] == pytest.approx(scores[24], rel=1e-4)
    assert rates[0] > rates[1] + 0.3, rates


def test_items_are_encoded_once_an_epoch_and_then_stay(
    make_corpus: Callable[..., Corpus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first stage at the start of each one; the second stage keeps those of the best epoch."""
    seen: list[tuple[bool, torch.Tensor]] = []
    loss = RecformerNetwork.loss

    def noted(made: RecformerNetwork, batch: Any) -> torch.Tensor:
        seen.append((made.fixed, made.vectors.clone()))
        return loss(made, batch)

    monkeypatch.setattr(RecformerNetwork, "loss", noted)
    settings = QUICK | {"pretraining_epochs": 1, "epochs": 3, "validate_every": 1, "fixed_epochs": 2, "batch_size": 99}
    corpus, scores = ring(make_corpus), iter([0.1, 0.3, 0.2, 0.4, 0.1])
    model = registry.make_model("recformer", settings=settings)
    model.fit(replace(fit_data(corpus, tmp_path), validate=lambda *_: {"paper": next(scores)}))
    first, second = ([vectors for fixed, vectors in seen if fixed == stage] for stage in (False, True))
    assert len(first) == 3 * 2 and len(second) == 2 * 2
    epochs = [first[2 * epoch] for epoch in range(3)]
    assert all(torch.equal(vectors, epochs[step // 2]) for step, vectors in enumerate(first))
    assert not torch.equal(epochs[0], epochs[1]) and not torch.equal(epochs[1], epochs[2])
    assert all(torch.equal(vectors, epochs[1]) for vectors in second)
    best = Snapshot.read(tmp_path / "training" / "best-paper.safetensors").tensors
    assert torch.equal(best["vectors"], epochs[1]) and model.training().epochs == 5  # type: ignore[union-attr]
    before = Snapshot.read(tmp_path / "first-stage" / "best-paper.safetensors").tensors
    assert not torch.equal(best["words.weight"], before["words.weight"])
    assert model.remarks() == ("undertrained: stopped by its budget of 5 epochs, the best one 4",)


def test_a_view_of_the_test_moves_vectors_of_the_fit_and_words_of_histories(
    planted: Corpus, fit: Callable[..., Model[Any]], tmp_path: Path
) -> None:
    tested = view_of(planted, View.parse("MT:0.5@test")).tested
    assert tested is not None
    settings = QUICK | {"pretraining_epochs": 0, "epochs": 1, "fixed_epochs": 1}
    model = fit("recformer", planted, "recommendation", **settings)
    model.save(tmp_path)
    fresh = type(model)(model.config)
    fresh.load(tmp_path, tested, tmp_path)
    source, before, after = tested.sources["texts"], model.network, fresh.network  # type: ignore[attr-defined]
    assert (source < 0).any() and (source >= 0).any()
    assert after._source.tolist() == source.tolist() and torch.equal(after.vectors, before.vectors)
    for item, other in enumerate(source.tolist()):
        assert np.array_equal(after.texts[item], before.texts[other] if other >= 0 else before.texts[0][:0])


def test_words_of_held_out_items_alone_are_not_learned(
    make_corpus: Callable[..., Corpus], fit: Callable[..., Model[Any]]
) -> None:
    titles = pa.array(["old red", "old blue", "old green", "fresh one", "newest two"])
    corpus = make_corpus([[0, 1, 2, 3, 4], [2, 1, 0, 4, 3]], {"title": titles})
    model = fit("recformer", corpus, "recommendation", **QUICK | {"pretraining_epochs": 1, "epochs": 1})
    words = model.artifacts.vocabulary.words  # type: ignore[attr-defined]
    assert set(words) == {"title", "old", "red", "blue", "green"}
    assert VALUE in model.network.texts[0][:, 1]  # type: ignore[attr-defined]


def test_a_corpus_without_words_is_refused(make_corpus: Callable[..., Corpus], fit: Callable[..., Model[Any]]) -> None:
    wordless = make_corpus([[0, 1, 2, 3]], {"title": pa.array(["", "!", "", ""])})
    with pytest.raises(UsageError, match="no item of the training part has a word in any of attributes=title,brand"):
        fit("recformer", wordless, "recommendation")


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="max_tokens must be at least 2"):
        registry.make_model("recformer", settings={"max_tokens": "1"})
