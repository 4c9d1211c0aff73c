"""Item ids: distinct, like items alike, the same again after saving, and in their place in every sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.unimp.small import SMALL, Parts
from unimp_bench.errors import DataError, UsageError
from unimp_bench.generative.item_ids import ItemIds, quantise, resolve_collisions, semantic_ids
from unimp_bench.registry import make_model
from unimp_bench.unimp.batches import collate
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.pieces import FIRST_ITEM_PIECE, answer_pieces, catalogue_pieces
from unimp_bench.unimp.sentences import answered, last_starts, sentences
from unimp_bench.unimp.tokens import Vocabulary

CODES = ItemIds(np.array([[0, 2, 0], [0, 2, 1], [1, 0, 0], [2, 1, 0]]))


@pytest.fixture(scope="module")
def ids(parts: Parts) -> ItemIds:
    return semantic_ids(parts.corpus.items, parts.features, levels=2, codes=6, seed=0)


def semantic(parts: Parts, ids: ItemIds) -> Vocabulary:
    return Vocabulary(parts.vocabulary._tokenizer, ids)


def test_an_atomic_id_is_a_token_of_its_own() -> None:
    ids = ItemIds.atomic(5)
    assert (len(ids), ids.levels, ids.size) == (5, 1, 5)
    assert ids.tokens(np.array([3, 1])).tolist() == [[3], [1]]
    assert ids.name(4) == "item_4"


def test_each_level_has_tokens_of_its_own() -> None:
    assert CODES.size == 3 + 3 + 2
    assert CODES.tokens(np.arange(4)).tolist() == [[0, 5, 6], [0, 5, 7], [1, 3, 6], [2, 4, 6]]
    assert [CODES.name(token) for token in range(8)] == [
        *("id0_0", "id0_1", "id0_2", "id1_0", "id1_1", "id1_2", "idlast_0", "idlast_1")
    ]


def test_no_two_items_have_one_id(ids: ItemIds) -> None:
    assert ids.codes.shape == (72, 3)
    assert len(np.unique(ids.codes, axis=0)) == 72
    for level in range(2):
        assert np.array_equal(np.unique(ids.codes[:, level]), np.arange(6)), "no code is dead"


def test_the_last_code_counts_the_items_that_share_the_others() -> None:
    codes = np.array([[4, 1], [0, 0], [4, 1], [4, 0], [4, 1]])
    assert resolve_collisions(codes)[:, :2].tolist() == codes.tolist()
    assert resolve_collisions(codes)[:, 2].tolist() == [0, 0, 1, 0, 2]


def test_like_items_share_codes(parts: Parts) -> None:
    """By their pictures' colour and by their words' kind, far more often than items drawn at random."""
    items, pictured = np.arange(72), parts.corpus.items.has_picture
    colour, kind = np.where(pictured, items % 24 // 12, 2), items % 4
    one, other = np.triu_indices(72, 1)
    for truth, features in ((colour, parts.features), (kind, None)):
        code = semantic_ids(parts.corpus.items, features, 1, 6, seed=0).codes[:, 0]
        together, alike = code[one] == code[other], truth[one] == truth[other]
        assert alike[together].mean() > 2 * alike.mean()


def test_each_level_codes_what_those_before_left_over() -> None:
    """Points on a grid of three by three clusters: the first level tells the far ones apart, the second the near."""
    rng = np.random.default_rng(0)
    far, near = np.repeat(np.arange(3), 30), np.tile(np.repeat(np.arange(3), 10), 3)
    points = 100 * np.eye(3)[far] + 10 * np.roll(np.eye(3), 1)[near] + 0.01 * rng.standard_normal((90, 3))
    codes = quantise(points, 2, 3, np.random.default_rng(0))
    for level, truth in enumerate((far, near)):
        assert len(np.unique(np.stack([codes[:, level], truth], axis=1), axis=0)) == 3


def test_the_seed_decides(parts: Parts, ids: ItemIds) -> None:
    again, other = (semantic_ids(parts.corpus.items, parts.features, 2, 6, seed) for seed in (0, 1))
    assert np.array_equal(ids.codes, again.codes)
    assert not np.array_equal(ids.codes, other.codes)


def test_pictures_tell_apart_what_words_do_not(parts: Parts) -> None:
    class Nameless:
        attributes = ()

        def __len__(self) -> int:
            return 72

    grey = replace(parts.features, tokens=np.zeros_like(parts.features.tokens))
    kinds = (None, grey, parts.features)
    blind, alike, seeing = (semantic_ids(Nameless(), each, 1, 6, 0) for each in kinds)  # type: ignore[arg-type]
    assert blind.bounds.tolist() == alike.bounds.tolist() == [0, 1, 73], "one code for all, and the last one counts"
    assert seeing.bounds[1] == 3, "a red picture, a blue one, or none"


def test_saved_ids_are_read_again(tmp_path: Path) -> None:
    CODES.save(tmp_path / "ids.npy")
    assert np.array_equal(ItemIds.load(tmp_path / "ids.npy", 4).codes, CODES.codes)


@pytest.mark.parametrize(
    "codes",
    [
        None,
        CODES.codes[:3],
        CODES.codes[[0, 0, 2, 3]],
        CODES.codes - 1,
        CODES.codes.astype(float),
        CODES.codes.ravel(),
        np.array([{}], dtype=object),
    ],
)
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, codes: Any) -> None:
    path = tmp_path / "ids.npy"
    if codes is None:
        path.write_bytes(b"\x93NUMPY\x01")
    else:
        np.save(path, codes)
    with pytest.raises(DataError, match="fit the model again") as caught:
        ItemIds.load(path, 4)
    assert "\n" not in str(caught.value)


def test_an_item_is_told_by_its_whole_id(parts: Parts, ids: ItemIds) -> None:
    vocabulary = semantic(parts, ids)
    pieces = catalogue_pieces(parts.corpus.items, vocabulary, replace(SMALL, context=("item", "picture")))
    item = int(np.flatnonzero(parts.corpus.items.has_picture)[-1])
    row = slice(*pieces.offsets[FIRST_ITEM_PIECE + item : FIRST_ITEM_PIECE + item + 2])
    first, second, last = vocabulary.item_tokens(np.array(item)).tolist()
    assert pieces.tokens[row][-5:].tolist() == [vocabulary.answer, first, second, last, vocabulary.eoc]
    assert pieces.labels[row][-5:].tolist() == [first, second, last, -1, -1]
    assert pieces.labels[row][0] == first, "the picture is asked for the first code"
    assert vocabulary.decode(pieces.tokens[row][-4:-1]) == " ".join(
        ids.name(t - vocabulary.words) for t in (first, second, last)
    )


def test_an_answer_is_a_whole_id(parts: Parts, ids: ItemIds) -> None:
    vocabulary = semantic(parts, ids)
    examples = parts.examples("recommendation")
    pieces, numbers = answer_pieces(examples, vocabulary)
    row = slice(*pieces.offsets[numbers[7] : numbers[7] + 2])
    assert examples.targets is not None
    tokens = vocabulary.item_tokens(examples.targets[7]).tolist()
    assert pieces.tokens[row].tolist() == [vocabulary.answer, *tokens[:-1]]
    assert pieces.labels[row].tolist() == tokens


@torch.no_grad()
def test_a_place_bears_the_whole_id_of_its_candidate(six: Parts, ids: ItemIds) -> None:
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
def test_a_shared_token_begins_at_the_mean_over_its_items(parts: Parts, ids: ItemIds) -> None:
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
def test_bad_settings_are_one_clear_line(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        make_model("unimp", settings=settings)
    assert "\n" not in str(caught.value)
