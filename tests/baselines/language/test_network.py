"""Beam search against exhaustive scores; answers do not depend on the batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from baselines.language.p5 import P5
from unimp_bench.contracts import FitData
from unimp_bench.records import Examples


def _some(data: FitData, task: str, size: int = 6) -> Examples:
    return data.examples[task].validation.select(slice(0, size)).hidden()


def _with(model: P5, **settings: Any) -> P5:
    """The same model under other settings of decoding."""
    other = P5(replace(model.config, **settings))
    other.__dict__ |= {key: value for key, value in model.__dict__.items() if key != "config"}
    return other


@torch.no_grad()
def _log_probability(model: P5, examples: Examples, example: int, answer: str) -> float:
    """log P(answer | prompt), one prompt at a time, a token at a time."""
    source = model.network.batch(model.prompts(examples.select(slice(example, example + 1))))
    said, total = [0], 0.0
    for token in model.artifacts.tokenizer.encode([answer]).padded().tokens[0].tolist():
        logits = model.network.t5(
            inputs_embeds=model.network.embed(source), decoder_input_ids=torch.tensor([said])
        ).logits
        total += float(logits[0, -1].double().log_softmax(-1)[token])
        said.append(token)
    return total


def test_with_a_beam_for_each_item_all_scores_are_exact(untrained: P5, planted_data: FitData) -> None:
    items = planted_data.catalogue
    model, examples = _with(untrained, beams=len(items)), _some(planted_data, "recommendation", 2)
    scores = model.score(examples, items)
    for example in range(len(examples)):
        exact = [_log_probability(model, examples, example, name) for name in model.artifacts.ids.item_names()]
        np.testing.assert_allclose(scores[example], exact, atol=1e-4)


def test_beams_are_distinct_items_and_the_rest_ties_below(untrained: P5, planted_data: FitData) -> None:
    model, items = _with(untrained, beams=5), planted_data.catalogue
    for row in model.score(_some(planted_data, "search"), items):
        assert np.isfinite(row).all()
        values, counts = np.unique(row, return_counts=True)
        assert len(values) == 6 and counts[0] == len(items) - 5 and values[1] - values[0] == pytest.approx(1)


def test_a_smaller_catalogue_selects_columns(untrained: P5, planted_data: FitData) -> None:
    items, examples = planted_data.catalogue, _some(planted_data, "recommendation")
    assert np.array_equal(untrained.score(examples, items[::5]), untrained.score(examples, items)[:, ::5])


def test_without_constraint_other_texts_are_misses(untrained: P5, planted_data: FitData) -> None:
    """An untrained network writes no ids: all items are equal, so the target is last."""
    scores = _with(untrained, constrained=False).score(_some(planted_data, "recommendation"), planted_data.catalogue)
    assert np.isfinite(scores).all() and (scores == scores[:, :1]).all()


def test_under_constraint_only_shown_items_are_selected(untrained: P5, planted_data: FitData) -> None:
    examples = _some(planted_data, "selection", 20)
    assert examples.shown is not None
    chosen = untrained.choose(examples)
    assert (np.bincount(examples.shown.owners()[chosen], minlength=len(examples)) >= 1).all()


def test_without_constraint_a_text_that_names_no_candidate_selects_nothing(
    untrained: P5, planted_data: FitData
) -> None:
    """An untrained network generates no ids, and there is no fallback."""
    assert not _with(untrained, constrained=False).choose(_some(planted_data, "selection", 20)).any()


def test_answers_do_not_depend_on_the_batch(untrained: P5, planted_data: FitData) -> None:
    """Long and short prompts in one batch answer as they do alone."""
    data = planted_data.examples["search"].validation
    lengths = data.ends - data.starts()
    examples = data.select(np.concatenate([np.argsort(lengths)[:2], np.argsort(lengths)[-2:]])).hidden()
    assert len(set(untrained.prompts(examples).lengths())) > 1
    together = untrained.score(examples, planted_data.catalogue)
    alone = [untrained.score(examples.select(slice(n, n + 1)), planted_data.catalogue)[0] for n in range(4)]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_whole_word_embeddings_affect_predictions(untrained: P5, planted_data: FitData) -> None:
    examples, items = _some(planted_data, "recommendation"), planted_data.catalogue
    before, table = untrained.score(examples, items), untrained.network.whole_words.weight
    with torch.no_grad():
        kept = table.clone()
        table.mul_(-1)
        after = untrained.score(examples, items)
        table.copy_(kept)
    assert not np.allclose(before, after, atol=1e-3)
