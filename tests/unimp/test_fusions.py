"""Six ways for pictures to reach the decoder, each against its definition computed the long way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.unimp.small import SMALL, Parts, fit_data, fused, scores
from unimp_bench.corpus import Corpus
from unimp_bench.unimp.backbones import FusedLayer
from unimp_bench.unimp.batches import Batch, collate, drawn_starts
from unimp_bench.unimp.config import Fusion
from unimp_bench.unimp.fusions import Early, InclusiveMedia, Late, Summed
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.objective import focal_losses
from unimp_bench.unimp.sentences import answered, sentences
from unimp_bench.unimp.unimp import UniMP

FUSIONS: tuple[Fusion, ...] = get_args(Fusion)
PICTURED = FUSIONS[:-1]


def packed(parts: Parts) -> Batch:
    """Sentences that share trunks, their candidates marked and in branches of their own."""
    tasks = [parts.examples(name).select(slice(0, 9)) for name in ("search", "selection")]
    pieces, branches = answered(tasks, parts.pieces, parts.vocabulary)
    source = sentences(pieces, branches, [drawn_starts(task, 5, 1) for task in tasks], parts.vocabulary)
    assert len(source) < 18
    return collate(source, np.arange(len(source)), parts.features, parts.vocabulary)


def begun(parts: Parts, batch: Batch) -> list[tuple[int, int, int]]:
    """Sentence, place of the (first) [IMG] and picture of the batch of each item with a picture, read off the words."""
    vocabulary = parts.vocabulary
    found = []
    for row, tokens in enumerate(batch.tokens.tolist()):
        for place, token in enumerate(tokens):
            if token == vocabulary.img and tokens[place - 1] != vocabulary.img:
                item = next(token for token in tokens[place:] if token >= vocabulary.words)
                found.append((row, place, item - vocabulary.words))
    order = sorted({item for _, _, item in found})
    return [(row, place, order.index(item)) for row, place, item in found]


def seen(parts: Parts, batch: Batch, row: int, place: int) -> list[int]:
    """The pictures of the items whose [IMG] a token attends to, one as often as it stands there."""
    return [picture for r, begin, picture in begun(parts, batch) if r == row and batch.attends[row, 0, place, begin]]


def embeddings(parts: Parts, batch: Batch) -> Tensor:
    assert parts.model.resampler is not None
    return parts.model.resampler(batch.pictures)  # type: ignore[no-any-return]


def words(parts: Parts, batch: Batch) -> tuple[Tensor, Tensor]:
    """Input embeddings of the tokens, and what their marks add, a token at a time."""
    table = parts.model.decoder.input_rows(torch.arange(len(parts.vocabulary)))
    marks = torch.zeros(*batch.tokens.shape, SMALL.width)
    for row, place in (batch.marks >= 0).nonzero().tolist():
        marks[row, place] = table[batch.marks[row, place]]
    return table[batch.tokens], marks


@torch.no_grad()
def test_sum_adds_the_projected_mean_to_the_image_token(six: Parts) -> None:
    parts = fused(six, "sum")
    batch = packed(parts)
    way = parts.model.pictures
    assert isinstance(way, Summed) and (batch.marks >= 0).any()
    tokens, marks = words(parts, batch)
    for row, place, picture in begun(parts, batch):
        tokens[row, place] += way.project.weight @ embeddings(parts, batch)[picture].mean(dim=0)
    expected = parts.model.decoder(tokens + marks, batch.attends, batch.positions)
    torch.testing.assert_close(parts.model.hidden(batch), expected)


@torch.no_grad()
def test_early_puts_the_projected_embeddings_in_place_of_the_image_tokens(six: Parts) -> None:
    parts = fused(six, "early", latents=3)
    batch = packed(parts)
    way = parts.model.pictures
    assert isinstance(way, Early) and (batch.marks >= 0).any()
    tokens, marks = words(parts, batch)
    for row, place, picture in begun(parts, batch):
        assert batch.tokens[row, place : place + 4].eq(parts.vocabulary.img).tolist() == [True, True, True, False]
        for latent, embedding in enumerate(embeddings(parts, batch)[picture]):
            tokens[row, place + latent] = way.project.weight @ embedding
    expected = parts.model.decoder(tokens + marks, batch.attends, batch.positions)
    torch.testing.assert_close(parts.model.hidden(batch), expected)


@torch.no_grad()
def test_late_adds_the_mean_of_the_visible_pictures_behind_the_last_layer(six: Parts) -> None:
    parts = fused(six, "late")
    batch = packed(parts)
    way = parts.model.pictures
    assert isinstance(way, Late)
    tokens, marks = words(parts, batch)
    states = parts.model.decoder(tokens + marks, batch.attends, batch.positions)
    pooled = [way.project.weight @ picture.mean(dim=0) for picture in embeddings(parts, batch)]
    for row, length in enumerate(batch.lengths.tolist()):
        for place in range(length):
            pictures = seen(parts, batch, row, place)
            if pictures:
                states[row, place] += torch.stack([pooled[picture] for picture in pictures]).mean(dim=0)
    there = batch.marks.new_ones(batch.marks.shape).cumsum(dim=1) <= batch.lengths[:, None]
    torch.testing.assert_close(parts.model.hidden(batch)[there], states[there])


@torch.no_grad()
def test_inclusive_attention_is_a_softmax_over_all_visible_pictures(six: Parts) -> None:
    """Token by token; before the first picture there is nothing to get."""
    parts = fused(six, "inclusive")
    batch = packed(parts)
    hidden = torch.randn(*batch.tokens.shape, SMALL.width)
    layer = parts.model.decoder.layers[1]
    assert isinstance(layer, FusedLayer)
    fusion, attention, pictures = layer.fusion, layer.fusion.attention, embeddings(parts, batch)
    result = fusion(hidden, InclusiveMedia.of(pictures, batch))
    blind = 0
    for row, length in enumerate(batch.lengths.tolist()):
        for place in range(length):
            state = hidden[row, place]
            visible = seen(parts, batch, row, place)
            if visible:
                keys, values = attention.to_kv(torch.cat([pictures[picture] for picture in visible])).chunk(2, dim=-1)
                heads = []
                query = attention.to_q(fusion.norm(state))
                for q, k, v in zip(*(x.chunk(SMALL.heads, dim=-1) for x in (query, keys, values)), strict=True):
                    heads.append((k @ q / len(q) ** 0.5).softmax(dim=0) @ v)
                state = state + fusion.attention_gate.tanh() * attention.to_out(torch.cat(heads))
            blind += not visible
            state = state + fusion.feed_forward_gate.tanh() * fusion.feed_forward(state)
            torch.testing.assert_close(result[row, place], state)
    assert blind, "some token stands before all pictures"


@pytest.mark.parametrize("fusion", ["inclusive", "late"])
@torch.no_grad()
def test_a_picture_is_seen_from_its_item_on_and_in_no_other_branch(six: Parts, fusion: Fusion) -> None:
    """Which tokens move with a picture, for one of the history and one of a candidate in a branch."""
    parts = fused(six, fusion)
    batch = packed(parts)
    places = begun(parts, batch)
    once = [each for each in places if [(r, p) for r, _, p in places].count((each[0], each[2])) == 1]
    row, _, candidate = next(each for each in once if batch.marks[each[0], each[1]] >= 0)
    _, begin, second = [each for each in places if each[0] == row][1]
    hidden = torch.randn(*batch.tokens.shape, SMALL.width)
    for picture in (second, candidate):
        changed = batch.pictures.clone()
        changed[picture] += torch.randn_like(changed[picture])
        before, after = (reached(parts.model, hidden, each) for each in (batch, replace(batch, pictures=changed)))
        moved = (before != after).any(dim=-1)
        for line, length in enumerate(batch.lengths.tolist()):
            expected = [picture in seen(parts, batch, line, place) for place in range(length)]
            assert moved[line, :length].tolist() == expected
        if picture == second:
            assert not moved[row, :begin].any() and moved[row, begin:].any()
    last = int(moved[row].nonzero().max())
    assert last + 1 < int(batch.lengths[row]), "other branches follow that of the candidate, which do not see it"


def reached(model: UniMPModel, hidden: Tensor, batch: Batch) -> Tensor:
    """States, (B, N, width), once they have met the pictures."""
    assert model.resampler is not None and model.pictures is not None
    media = model.pictures.media(model.resampler(batch.pictures), batch)
    layer = model.decoder.layers[1]
    met = layer.fusion(hidden, media) if isinstance(layer, FusedLayer) else model.pictures.after(hidden, media)
    assert isinstance(met, Tensor)
    return met


@pytest.mark.parametrize("fusion", ["exclusive", "inclusive"])
@torch.no_grad()
def test_shut_gates_give_the_plain_language_model_bit_for_bit(six: Parts, fusion: Fusion) -> None:
    batch = packed(six)
    shut, plain = fused(six, fusion, gate=0.0), fused(six, "none")
    assert torch.equal(shut.model(batch), plain.model(batch))
    assert not torch.equal(fused(six, fusion, gate=0.1).model(batch), plain.model(batch))


def test_a_fit_without_vision_reads_no_pictures(planted: Corpus, six: Parts, tmp_path: Path) -> None:
    parts = fused(six, "none")
    assert parts.model.resampler is None and parts.model.pictures is None
    assert parts.vocabulary.img not in parts.pieces.tokens
    model = UniMP(replace(SMALL, fusion="none", epochs=1))
    model.fit(fit_data(planted, tmp_path / "work", tmp_path, "search"))
    assert not list(tmp_path.glob("pictures-*"))
    assert all("resampler" not in name and "fusion" not in name for name, _ in model._model.named_parameters())


@pytest.mark.parametrize("fusion", PICTURED)
def test_every_parameter_of_a_fusion_is_learnt(six: Parts, fusion: Fusion) -> None:
    parts = fused(six, fusion)
    batch = packed(parts)
    torch.autograd.backward(focal_losses(parts.model.logits(parts.model(batch), batch.naming), batch.labels, 2.0).sum())
    for name, parameter in parts.model.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


@pytest.mark.parametrize("fusion", FUSIONS)
def test_it_learns_targets_decided_by_pictures_alone(parts: Parts, fusion: Fusion) -> None:
    """Items of which only a picture is known are told apart by it, and by nothing without vision."""
    random = np.random.default_rng(0).standard_normal((len(parts.features.tokens), 1, 8)).astype(np.float16)
    patches = random.repeat(4, axis=1)
    features = replace(parts.features, tokens=patches, mean=np.zeros(8, np.float32), spread=np.ones(8, np.float32))
    parts = fused(replace(parts, features=features), fusion, attributes=())
    examples = parts.examples("search")
    last = examples.histories.items[examples.ends - 1]
    one_each = [int(np.flatnonzero(last == item)[0]) for item in np.unique(last[parts.corpus.items.has_picture[last]])]
    examples = examples.select(np.array(one_each))
    pieces, branches = answered([examples], parts.pieces, parts.vocabulary)
    source = sentences(pieces, branches, [examples.ends - 1], parts.vocabulary, shared=False)
    batch = collate(source, np.arange(len(source)), parts.features, parts.vocabulary)
    optimizer = torch.optim.AdamW(parts.model.parameters(), lr=0.02)
    for _ in range(100):
        losses = focal_losses(parts.model.logits(parts.model(batch)), batch.labels, 0.0)
        loss = losses[~batch.is_task].mean()
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
    chance = np.log(len(examples))
    assert loss.item() > 0.99 * chance if fusion == "none" else loss.item() < 0.05 * chance


@pytest.mark.parametrize("fusion", FUSIONS[1:])
def test_it_fits_and_loads_to_the_same_answers(planted: Corpus, cache: Path, tmp_path: Path, fusion: Fusion) -> None:
    config = replace(SMALL, fusion=fusion, epochs=1, learning_rate=5e-3, dropout=0.1)
    model = UniMP(config)
    model.fit(fit_data(planted, tmp_path / "work", cache, "search"))
    model.save(tmp_path)
    loaded = UniMP(config)
    loaded.load(tmp_path, planted.items, cache)
    expected = scores(model, planted, "search")
    assert np.isfinite(expected).all() and np.array_equal(scores(loaded, planted, "search"), expected)


def test_it_fits_without_context_and_without_reweighting(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    plain = UniMP(replace(SMALL, context=(), gamma=0.0, epochs=1))
    plain.fit(fit_data(planted, tmp_path / "work", cache, "search"))
    assert np.isfinite(scores(plain, planted, "search")).all()
    assert (plain._pieces.labels < 0).all()
