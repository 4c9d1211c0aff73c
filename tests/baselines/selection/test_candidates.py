"""Non-personalised selection: uniform, stable, and popular candidates with a share chosen on validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from baselines.selection.selectors import SHARES, best_share, near_best
from unimp_bench import registry
from unimp_bench.contracts import Selector
from unimp_bench.corpus import Corpus
from unimp_bench.kinds.selection import SelectionExamples
from unimp_bench.records import Examples, Shown

NAMES = ("pick-one", "select-all", "popular-candidates")

Fit = Callable[..., Selector[Any]]


def drawn(corpus: Corpus, part: str = "test") -> Examples:
    return registry.make_task("selection").examples(corpus, "loo", part)


def mean_f1(chosen: np.ndarray, examples: SelectionExamples) -> float:
    """By sets, one example after the other."""
    values = []
    for number in range(len(examples)):
        rows = range(examples.shown.offsets[number], examples.shown.offsets[number + 1])
        taken, liked = {row for row in rows if chosen[row]}, {row for row in rows if examples.suits[row]}
        values.append(2 * len(taken & liked) / (len(taken) + len(liked)))
    return float(np.mean(values))


def test_one_candidate_is_picked_uniformly(fit: Fit, planted: Corpus) -> None:
    """Over many seeds all candidates are picked equally often."""
    examples = drawn(planted).select(slice(0, 6)).hidden()
    seeds = 600
    turns = np.zeros(len(examples.shown.items))
    model = fit("pick-one", planted, "selection")
    for seed in range(seeds):
        model._seed = seed
        chosen = model.choose(examples)
        assert (np.bincount(examples.shown.owners(), chosen) == 1).all()
        turns += chosen
    expected = seeds / np.diff(examples.shown.offsets)[examples.shown.owners()]
    assert (((turns - expected) ** 2 / expected).sum()) < 2 * len(turns)


def test_a_pick_depends_only_on_its_example(fit: Fit, planted: Corpus) -> None:
    examples = drawn(planted).hidden()
    model = fit("pick-one", planted, "selection")
    backwards = np.arange(len(examples))[::-1]
    whole = np.split(model.choose(examples), examples.shown.offsets[1:-1])
    turned = examples.select(backwards)
    again = np.split(model.choose(turned), turned.shown.offsets[1:-1])
    assert all(np.array_equal(one, other) for one, other in zip(whole, reversed(again), strict=True))


def test_all_candidates_are_selected(fit: Fit, planted: Corpus) -> None:
    examples = drawn(planted).hidden()
    assert fit("select-all", planted, "selection").choose(examples).all()


def test_the_share_is_the_best_of_all_on_validation(fit: Fit, planted: Corpus) -> None:
    validation = drawn(planted, "validation")
    counts = np.bincount(validation.histories.items, minlength=len(planted.items)).astype(float)
    scores = counts[validation.shown.items]
    by_hand = {share: mean_f1(near_best(scores, validation.shown, share), validation) for share in SHARES}
    found = best_share(scores, validation)
    assert by_hand[found] == pytest.approx(max(by_hand.values()))
    assert len(set(by_hand.values())) > 5


def test_popular_positives_are_found(fit: Fit, planted: Corpus) -> None:
    """Where the positives are exactly the most popular candidates, nothing else is chosen."""
    model = fit("popular-candidates", planted, "selection")
    model._share = best_share(
        np.array([9.0, 1, 8, 2, 7, 3]),
        replace(
            drawn(planted).select(slice(0, 2)),
            shown=Shown(np.array([0, 3, 6]), np.arange(6)),
            suits=np.array([True, False, True, False, True, False]),
        ),
    )
    model._counts = np.array([100.0, 10, 95, 0])
    shown = Shown(np.array([0, 3, 4]), np.array([0, 1, 2, 3]))
    examples = replace(drawn(planted).select(slice(0, 2)).hidden(), shown=shown)
    assert model.choose(examples).tolist() == [True, False, True, True]


def test_equal_candidates_are_chosen_together(planted: Corpus) -> None:
    shown = Shown(np.array([0, 3, 3, 5]), np.arange(5))
    assert near_best(np.array([4.0, 4, 4, 0, 0]), shown, 0.8).all()
    assert near_best(np.array([4.0, 1, 4, 0, 2]), shown, 1.0).tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_without_candidates_selects_none(name: str, fit: Fit, planted: Corpus) -> None:
    shown = Shown(np.array([0, 0, 2]), np.array([5, 6]))
    examples = replace(drawn(planted).select(slice(0, 2)).hidden(), shown=shown)
    chosen = fit(name, planted, "selection").choose(examples)
    assert chosen.shape == (2,) and chosen.any()


@pytest.mark.parametrize("name", NAMES)
def test_loads_what_it_saved(name: str, fit: Fit, reload: Callable[..., Selector[Any]], planted: Corpus) -> None:
    model = fit(name, planted, "selection", seed=3)
    examples = drawn(planted).hidden()
    assert np.array_equal(reload(model, planted).choose(examples), model.choose(examples))
