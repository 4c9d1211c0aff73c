"""Item ids of several tokens in UniMP: pieces, answers, candidates, initial embeddings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.baselines.generative.small import give_ids
from tests.unimp.small import SMALL, Parts, fit_data
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.generative.item_ids import ItemIds, resolve_collisions, semantic_ids
from unimp_bench.registry import make_model
from unimp_bench.unimp.batches import collate
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.pieces import FIRST_ITEM_PIECE, answer_pieces, build_vocabulary, catalogue_pieces
from unimp_bench.unimp.sentences import answered, last_starts, sentences
from unimp_bench.unimp.tokens import Vocabulary


@pytest.fixture(scope="module")
def ids(parts: Parts) -> ItemIds:
    return semantic_ids(parts.corpus.items, parts.features, levels=2, codes=6, seed=0)


def semantic(parts: Parts, ids: ItemIds) -> Vocabulary:
    return Vocabulary(parts.vocabulary._tokenizer, ids)


def test_an_item_piece_contains_its_whole_id(parts: Parts, ids: ItemIds) -> None:
    vocabulary = semantic(parts, ids)
    pieces = catalogue_pieces(parts.corpus.items, vocabulary, replace(SMALL, context=("item", "picture")))
    item = int(np.flatnonzero(parts.corpus.items.has_picture)[-1])
    row = slice(*pieces.offsets[FIRST_ITEM_PIECE + item : FIRST_ITEM_PIECE + item + 2])
    first, second, last = vocabulary.item_tokens(np.array(item)).tolist()
    assert pieces.tokens[row][-5:].tolist() == [vocabulary.answer, first, second, last, vocabulary.eoc]
    assert pieces.labels[row][-5:].tolist() == [first, second, last, -1, -1]
    assert pieces.labels[row][0] == first, "the picture predicts the first code"
    assert vocabulary.decode(pieces.tokens[row][-4:-1]) == " ".join(
        ids.name(t - vocabulary.words) for t in (first, second, last)
    )


def test_an_answer_piece_is_a_whole_id(parts: Parts, ids: ItemIds) -> None:
    vocabulary = semantic(parts, ids)
    examples = parts.examples("recommendation")
    pieces, numbers = answer_pieces(examples, vocabulary)
    row = slice(*pieces.offsets[numbers[7] : numbers[7] + 2])
    assert examples.targets is not None
    tokens = vocabulary.item_tokens(examples.targets[7]).tolist()
    assert pieces.tokens[row].tolist() == [vocabulary.answer, *tokens[:-1]]
    assert pieces.labels[row].tolist() == tokens


@torch.no_grad()
def test_a_position_token_is_scored_with_the_whole_id_of_its_candidate(six: Parts, ids: ItemIds) -> None:
    vocabulary = semantic(six, ids)
    config = replace(SMALL, ids="semantic")
    here = replace(
        six,
        vocabulary=vocabulary,
        pieces=catalogue_pieces(six.corpus.items, vocabulary, config),
        model=build_model(config, len(vocabulary), six.features.width).eval(),
    )
    examples = six.examples("selection", "test").select(slice(0, 1))
    assert examples.shown is not None
    pieces, branches = answered([examples], here.pieces, vocabulary)
    batch = collate(
        sentences(pieces, branches, [last_starts(examples, 5)], vocabulary), np.array([0]), None, vocabulary
    )
    states = here.model(batch)
    plain = here.model.logits(states)
    rows = here.model.decoder.output_rows(torch.arange(len(vocabulary)))
    places = vocabulary.named([f"s_{place}" for place in range(len(examples.shown.items))])
    for label in np.flatnonzero(batch.is_task.numpy()):
        for place, item in zip(places, examples.shown.items, strict=True):
            plain[label, place] += (rows[vocabulary.item_tokens(item)] @ states[label]).sum()
    torch.testing.assert_close(here.model.logits(states, batch.naming), plain)


@torch.no_grad()
def test_a_shared_token_is_initialised_with_the_mean_over_its_items(parts: Parts, ids: ItemIds) -> None:
    vocabulary = semantic(parts, ids)
    pieces = catalogue_pieces(parts.corpus.items, vocabulary, SMALL)
    model = build_model(SMALL, len(vocabulary), parts.features.width)
    before = model.decoder.input_rows(torch.arange(len(vocabulary)))
    model.initialise_items(pieces, vocabulary, np.arange(72))
    after = model.decoder.input_rows(torch.arange(len(vocabulary)))
    means = []
    for item in np.flatnonzero(ids.codes[:, 1] == 3):
        run = pieces.tokens[pieces.offsets[1 + item] : pieces.offsets[2 + item]]
        means.append(before[[int(token) for token in run if token < vocabulary.words]].mean(dim=0))
    torch.testing.assert_close(after[vocabulary.words + 6 + 3], torch.stack(means).mean(dim=0))
    assert torch.equal(after[: vocabulary.words], before[: vocabulary.words])
    some = np.flatnonzero(ids.codes[:, 0] == 2)
    model.decoder.set_input_rows(torch.arange(len(vocabulary)), before)
    model.initialise_items(pieces, vocabulary, some)
    moved = (model.decoder.input_rows(torch.arange(len(vocabulary))) != before).any(dim=1).nonzero().flatten()
    others = vocabulary.item_tokens(np.setdiff1d(np.arange(72), some))
    assert moved.tolist() == np.setdiff1d(vocabulary.item_tokens(some), others).tolist()
    assert vocabulary.words + 2 in moved


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"beams": -1}, "beams = -1: Input should be greater than or equal to 0"),
        ({"ids": "semantic", "next_item": True}, "set ids to atomic"),
        ({"ids": "syntactic"}, "ids"),
    ],
)
def test_invalid_settings_are_one_line_errors(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        make_model("unimp", settings=settings)
    assert "\n" not in str(caught.value)


def test_stored_ids_take_the_place_of_its_own(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    """Where two items share an id, it is made distinct; atomic ids remain atomic."""
    codes = np.stack([np.arange(72) // 9, np.arange(72) % 9 // 2], axis=1)
    corpus = give_ids(planted, codes)
    data = fit_data(corpus, tmp_path, cache, "recommendation")
    assert np.array_equal(build_vocabulary(data, SMALL).ids.codes, ItemIds.atomic(72).codes)
    assert not corpus.items.features_read
    given = build_vocabulary(data, replace(SMALL, ids="semantic")).ids.codes
    assert np.array_equal(given, resolve_collisions(codes)) and corpus.items.features_read == {"ids"}
    distinct = np.stack([np.arange(72) // 9, np.arange(72) % 9], axis=1)
    data = fit_data(give_ids(planted, distinct), tmp_path, cache, "recommendation")
    assert np.array_equal(build_vocabulary(data, replace(SMALL, ids="semantic")).ids.codes, distinct)
