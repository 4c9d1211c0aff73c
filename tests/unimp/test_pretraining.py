"""Pre-training on the items alone: each objective against its equation, and the fits that begin with it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.unimp.small import SMALL, Parts, fit_data, scores
from tests.unimp.test_unimp import bare
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError, UsageError
from unimp_bench.unimp import pretraining
from unimp_bench.unimp.batches import Batch, collate
from unimp_bench.unimp.config import Pretraining
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.pretraining import PRETRAINED, Autoregressive, Contrastive, Reconstructive, pretrain
from unimp_bench.unimp.sentences import item_sentences
from unimp_bench.unimp.unimp import UniMP

OBJECTIVES: tuple[Pretraining, ...] = ("autoregressive", "reconstructive", "contrastive")
LEARNING = replace(SMALL, epochs=1, pretraining_epochs=4, learning_rate=1e-2, batch_tokens=512)


def items_of(parts: Parts, *items: int) -> Batch:
    source = item_sentences(parts.pieces, np.array(items))
    return collate(source, np.arange(len(items)), parts.features, parts.vocabulary)


def pictured(parts: Parts) -> tuple[int, ...]:
    return tuple(np.flatnonzero(parts.features.rows >= 0)[[0, 1, 5, 9]].tolist())


def pictureless(parts: Parts) -> int:
    return int(np.flatnonzero(parts.features.rows < 0)[0])


def words_of(parts: Parts, item: int) -> list[int]:
    """Places in ``[CLS]`` and the item of what is no mark."""
    vocabulary = parts.vocabulary
    marks = {vocabulary.cls, vocabulary.img, vocabulary.answer, vocabulary.eoc}
    tokens = items_of(parts, item).tokens[0].tolist()
    return [place for place, token in enumerate(tokens) if token not in marks]


@torch.no_grad()
def test_autoregressive_pretraining_is_plain_cross_entropy(parts: Parts) -> None:
    items = (*pictured(parts), pictureless(parts))
    got = Autoregressive(parts.model, SMALL, parts.vocabulary)(items_of(parts, *items))
    losses = []
    for item in items:
        batch = items_of(parts, item)
        log_p = parts.model.logits(parts.model.hidden(batch)[0]).log_softmax(dim=-1)
        losses += [-log_p[place - 1, batch.tokens[0, place]] for place in words_of(parts, item)]
        assert parts.vocabulary.words + item == batch.tokens[0, words_of(parts, item)[-1]], "its id is among them"
    torch.testing.assert_close(got, torch.stack(losses).mean(), rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_hidden_words_and_patches_are_said(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """One item; the second of its words and the first half of its patches are hidden."""
    item = pictured(parts)[1]
    batch = items_of(parts, item)
    places, (_, patches, width) = words_of(parts, item), parts.features.tokens.shape
    objective = Reconstructive(parts.model, SMALL, parts.vocabulary, patches, width)
    monkeypatch.setattr(pretraining, "_drawn", lambda count, share: torch.arange(count) == 1)
    monkeypatch.setattr(torch, "rand", lambda shape, device: torch.arange(patches).flip(0).expand(shape).float())
    got = objective(batch)

    place = places[1]
    blank = batch.tokens.clone()
    blank[0, place] = parts.vocabulary.pad
    both_ways = replace(batch, tokens=blank, attends=torch.ones_like(batch.attends))
    logits = parts.model.logits(parts.model.hidden(both_ways)[0, place - 1])
    word = -logits.log_softmax(dim=-1)[batch.tokens[0, place]]
    assert parts.model.resampler is not None and objective.head is not None
    hidden = torch.arange(patches // 2).flip(0)[None]
    said = objective.head(parts.model.resampler(batch.pictures[:, patches // 2 :]), hidden)
    patch = ((said[0].flip(0) - batch.pictures[0, : patches // 2]) ** 2).mean()
    torch.testing.assert_close(got, word + patch, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_three_in_ten_words_are_hidden_and_the_rest_is_read_both_ways(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = items_of(parts, pictureless(parts), *pictured(parts))
    objective = Reconstructive(parts.model, SMALL, parts.vocabulary, 0, 0)
    shown: list[Batch] = []
    hidden = UniMPModel.hidden

    def noted(model: UniMPModel, batch: Batch) -> Tensor:
        shown.append(batch)
        return hidden(model, batch)

    monkeypatch.setattr(UniMPModel, "hidden", noted)
    objective(batch)
    said = objective.words(batch.tokens)
    blank = shown[0].tokens == parts.vocabulary.pad
    blank &= batch.tokens != parts.vocabulary.pad
    assert blank[said].float().mean() == pytest.approx(0.3, abs=0.51 / int(said.sum()))
    assert not blank[~said].any()
    for sentence, length in enumerate(batch.lengths):
        attends = shown[0].attends[sentence, 0]
        assert attends[:, :length].all() and not attends[:, length:].any()


@torch.no_grad()
def test_pictures_and_words_find_each_other(parts: Parts) -> None:
    items = pictured(parts)
    objective = Contrastive(parts.model, parts.vocabulary, parts.features.width)
    got = objective(items_of(parts, *items))
    assert parts.model.resampler is not None
    pictures, words = [], []
    for item in items:
        seen = items_of(parts, item)
        pictures.append(objective.of_pictures(parts.model.resampler(seen.pictures)[0].mean(dim=0)))
        blind = collate(item_sentences(parts.pieces, np.array([item])), np.array([0]), None, parts.vocabulary)
        place = blind.tokens[0].tolist().index(parts.vocabulary.answer)
        words.append(objective.of_words(parts.model.hidden(blind)[0, place]))
    pictures, words = ([one - torch.stack(side).mean(dim=0) for one in side] for side in (pictures, words))
    losses = []
    for own in range(len(items)):
        for one, others in ((pictures[own], words), (words[own], pictures)):
            alike = torch.stack([torch.cosine_similarity(one, other, dim=0) for other in others])
            alike = alike / pretraining.TEMPERATURE
            losses.append(alike.logsumexp(dim=0) - alike[own])
    torch.testing.assert_close(got, torch.stack(losses).mean(), rtol=1e-4, atol=1e-5)


def pretrained(parts: Parts, objective: Pretraining, work: Path, seed: int = 0, **settings: Any) -> tuple[Any, Any]:
    config = replace(LEARNING, pretraining=objective, **settings)
    model = deepcopy(parts.model)
    work.mkdir(parents=True, exist_ok=True)
    took = pretrain(model, parts.pieces, parts.features, parts.vocabulary, config, seed, work)
    return took, dict(model.named_parameters())


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_its_loss_falls(parts: Parts, tmp_path: Path, objective: Pretraining) -> None:
    took, _ = pretrained(parts, objective, tmp_path)
    losses = took.losses
    assert len(losses) == 4
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_seed_decides_and_a_finished_one_is_not_repeated(
    parts: Parts, tmp_path: Path, objective: Pretraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    short: dict[str, Any] = {"pretraining_epochs": 1, "dropout": 0.1}
    took, first = pretrained(parts, objective, tmp_path / "a", **short)
    _, again = pretrained(parts, objective, tmp_path / "b", **short)
    _, other = pretrained(parts, objective, tmp_path / "c", seed=1, **short)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
    monkeypatch.setattr(pretraining, "_pretext", lambda *_: pytest.fail("it is done"))
    found, kept = pretrained(parts, objective, tmp_path / "a", **short)
    assert found == replace(took, losses=[]) and took.steps > 0 and took.items > 0, "counted all the same"
    assert all(torch.equal(first[name], kept[name]) for name in first)


def test_each_objective_trains_its_own_parameters(parts: Parts, tmp_path: Path) -> None:
    before = dict(parts.model.named_parameters())
    for objective in OBJECTIVES:
        _, after = pretrained(parts, objective, tmp_path / objective, pretraining_epochs=1)
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        for side in ("resampler.", "decoder.model.gpt_neox.layers.0.", "decoder.model.gpt_neox.embed_in."):
            assert any(name.startswith(side) for name in moved)
        assert any(".fusion.attention." in name for name in moved) == (objective != "contrastive")


def test_a_frozen_backbone_is_pretrained_and_stays_frozen_afterwards(
    planted: Corpus, cache: Path, tmp_path: Path
) -> None:
    config = replace(LEARNING, pretraining="autoregressive", pretraining_epochs=1, trained="lora", lora_rank=2)
    model = UniMP(config)
    model.fit(fit_data(planted, tmp_path / "work", cache, "search", validate=lambda *_: {"paper": 0.5}))
    kept = load_file(tmp_path / "work" / PRETRAINED)
    own: dict[str, Tensor] = dict(model._model.named_parameters())
    assert kept.keys() == own.keys()
    fixed = [name for name in own if not own[name].requires_grad]
    assert fixed and all(torch.equal(own[name], kept[name]) for name in fixed)
    assert all(not kept[name].any() for name in own if ".lora_B." in name), "adaptation begins with the training"
    assert any(own[name].any() for name in own if ".lora_B." in name)


def fitted(corpus: Corpus, cache: Path, work: Path, objective: Pretraining, task: str = "search") -> np.ndarray:
    model = UniMP(replace(LEARNING, pretraining=objective, pretraining_epochs=1))
    model.fit(fit_data(corpus, work, cache, task, validate=lambda *_: {"paper": 0.5}))
    return scores(model, corpus, task)


class Killed(BaseException):
    """What a signal would do."""


def test_a_fit_begins_with_it_and_does_not_repeat_it(
    planted: Corpus, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise Killed

    whole = fitted(planted, cache, tmp_path / "whole", "reconstructive")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("unimp_bench.unimp.unimp.train", killed)
        fitted(planted, cache, tmp_path / "broken", "reconstructive")
    monkeypatch.setattr(pretraining, "_pretext", lambda *_: pytest.fail("it is done"))
    assert np.array_equal(fitted(planted, cache, tmp_path / "broken", "reconstructive"), whole)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("unimp_bench.unimp.unimp.train", killed)
        fitted(planted, cache, tmp_path / "none", "none")
    assert not (tmp_path / "none" / PRETRAINED).exists()


def test_a_corpus_without_pictures_has_words_alone(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    corpus = bare(planted, tmp_path / "bare")
    for objective in OBJECTIVES[:2]:
        assert np.isfinite(fitted(corpus, tmp_path, tmp_path / objective, objective, "recommendation")).all()
    with pytest.raises(UsageError, match="there are no pictures") as caught:
        fitted(corpus, tmp_path, tmp_path / "contrastive", "contrastive", "recommendation")
    assert "\n" not in str(caught.value)


def test_a_damaged_end_is_one_clear_line(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / PRETRAINED).write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"cannot be read .*; fit the model again with --fresh"):
        pretrained(parts, "autoregressive", tmp_path)
