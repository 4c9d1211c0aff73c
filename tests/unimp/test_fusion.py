"""Gated cross-attention: exclusive to an item's own picture, and nothing at all while its gates are shut."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.unimp.small import SMALL, Parts
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.network.fusion import FusedLayer, GatedCrossAttention, Media, OwnMedia
from unimp_bench.unimp.network.model import UniMPModel
from unimp_bench.unimp.sentence.batches import Batch, collate
from unimp_bench.unimp.sentence.pieces import FIRST_ITEM_PIECE


@pytest.fixture
def batch(parts: Parts) -> Batch:
    examples = parts.examples("search", "test").select(slice(0, 4))
    return collate(parts.asked(examples), np.arange(4), parts.features, parts.vocabulary)


def fused(model: UniMPModel, batch: Batch, hidden: Tensor) -> tuple[GatedCrossAttention, Media, Tensor]:
    assert model.resampler is not None
    layer = model.decoder.layers[1]
    assert isinstance(layer, FusedLayer)
    media = OwnMedia.of(model.resampler(batch.pictures), batch)
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
    model = UniMPModel(replace(SMALL, gate=0.0), len(parts.vocabulary), parts.features.width).eval()
    assert model.resampler is not None
    seed_everything(1)
    plain = UniMPModel(SMALL, len(parts.vocabulary), None).eval()
    assert plain.resampler is None
    assert torch.equal(model(batch), plain(batch))
    seed_everything(1)
    ajar = UniMPModel(replace(SMALL, gate=0.1), len(parts.vocabulary), parts.features.width).eval()
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
    model = UniMPModel(SMALL, len(parts.vocabulary), None)
    model.describe_items(parts.pieces, parts.vocabulary, np.arange(parts.vocabulary.items))
    tables: list[Any] = [model.decoder.model.get_input_embeddings(), model.decoder.model.get_output_embeddings()]
    item = 7
    row = slice(parts.pieces.offsets[FIRST_ITEM_PIECE + item], parts.pieces.offsets[FIRST_ITEM_PIECE + item + 1])
    words = [int(token) for token in parts.pieces.tokens[row] if token < parts.vocabulary.words]
    for table in tables:
        torch.testing.assert_close(table.weight[parts.vocabulary.words + item], table.weight[words].mean(dim=0))
