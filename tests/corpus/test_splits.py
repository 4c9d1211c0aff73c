"""Leave-one-out: who is evaluated, what is the target, and that no test target can be reached."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.errors import UsageError
from unimp_bench.kinds.rendering import Renderer
from unimp_bench.registry import make_task


def test_targets_are_the_last_and_the_one_before(planted: Corpus) -> None:
    test = target_examples(planted, "loo", "test", "recommendation")
    validation = target_examples(planted, "loo", "validation", "recommendation")
    everything = planted.histories
    ends = everything.offsets[test.users + 1]
    assert np.array_equal(test.targets, everything.items[ends - 1])
    assert np.array_equal(validation.targets, everything.items[ends - 2])
    assert np.array_equal(test.last_items(1)[:, 0], validation.targets)


def test_training_holds_no_target_of_validation_or_test(planted: Corpus) -> None:
    train = target_examples(planted, "loo", "train", "recommendation")
    kept = planted.users.held_out | (planted.users.domains == 2)
    expected = np.where(kept, 0, planted.histories.lengths() - 2)
    assert np.array_equal(train.histories.lengths(), expected)
    assert len(train) == int(np.maximum(expected - 1, 0).sum())
    first = int(train.users[0])
    assert np.array_equal(train.history(0), planted.histories.items[planted.histories.offsets[first] :][:1])


def test_users_of_the_splits_partition_all_users(planted: Corpus) -> None:
    users = [target_examples(planted, split, "test", "t").users for split in ("loo", "new-user", "new-domain")]
    assert sorted(np.concatenate(users)) == list(range(240))


def test_catalogues_partition_the_items(planted: Corpus) -> None:
    assert np.array_equal(catalogue(planted, "loo"), np.arange(48))
    assert np.array_equal(catalogue(planted, "new-user"), np.arange(48))
    assert np.array_equal(catalogue(planted, "new-domain"), np.arange(48, 72))


def test_an_item_sold_in_two_domains_is_in_both_catalogues(planted: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    histories = planted.histories
    items = histories.items.copy()
    office = np.flatnonzero(planted.users.domains == 2)[0]
    items[histories.offsets[office]] = 3
    monkeypatch.setitem(planted.__dict__, "histories", dataclasses.replace(histories, items=items))
    assert 3 in catalogue(planted, "loo") and 3 in catalogue(planted, "new-domain")
    test = target_examples(planted, "new-domain", "test", "t")
    assert np.isin(test.targets, catalogue(planted, "new-domain")).all()


def test_only_loo_is_fitted_on(planted: Corpus) -> None:
    with pytest.raises(UsageError, match="only a test part"):
        target_examples(planted, "new-user", "train", "t")


def test_search_queries_are_the_category_of_the_target(planted: Corpus) -> None:
    task = make_task("search")
    examples = task.examples(planted, "loo", "test")
    example = next(Renderer(planted, task.instruction).render(examples.select(slice(3, 4))))
    assert example.query == planted.items.text("category")[planted.items.names.index(example.target)]
    assert example.instruction.startswith(example.query)
    assert example.target not in example.history


def test_last_items_are_right_aligned(planted: Corpus) -> None:
    train = target_examples(planted, "loo", "train", "t")
    window = train.last_items(5)
    for number in range(20):
        history = train.history(number)[-5:]
        assert np.array_equal(window[number][5 - len(history) :], history)
        assert (window[number][: 5 - len(history)] == -1).all()
