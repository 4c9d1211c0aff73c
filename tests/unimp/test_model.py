"""The network and its objective: cross-attention under the exclusive mask (Eq. 3-4), and focal losses (Eq. 8)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.unimp.small import SMALL, Parts
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.backbones import FusedLayer
from unimp_bench.unimp.batches import Batch, collate
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.model import GatedCrossAttention, Media, PictureFusion, UniMPModel
from unimp_bench.unimp.objective import focal_losses
from unimp_bench.unimp.pieces import FIRST_ITEM_PIECE


@pytest.fixture
def batch(parts: Parts) -> Batch:
    examples = parts.examples("search", "test").select(slice(0, 4))
    return collate(parts.asked(examples), np.arange(4), parts.features, parts.vocabulary)


def fused(model: UniMPModel, batch: Batch, hidden: Tensor) -> tuple[GatedCrossAttention, Media, Tensor]:
    assert model.resampler is not None
    layer = model.decoder.layers[1]
    assert isinstance(layer, FusedLayer)
    media = PictureFusion().media(model.resampler(batch.pictures), batch)
    return layer.fusion, media, layer.fusion(hidden, media)


def owners(parts: Parts, batch: Batch) -> Tensor:
    """(B, N) which picture of the batch each token belongs to, read off the sentences, -1 for none."""
    words, has_picture = parts.vocabulary.words, parts.corpus.items.has_picture
    items = {token - words for token in batch.tokens.flatten().tolist() if token >= words}
    pictured = sorted(item for item in items if has_picture[item])
    table = torch.full(batch.tokens.shape, -1)
    for row, tokens in enumerate(batch.tokens.tolist()):
        start = 1
        for place, token in enumerate(tokens):
            if token == parts.vocabulary.eoc:
                item = tokens[place - 1] - words
                if has_picture[item]:
                    table[row, start : place + 1] = pictured.index(item)
                start = place + 1
    return table


@torch.no_grad()
def test_it_equals_the_masked_dense_formula(parts: Parts, batch: Batch) -> None:
    """Softmax over every picture of the batch under the mask of Eq. 3, computed the long way."""
    hidden = torch.randn(*batch.tokens.shape, SMALL.width)
    layer, media, result = fused(parts.model, batch, hidden)
    owner = owners(parts, batch)
    assert (owner >= 0).any() and (owner < 0).any()
    pictures, latents = media.embeddings.shape[:2]
    attention = layer.attention
    queries = attention.to_q(layer.norm(hidden)).unflatten(-1, (attention.heads, -1))
    keys, values = attention.to_kv(media.embeddings.flatten(0, 1)).chunk(2, dim=-1)
    keys, values = (x.unflatten(-1, (attention.heads, -1)) for x in (keys, values))
    logits = torch.einsum("bnhd,shd->bhns", queries, keys) / queries.shape[-1] ** 0.5
    allowed = owner[..., None] == torch.arange(pictures).repeat_interleave(latents)
    weights = logits.masked_fill(~allowed[:, None], -1e30).softmax(dim=-1) * allowed[:, None]
    attended = attention.to_out(torch.einsum("bhns,shd->bnhd", weights, values).flatten(2))
    dense = hidden + layer.attention_gate.tanh() * attended
    dense = dense + layer.feed_forward_gate.tanh() * layer.feed_forward(dense)
    torch.testing.assert_close(result, dense)


@torch.no_grad()
def test_another_picture_of_item_2_moves_item_2_alone(parts: Parts, batch: Batch) -> None:
    hidden = torch.randn(*batch.tokens.shape, SMALL.width)
    _, _, before = fused(parts.model, batch, hidden)
    second = int(batch.chunk_pictures[1])
    pictures = batch.pictures.clone()
    pictures[second] += torch.randn_like(pictures[second])
    _, _, after = fused(parts.model, replace(batch, pictures=pictures), hidden)
    moved = (before != after).any(dim=-1)
    assert torch.equal(moved, owners(parts, batch) == second)


@torch.no_grad()
def test_shut_gates_give_the_plain_language_model_bit_for_bit(parts: Parts, batch: Batch) -> None:
    seed_everything(1)
    model = build_model(replace(SMALL, gate=0.0), len(parts.vocabulary), parts.features.width).eval()
    assert model.resampler is not None
    seed_everything(1)
    plain = build_model(SMALL, len(parts.vocabulary), None).eval()
    assert plain.resampler is None
    assert torch.equal(model(batch), plain(batch))
    seed_everything(1)
    ajar = build_model(replace(SMALL, gate=0.1), len(parts.vocabulary), parts.features.width).eval()
    assert not torch.equal(ajar(batch), plain(batch))


@torch.no_grad()
def test_logits_at_labels_equal_full_logits(parts: Parts, batch: Batch) -> None:
    full = parts.model.decoder.model.get_output_embeddings()(parts.model.hidden(batch))
    labelled = parts.model.logits(parts.model(batch), batch.naming)
    assert labelled.shape == (len(batch.labels), len(parts.vocabulary))
    torch.testing.assert_close(labelled, full.flatten(0, 1)[batch.answer_rows])


@torch.no_grad()
def test_a_token_never_sees_ahead(parts: Parts, batch: Batch) -> None:
    tokens = batch.tokens.clone()
    tokens[:, 30] = (tokens[:, 30] + 1) % parts.vocabulary.words
    before, after = (parts.model.hidden(replace(batch, tokens=t)) for t in (batch.tokens, tokens))
    assert torch.equal(before[:, :30], after[:, :30])
    assert not torch.equal(before[:, 30:], after[:, 30:])


@torch.no_grad()
def test_items_begin_at_the_mean_of_their_words(parts: Parts) -> None:
    model = build_model(SMALL, len(parts.vocabulary), None)
    model.initialise_items(parts.pieces, parts.vocabulary, np.arange(parts.vocabulary.items))
    tables: list[Any] = [model.decoder.model.get_input_embeddings(), model.decoder.model.get_output_embeddings()]
    item = 7
    row = slice(parts.pieces.offsets[FIRST_ITEM_PIECE + item], parts.pieces.offsets[FIRST_ITEM_PIECE + item + 1])
    words = [int(token) for token in parts.pieces.tokens[row] if token < parts.vocabulary.words]
    for table in tables:
        torch.testing.assert_close(table.weight[parts.vocabulary.words + item], table.weight[words].mean(dim=0))


@pytest.mark.parametrize("gamma", [0.0, 0.25, 0.5, 1.0, 2.0])
def test_focal_losses(gamma: float) -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.5], [-3.0, 9.0, 1.0]])
    labels = torch.tensor([0, 2, 0])
    expected = []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        p = math.exp(row[label]) / sum(math.exp(value) for value in row)
        expected.append(-((1 - p) ** gamma) * math.log(p))
    torch.testing.assert_close(focal_losses(logits, labels, gamma), torch.tensor(expected))


def test_the_gradient_flows_through_the_weight() -> None:
    """d/dz of -(1-p)^2 log p at one logit z, with p = sigmoid(z) of two classes, worked out by hand."""
    z = 0.3
    logits = torch.tensor([[z, 0.0]], requires_grad=True)
    focal_losses(logits, torch.tensor([0]), 2.0).sum().backward()
    p = 1 / (1 + math.exp(-z))
    by_hand = (2 * (1 - p) * math.log(p) - (1 - p) ** 2 / p) * p * (1 - p)
    assert logits.grad is not None
    assert logits.grad[0, 0].item() == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 1e-3, 0.5, 0.999, 1.0, 2.0])
def test_a_sure_token_has_no_loss_and_no_gradient(gamma: float) -> None:
    """Below 1 the power has an infinite derivative where its base is 0; the loss has none."""
    logits = torch.tensor([[200.0, 0.0], [1.0, 1.0]], requires_grad=True)
    losses = focal_losses(logits, torch.tensor([0, 0]), gamma)
    losses.sum().backward()
    assert losses[0].item() == 0.0
    assert logits.grad is not None and logits.grad[0].tolist() == [0.0, 0.0]
    assert torch.isfinite(logits.grad).all() and logits.grad[1, 0] < 0
