"""Item ids: distinct, shared first codes for similar items, unchanged by saving."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unimp_bench.corpus import Corpus, Items
from unimp_bench.corpus.features.pictures import PictureFeatures, picture_features
from unimp_bench.errors import DataError
from unimp_bench.generative.item_ids import ItemIds, quantise, resolve_collisions, semantic_ids

CODES = ItemIds(np.array([[0, 2, 0], [0, 2, 1], [1, 0, 0], [2, 1, 0]]))


@pytest.fixture(scope="module")
def items(planted: Corpus) -> Items:
    return planted.items


@pytest.fixture(scope="module")
def features(items: Items, tmp_path_factory: pytest.TempPathFactory) -> PictureFeatures:
    features = picture_features(items, "tiny", "", tmp_path_factory.mktemp("cache"))
    assert features is not None
    return features


@pytest.fixture(scope="module")
def ids(items: Items, features: PictureFeatures) -> ItemIds:
    return semantic_ids(items, features, levels=2, codes=6, seed=0)


def test_an_atomic_id_is_one_token_per_item() -> None:
    ids = ItemIds.atomic(5)
    assert (len(ids), ids.levels, ids.size) == (5, 1, 5)
    assert ids.tokens(np.array([3, 1])).tolist() == [[3], [1]]
    assert ids.name(4) == "item_4"


def test_levels_share_no_tokens() -> None:
    assert CODES.size == 3 + 3 + 2
    assert CODES.tokens(np.arange(4)).tolist() == [[0, 5, 6], [0, 5, 7], [1, 3, 6], [2, 4, 6]]
    assert [CODES.name(token) for token in range(8)] == [
        *("id0_0", "id0_1", "id0_2", "id1_0", "id1_1", "id1_2", "idlast_0", "idlast_1")
    ]


def test_semantic_ids_are_distinct_and_use_all_codes(ids: ItemIds) -> None:
    assert ids.codes.shape == (72, 3)
    assert len(np.unique(ids.codes, axis=0)) == 72
    for level in range(2):
        assert np.array_equal(np.unique(ids.codes[:, level]), np.arange(6)), "every code is used"


def test_the_last_code_numbers_colliding_items() -> None:
    codes = np.array([[4, 1], [0, 0], [4, 1], [4, 0], [4, 1]])
    assert resolve_collisions(codes)[:, :2].tolist() == codes.tolist()
    assert resolve_collisions(codes)[:, 2].tolist() == [0, 0, 1, 0, 2]


def test_similar_items_share_codes(items: Items, features: PictureFeatures) -> None:
    """Items with equal codes agree in colour (pictures) or kind (texts) more than twice as often as random pairs."""
    numbers = np.arange(72)
    colour, kind = np.where(items.has_picture, numbers % 24 // 12, 2), numbers % 4
    one, other = np.triu_indices(72, 1)
    for truth, given in ((colour, features), (kind, None)):
        code = semantic_ids(items, given, 1, 6, seed=0).codes[:, 0]
        together, alike = code[one] == code[other], truth[one] == truth[other]
        assert alike[together].mean() > 2 * alike.mean()


def test_each_level_quantises_the_residuals_of_the_previous_ones() -> None:
    """Points on a grid of three by three clusters: the first level separates the far ones, the second the near."""
    rng = np.random.default_rng(0)
    far, near = np.repeat(np.arange(3), 30), np.tile(np.repeat(np.arange(3), 10), 3)
    points = 100 * np.eye(3)[far] + 10 * np.roll(np.eye(3), 1)[near] + 0.01 * rng.standard_normal((90, 3))
    codes = quantise(points, 2, 3, np.random.default_rng(0))
    for level, truth in enumerate((far, near)):
        assert len(np.unique(np.stack([codes[:, level], truth], axis=1), axis=0)) == 3


def test_ids_depend_on_the_seed_alone(items: Items, features: PictureFeatures, ids: ItemIds) -> None:
    again, other = (semantic_ids(items, features, 2, 6, seed) for seed in (0, 1))
    assert np.array_equal(ids.codes, again.codes)
    assert not np.array_equal(ids.codes, other.codes)


def test_pictures_distinguish_items_with_equal_texts(items: Items, features: PictureFeatures) -> None:
    class Nameless:
        attributes = ()

        def __len__(self) -> int:
            return 72

    grey = replace(features, tokens=np.zeros_like(features.tokens))
    kinds = (None, grey, features)
    blind, alike, seeing = (semantic_ids(Nameless(), each, 1, 6, 0) for each in kinds)  # type: ignore[arg-type]
    assert blind.bounds.tolist() == alike.bounds.tolist() == [0, 1, 73], "one code for all, and the last one counts"
    assert seeing.bounds[1] == 3, "a red picture, a blue one, or none"


def test_saving_and_loading_preserves_ids(tmp_path: Path) -> None:
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
def test_a_damaged_file_is_a_one_line_error(tmp_path: Path, codes: Any) -> None:
    path = tmp_path / "ids.npy"
    if codes is None:
        path.write_bytes(b"\x93NUMPY\x01")
    else:
        np.save(path, codes)
    with pytest.raises(DataError, match="fit the model again") as caught:
        ItemIds.load(path, 4)
    assert "\n" not in str(caught.value)
