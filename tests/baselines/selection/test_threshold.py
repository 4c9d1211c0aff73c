"""Recommenders that select: the threshold is optimal on validation, and a fitted model selects next items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.selection.selectors import FILE, Threshold
from unimp_bench import registry
from unimp_bench.contracts import Model, Selector
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError
from unimp_bench.files import Workspace
from unimp_bench.kinds.selection import SelectionExamples
from unimp_bench.metrics.selection import selection_scores
from unimp_bench.records import BoolArray, Examples, FloatArray, Histories, Shown
from unimp_bench.runs.fitting import fit_or_load
from unimp_bench.runs.runner import RunRequest, run, specify

QUICK: dict[str, dict[str, Any]] = {
    "s3rec": {"epochs": 30, "pretraining_epochs": 10, "width": 32, "inner": 64, "dropout": 0.1, "learning_rate": 5e-3},
    "mmssl": {"epochs": 10},
}


def shown(suits: list[list[int]]) -> SelectionExamples:
    """Examples with the given relevance of candidates, 1 for positives."""
    offsets = np.cumsum([0, *map(len, suits)])
    nobody = Histories(np.zeros(len(suits) + 1, np.int64), np.zeros(0, int), np.zeros(0), np.zeros(0, int))
    return SelectionExamples(
        "selection",
        "loo",
        "validation",
        nobody,
        np.arange(len(suits)),
        np.zeros(len(suits), np.int64),
        None,
        shown=Shown(offsets, np.arange(offsets[-1])),
        suits=np.concatenate(suits).astype(bool),
    )


def f1(chosen: BoolArray, examples: SelectionExamples) -> float:
    """By the metric that results are scored with."""
    return selection_scores(chosen, examples.suits, examples.shown.offsets)["F1"].value


def by_hand(scores: FloatArray, examples: Examples, rule: Threshold) -> BoolArray:
    """One candidate after the other, from the definition."""
    chosen = np.zeros(len(scores), dtype=bool)
    for start, stop in zip(examples.shown.offsets[:-1], examples.shown.offsets[1:], strict=True):
        best = max(scores[start:stop])
        for row in range(start, stop):
            asked = scores[row] - best if rule.relative else scores[row]
            chosen[row] = scores[row] == best or asked >= rule.least
    return chosen


@pytest.mark.parametrize("relative", [False, True])
def test_selection_follows_the_definition(relative: bool) -> None:
    rng = np.random.default_rng(0)
    examples, scores = shown([[1, 0, 0], [0, 1], [1, 1, 0, 0]]), rng.normal(size=9)
    for least in (-1.0, 0.0, 0.3):
        rule = Threshold(relative, least)
        assert rule.chosen(scores, examples.shown).tolist() == by_hand(scores, examples, rule).tolist()


def test_scores_of_one_scale_get_an_absolute_threshold_and_others_a_relative_one() -> None:
    rng = np.random.default_rng(1)
    suits = [(rng.random(4) < 0.5).astype(int).tolist() for _ in range(60)]
    suits = [[1, *row] for row in suits]
    examples = shown(suits)
    truth = np.concatenate(suits) * 2.0 + rng.random(len(examples.suits))
    assert f1(Threshold.best(truth, examples).chosen(truth, examples.shown), examples) == 1.0
    moved = truth + 100 * rng.normal(size=len(suits))[examples.shown.owners()]
    rule = Threshold.best(moved, examples)
    assert rule.relative and f1(rule.chosen(moved, examples.shown), examples) == 1.0
    lonely = shown([[1, 0, 0]] * 30 + [[1, 1, 1]] * 30)  # the best scores one, or all: only an absolute one can tell
    scores = np.concatenate([np.tile([3.0, 2.4, 2.4], 30), np.tile([5.0, 4.4, 4.4], 30)])
    rule = Threshold.best(scores, lonely)
    assert not rule.relative and f1(rule.chosen(scores, lonely.shown), lonely) == 1.0


def test_the_chosen_threshold_is_optimal() -> None:
    rng = np.random.default_rng(2)
    examples = shown([[1, 0, 0, 0, 0]] * 40)
    scores = rng.normal(size=200) + 1.5 * examples.suits
    best = f1(Threshold.best(scores, examples).chosen(scores, examples.shown), examples)
    for relative in (False, True):
        for least in np.linspace(-6, 4, 81):
            assert f1(Threshold(relative, least).chosen(scores, examples.shown), examples) <= best + 0.02


@pytest.mark.parametrize("name", QUICK)
def test_a_recommender_learns_to_select(name: str, planted: Corpus, tmp_path: Path) -> None:
    """On the planted ring the next item follows from the order (s3rec) or at least from the domain's neighbours."""
    workspace = Workspace(tmp_path)
    request = RunRequest("selection", name, planted.folder, settings=QUICK[name])
    floor = run(RunRequest("selection", "pick-one", planted.folder), workspace)[0].metrics["F1"].value
    result, _ = run(request, workspace)
    assert result.metrics["F1"].value > floor + {"s3rec": 0.25, "mmssl": 0.05}[name]


def test_a_fit_on_both_tasks_predicts_both(planted: Corpus, tmp_path: Path) -> None:
    settings = QUICK["s3rec"] | {"epochs": 2, "pretraining_epochs": 0}
    both = ("recommendation", "selection")
    for task in both:
        result, _ = run(RunRequest(task, "s3rec", planted.folder, settings=settings, fit_on=both), Workspace(tmp_path))
        assert result.examples > 0
    assert len(list((tmp_path / "runs" / "fits").iterdir())) == 1


def test_a_damaged_threshold_is_a_one_line_error(planted: Corpus, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    request = RunRequest("selection", "s3rec", planted.folder, settings={"epochs": 1, "pretraining_epochs": 0})
    run(request, workspace)
    model: Model[Any] = registry.make_model("s3rec", settings=request.settings)
    assert isinstance(model, Selector)
    spec = specify(request, registry.make_task("selection"), model, planted)
    (workspace.fits / spec.fit.key / "model-paper" / FILE).write_text("{}")
    with pytest.raises(DataError, match="fit the model again"):
        fit_or_load(model, spec.fit, planted, workspace, "paper", fresh=False)
