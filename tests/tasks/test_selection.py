"""Selection: positives are future items of the user, negatives items that the user never interacted with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tasks.selection import MAX_POSITIVES, Selection, SelectionConfig
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.kinds.selection import SelectionExamples
from unimp_bench.records import Examples, IntArray, Part, Split

PARTS: list[tuple[Split, Part]] = [
    ("loo", "train"),
    ("loo", "validation"),
    ("loo", "test"),
    ("new-user", "test"),
    ("new-domain", "test"),
]


def candidates(examples: SelectionExamples) -> Iterator[tuple[int, IntArray, IntArray]]:
    """User, positives and negatives of each example."""
    cuts = examples.shown.offsets[1:-1]
    rows = zip(np.split(examples.shown.items, cuts), np.split(examples.suits, cuts), strict=True)
    for user, (items, suits) in zip(examples.users, rows, strict=True):
        yield int(user), items[suits], items[~suits]


def everything_of(corpus: Corpus, user: int) -> set[int]:
    histories = corpus.histories
    return set(histories.items[histories.offsets[user] : histories.offsets[user + 1]].tolist())


@pytest.mark.parametrize(("split", "part"), PARTS)
def test_candidates_are_valid(planted: Corpus, split: Split, part: Part) -> None:
    examples = Selection().examples(planted, split, part)
    for number, (user, liked, others) in enumerate(candidates(examples)):
        assert len(set(liked) | set(others)) == len(liked) + len(others)
        assert not everything_of(planted, user) & set(others.tolist())
        assert not set(examples.history(number).tolist()) & set(liked.tolist())
        assert examples.targets is not None and examples.targets[number] in liked
        assert 1 <= len(liked) <= MAX_POSITIVES
        assert 2 <= len(others) <= 7
        domain = planted.users.domains[user]
        assert (planted.items.domains[others] == domain).all()


def test_test_positives_are_not_in_the_training_data(planted: Corpus) -> None:
    train = Selection().examples(planted, "loo", "train")
    trained = {user: set(train.histories.items[a:b].tolist()) for user, (a, b) in _spans(train).items()}
    counts = {}
    for part in ("validation", "test"):
        for user, liked, _ in candidates(Selection().examples(planted, "loo", part)):  # type: ignore[arg-type]
            assert not trained[user] & set(liked.tolist())
            held_out = planted.histories.items[planted.histories.offsets[user + 1] - (2 if part == "validation" else 1)]
            assert liked.tolist() == [held_out], "nothing that models were selected on is a test target"
            counts.setdefault(part, set()).add(len(liked))
    assert counts == {"validation": {1}, "test": {1}}


def test_new_users_have_up_to_three_positives(planted: Corpus) -> None:
    numbers = {len(liked) for _, liked, _ in candidates(Selection().examples(planted, "new-domain", "test"))}
    assert numbers == {1, 2, 3}


def test_histories_end_before_the_positives(planted: Corpus) -> None:
    examples = Selection().examples(planted, "loo", "test")
    for user, liked, _ in candidates(examples):
        known = examples.histories.items[examples.histories.offsets[user] : examples.histories.offsets[user + 1]]
        assert not set(known.tolist()) & set(liked.tolist())


def test_draws_are_reproducible_and_positions_uninformative(planted: Corpus) -> None:
    first, second = (Selection().examples(planted, "loo", "train") for _ in range(2))
    assert first.shown is not None and second.shown is not None
    assert np.array_equal(first.shown.items, second.shown.items)
    sizes = np.diff(first.shown.offsets)
    place = np.arange(len(first.suits)) - np.repeat(first.shown.offsets[:-1], sizes)
    at_start, at_end = first.suits[place == 0].mean(), first.suits[place == np.repeat(sizes, sizes) - 1].mean()
    assert abs(at_start - at_end) < 0.06


def test_hard_negatives_share_the_category(planted: Corpus) -> None:
    category = np.array(planted.items.text("category"))
    hard = Selection(SelectionConfig(negatives="same-category", fewest=1, most=2))
    examples = hard.examples(planted, "loo", "test")
    assert examples.targets is not None
    same = [
        (category[others] == category[examples.targets[number]]).mean()
        for number, (_, _, others) in enumerate(candidates(examples))
    ]
    assert np.mean(same) > 0.9


def test_options_are_checked_by_name_and_value() -> None:
    with pytest.raises(UsageError, match="did you mean 'negatives'"):
        registry.make_task("selection", {"negative": "uniform"})
    with pytest.raises(UsageError, match="must be at least 1 and not exceed"):
        registry.make_task("selection", {"fewest": "5", "most": "2"})
    with pytest.raises(UsageError, match="negatives = 'hardest'"):
        registry.make_task("selection", {"negatives": "hardest"})


def _spans(examples: Examples) -> dict[int, tuple[int, int]]:
    offsets = examples.histories.offsets
    return {user: (int(offsets[user]), int(offsets[user + 1])) for user in range(examples.histories.users)}
