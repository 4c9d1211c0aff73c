"""Predictions read at the last item of a history, and labels that are compared with drawn items."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unimp.small import SMALL, Parts, fit_data, reloaded, scores, validator
from unimp_bench.corpus import Corpus
from unimp_bench.unimp.batches import Batch, TrainingExamples, collate
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.objective import Objective, focal_losses
from unimp_bench.unimp.pieces import catalogue_pieces
from unimp_bench.unimp.sentences import answered, last_starts, sentences, unanswered
from unimp_bench.unimp.unimp import UniMP

AT_ITEM = replace(SMALL, items="token", next_item=True, read="item", context=(), history=20, fusion="none", gamma=0.0)


def drawn(parts: Parts, config: UniMPConfig, *tasks: str) -> Batch:
    """All sentences of an epoch as one batch."""
    told = catalogue_pieces(parts.corpus.items, parts.vocabulary, config)
    pieces, branches = answered([parts.examples(task) for task in tasks], told, parts.vocabulary, config.read)
    source = TrainingExamples(pieces, branches, parts.vocabulary, config, ()).draw(3)
    return collate(source, np.arange(len(source)), None, parts.vocabulary)


def test_a_sentence_ends_at_its_last_item_and_every_item_has_a_label(parts: Parts) -> None:
    batch = drawn(parts, AT_ITEM, "recommendation")
    first, item = batch.tokens[:, 0], batch.tokens[:, 1:][batch.tokens[:, 1:] != parts.vocabulary.pad]
    assert (first == parts.vocabulary.cls).all()
    seen = item[item != parts.vocabulary.img]
    assert (seen >= parts.vocabulary.words).all()
    assert len(batch.labels) == len(seen)


def test_labels_are_those_of_prompts_and_their_items(parts: Parts) -> None:
    """The prompt at a window's end has the label that now is the last item's."""
    prompted = drawn(parts, replace(AT_ITEM, read="prompt"), "recommendation")
    at_item = drawn(parts, AT_ITEM, "recommendation")
    assert sorted(at_item.labels.tolist()) == sorted(prompted.labels.tolist())
    assert float(at_item.weights.sum()) == pytest.approx(float(prompted.weights.sum()))


def test_a_prediction_is_made_where_it_was_learned(parts: Parts) -> None:
    """Scores of the examples equal the logits of the labels of one training sentence, item by item."""
    model = build_model(AT_ITEM, len(parts.vocabulary), None).eval()
    told = catalogue_pieces(parts.corpus.items, parts.vocabulary, AT_ITEM)
    examples = parts.examples("recommendation")
    whole = examples.select(np.flatnonzero(examples.users == examples.users[0]))
    pieces, branches = answered([whole], told, parts.vocabulary, "item")
    source = sentences(pieces, branches, [whole.starts()], parts.vocabulary, next_item=True)
    batch = collate(source, np.arange(1), None, parts.vocabulary)
    learned = model.logits(model(batch))
    pieces, branches = unanswered(whole, "ranking", told, parts.vocabulary, "item")
    asked = sentences(pieces, branches, [last_starts(whole, 20)], parts.vocabulary, shared=False)
    for number in range(len(whole)):
        one = collate(asked, np.array([number]), None, parts.vocabulary)
        read = model.logits(model.hidden(one)[0, one.lengths[0] - 1])
        place = int(one.lengths[0]) - 2  # without [CLS], items of one token
        assert torch.allclose(read, learned[place], atol=1e-5)
        assert whole.targets is not None
        assert int(batch.labels[place]) == parts.vocabulary.words + whole.targets[number]


def test_other_tasks_keep_their_prompts(parts: Parts) -> None:
    both = drawn(parts, AT_ITEM, "recommendation", "search")
    alone = drawn(parts, replace(AT_ITEM, read="prompt"), "search")
    assert parts.vocabulary.answer in both.tokens
    assert len(both.examples[both.examples >= 0].unique()) == len(alone.examples[alone.examples >= 0].unique())


def test_losses_against_drawn_items(parts: Parts) -> None:
    """Each label against the same items, without those that equal it, in an explicit loop."""
    config = replace(AT_ITEM, negatives=7, gamma=2.0)
    model = build_model(config, len(parts.vocabulary), None).eval()
    batch = drawn(parts, config, "recommendation", "search")
    objective = Objective(model, config, parts.vocabulary.words)
    torch.manual_seed(5)
    loss = objective(batch).whole
    torch.manual_seed(5)
    tokens = torch.randint(parts.vocabulary.words, len(parts.vocabulary), (7,))
    expected = torch.zeros(())
    for state, label, weight in zip(model(batch), batch.labels, batch.weights, strict=True):
        logits = model.logits(state)
        if label >= parts.vocabulary.words:
            share = np.log(len(parts.corpus.items) / 7)
            others = [logits[token] + share for token in tokens if token != label]
            logits, label = torch.stack([logits[label], *others]), torch.tensor(0)
        expected = expected + weight * focal_losses(logits[None], label[None], 2.0)[0]
    assert torch.allclose(loss, expected / batch.readers.sum(), rtol=1e-4)


def test_plain_cross_entropy_in_blocks_is_that_of_all_logits(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses and gradients, with words and items as labels, and texts in the table."""
    vectors = np.random.default_rng(0).standard_normal((len(parts.corpus.items), 5)).astype(np.float32)
    config = replace(AT_ITEM, read="prompt", tied=True)
    model = build_model(config, len(parts.vocabulary), None, vectors).eval()
    batch = drawn(parts, config, "recommendation", "search")
    assert len({*batch.weights.tolist()}) > 1
    found = []
    for table in (model.decoder.output_table, lambda: None):
        monkeypatch.setattr(model.decoder, "output_table", table)
        losses = Objective(model, config)(batch)
        found.append((losses, torch.autograd.grad(losses.whole, list(model.parameters()))))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)


def test_settings_that_contradict_each_other() -> None:
    for settings, words in (
        ({"read": "item"}, "set next_item to true"),
        ({"negatives": 5, "ids": "semantic"}, "set ids to atomic"),
        ({"layer_dropout": 0.1, "backbone": "llama"}, "gpt_neox"),
    ):
        with pytest.raises(ValueError, match=words):
            UniMPConfig(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("negatives", [0, 8])
def test_it_learns_and_comes_back(planted: Corpus, cache: Path, tmp_path: Path, negatives: int) -> None:
    """Popularity reaches an NDCG@5 of about 0.05 there; the next item follows from the last one."""
    settings = {"width": 32, "epochs": 8, "learning_rate": 5e-3, "batch_tokens": 128, "tied": True}
    model = UniMP(replace(AT_ITEM, negatives=negatives, layer_dropout=0.1, **settings))  # type: ignore[arg-type]
    model.fit(fit_data(planted, tmp_path / "work", cache, "recommendation"))
    assert validator(planted)(model, "recommendation")["paper"] > 0.3
    assert np.array_equal(scores(reloaded(model, tmp_path / "model", planted, cache), planted), scores(model, planted))
