"""Counted neighbours, ItemKNN and EASE against their formulas written as loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from baselines.collaborative import item_to_item
from baselines.collaborative.ease import EASE, EASEConfig, closed_form
from baselines.collaborative.item_to_item import neighbours
from tests.baselines.collaborative.small import HISTORIES, ITEMS, examples, interactions, matrix
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import ModelError, UsageError

Fit = Callable[..., Any]


def together(first: int, second: int) -> int:
    return sum(first in history and second in history for history in HISTORIES)


def nearest(item: int, k: int, weights: dict[tuple[int, int], float]) -> list[int]:
    others = [other for other in range(ITEMS) if weights.get((item, other), 0) > 0]
    return sorted(others, key=lambda other: (-weights[item, other], other))[:k]


@pytest.mark.parametrize("pairs", [1, 1 << 22])
@pytest.mark.parametrize("k", [1, 2, 9])
def test_neighbours_are_the_strongest(k: int, pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_to_item, "BLOCK_PAIRS", pairs)  # with 1, every item is a block of its own
    found = neighbours(matrix(), k, lambda counts, first, second: counts / (1 + second), "test").toarray()
    weights = {(i, j): together(i, j) / (1 + j) for i in range(ITEMS) for j in range(ITEMS) if i != j}
    expected = np.zeros((ITEMS, ITEMS))
    for item in range(ITEMS):
        for other in nearest(item, k, weights):
            expected[item, other] = weights[item, other]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(("k", "shrink"), [(1, 0.0), (2, 3.0)])
def test_itemknn_sums_shrunk_cosines(fit: Fit, planted: Corpus, k: int, shrink: float) -> None:
    model = fit("itemknn", planted, "recommendation", neighbours=k, shrink=shrink)
    train = registry.make_task("recommendation").examples(planted, "loo", "train").histories
    buyers = [
        set(np.searchsorted(train.offsets, np.flatnonzero(train.items == item), side="right").tolist())
        for item in range(len(planted.items))
    ]
    items = catalogue(planted, "loo")
    test = registry.make_task("recommendation").examples(planted, "loo", "test").select(slice(0, 3))
    scores = model.score(test.hidden(), items)
    for row in range(len(test)):
        expected = dict.fromkeys(items.tolist(), 0.0)
        for bought in test.history(row).tolist():
            shared = {other: len(buyers[bought] & buyers[other]) for other in expected if other != bought}
            cosines = {
                other: count / (np.sqrt(len(buyers[bought]) * len(buyers[other])) + shrink)
                for other, count in shared.items()
                if count
            }
            for other in sorted(cosines, key=lambda other: (-cosines[other], other))[:k]:
                expected[other] += cosines[other]
        assert scores[row] == pytest.approx(list(expected.values()), rel=1e-5)
        assert max(expected.values()) > 0


def test_ease_is_the_best_linear_map_without_a_diagonal() -> None:
    """Column by column: ridge regression of an item on all others."""
    l2, dense = 0.7, matrix().toarray().astype(np.float64)
    weights = closed_form(matrix(), l2)
    for item in range(ITEMS):
        others = [other for other in range(ITEMS) if other != item]
        known, wanted = dense[:, others], dense[:, item]
        ridge = np.linalg.solve(known.T @ known + l2 * np.eye(len(others)), known.T @ wanted)
        np.testing.assert_allclose(weights[others, item], ridge, atol=1e-6)
        assert weights[item, item] == 0


def test_ease_does_not_depend_on_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = closed_form(matrix(), 0.7)
    monkeypatch.setattr("baselines.collaborative.ease._STRIPE", 4)
    np.testing.assert_allclose(closed_form(matrix(), 0.7), whole, atol=1e-7)


def test_ease_in_float32_is_near_float64() -> None:
    """Long histories and the minimum ``l2`` of the search space: condition number 2,000, as on MovieLens."""
    rng = np.random.default_rng(0)
    dense = (rng.random((1500, 300)) < 20 / np.arange(10, 310)).astype(np.float64)
    gram, least = dense.T @ dense, min(EASE.space["l2"])
    assert np.linalg.cond(gram + least * np.eye(300)) > 2000
    inverse = np.linalg.inv(gram + least * np.eye(300))
    exact = -inverse / np.diag(inverse)
    np.fill_diagonal(exact, 0)
    found = closed_form(sparse.csr_array(dense, dtype=np.float32), least)
    assert np.abs(found - exact).max() < 1e-4 * np.abs(exact).max()


def test_ease_refuses_a_catalogue_that_does_not_fit(fit: Fit, planted: Corpus) -> None:
    items = len(catalogue(planted, "loo"))
    need = 4 * items**2 / 2**30
    fit("ease", planted, "recommendation", memory_gib=need * 1.01)
    with pytest.raises(UsageError, match=rf"dense matrix of {items} x {items} items, more than the setting memory_gib"):
        fit("ease", planted, "recommendation", memory_gib=need * 0.99)


def test_ease_refuses_before_it_allocates() -> None:
    many = interactions(items=124_000)
    with pytest.raises(UsageError, match=r"ease needs 57\.3 GiB .* 124,000 x 124,000 items"):
        EASE(EASEConfig()).weigh(many.matrix)


def test_ease_reports_a_singular_matrix() -> None:
    twins = interactions(((0, 1), (0, 1), (0, 1)), items=2)
    with pytest.raises(ModelError, match="try a larger l2"):
        closed_form(twins.matrix, 1e-12)


@pytest.mark.parametrize("name", ["itemknn", "ease"])
def test_scores_depend_on_the_history_and_not_on_the_user(name: str, fit: Fit, planted: Corpus) -> None:
    """The history includes the validation item in the test part; the user number has no effect."""
    model, items = fit(name, planted, "recommendation"), catalogue(planted, "loo")
    task = registry.make_task("recommendation")
    test = task.examples(planted, "loo", "test").hidden()
    earlier = task.examples(planted, "loo", "validation").hidden()
    assert not np.allclose(model.score(test, items)[:8], model.score(earlier, items)[:8])
    new = registry.make_task("recommendation").examples(planted, "new-user", "test").hidden()
    assert np.ptp(model.score(new, items), axis=1).min() > 0


def test_an_unknown_item_is_refused(fit: Fit, planted: Corpus) -> None:
    model = fit("itemknn", planted, "recommendation")
    with pytest.raises(UsageError, match="was not in the catalogue"):
        model.score(examples(((len(planted.items) - 1,),)), catalogue(planted, "loo"))
