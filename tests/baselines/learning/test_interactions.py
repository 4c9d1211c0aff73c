"""The renumbered training part, and negative sampling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from baselines.learning.interactions import FILE, Interactions, NegativeSampler
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import DataError, UsageError
from unimp_bench.ragged import Ragged


@pytest.fixture
def interactions(planted: Corpus) -> Interactions:
    train = registry.make_task("recommendation").examples(planted, "loo", "train")
    return Interactions.of(train, catalogue(planted, "loo"))


def test_rows_map_back_to_corpus_numbers(planted: Corpus, interactions: Interactions) -> None:
    histories = registry.make_task("recommendation").examples(planted, "loo", "train").histories
    user = 5
    number = interactions.users[user]
    expected = histories.items[histories.offsets[number] : histories.offsets[number + 1]]
    found = interactions.items[interactions.sequences[user]]
    assert found.tolist() == expected.tolist()
    assert interactions.user_rows(np.array([number])).tolist() == [user]
    assert (histories.lengths()[interactions.users] > 0).all() and len(interactions) == len(histories)


def test_the_matrix_counts_a_pair_once() -> None:
    twice = Interactions(np.arange(2), np.arange(4), Ragged.of_rows([[1, 1, 2], [0]], np.int64))
    assert twice.matrix.toarray().tolist() == [[0, 1, 1, 0], [1, 0, 0, 0]]


def test_unknown_users_and_items_are_refused(interactions: Interactions) -> None:
    with pytest.raises(UsageError, match="cannot score new users"):
        interactions.user_rows(np.array([10**6]))
    with pytest.raises(UsageError, match="not in the catalogue"):
        interactions.item_rows(np.array([[0, 10**6]]))


def test_loads_what_it_saved(interactions: Interactions, tmp_path: Path) -> None:
    interactions.write(tmp_path)
    read = Interactions.read(tmp_path)
    pairs = [(read, interactions), (read.sequences, interactions.sequences)]
    names = [("users", "items"), ("offsets", "values")]
    for (one, other), columns in zip(pairs, names, strict=True):
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in columns)
    (tmp_path / FILE).write_bytes(b"nonsense")
    with pytest.raises(DataError, match="fit the model again"):
        Interactions.read(tmp_path)


def test_negatives_are_uniform_over_items_without_interaction() -> None:
    known = Interactions(np.arange(2), np.arange(6), Ragged.of_rows([[0, 1, 2, 3], [5]], np.int64))
    drawn = NegativeSampler(known).draw(np.repeat([[0], [1]], 30_000, axis=1), np.random.default_rng(0))
    assert drawn.shape == (2, 30_000)
    shares = [np.bincount(row, minlength=6) / 30_000 for row in drawn]
    np.testing.assert_allclose(shares[0], [0, 0, 0, 0, 0.5, 0.5], atol=0.015)
    np.testing.assert_allclose(shares[1], [0.2, 0.2, 0.2, 0.2, 0.2, 0], atol=0.015)


def test_a_user_of_all_items_has_no_negative() -> None:
    with pytest.raises(UsageError, match="no negative"):
        NegativeSampler(Interactions(np.arange(1), np.arange(2), Ragged.of_rows([[0, 1]], np.int64)))


def test_the_former_file_of_recbole_models_is_read(interactions: Interactions, tmp_path: Path) -> None:
    """One row per interaction, in corpus numbers."""
    former = {
        "user_numbers": interactions.users[interactions.owners].astype(np.int32),
        "item_numbers": interactions.items[interactions.sequences.values].astype(np.int32),
        "catalogue": interactions.items.astype(np.int32),
    }
    save_file(former, tmp_path / FILE)
    read = Interactions.read(tmp_path)
    assert np.array_equal(read.users, interactions.users) and np.array_equal(read.items, interactions.items)
    assert np.array_equal(read.sequences.offsets, interactions.sequences.offsets)
    assert np.array_equal(read.sequences.values, interactions.sequences.values)
