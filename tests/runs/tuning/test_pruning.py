"""Trials that end early, several at once, and a search that was killed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from baselines.collaborative.mf import MF
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Corpus
from unimp_bench.files import Workspace
from unimp_bench.runs.fitting import FIT_NAME
from unimp_bench.runs.runner import planned
from unimp_bench.runs.trials import Question
from unimp_bench.runs.tuned import Trial, best
from unimp_bench.runs.tuning import FINISHED, VALIDATIONS, search, space_of

BAD = 1e-9
FIXED: Mapping[str, Any] = {"epochs": 12, "validate_every": 1, "patience": 12}
OVER: Mapping[str, tuple[Any, ...]] = {"learning_rate": (1e-2, 2e-2, 3e-2, BAD)}


def question(corpus: Corpus) -> Question:
    return Question("recommendation", "mf", corpus.folder, 0, {})


def tune(corpus: Corpus, home: Path, over: Mapping[str, tuple[Any, ...]] = OVER, jobs: int = 1) -> tuple[Trial, ...]:
    space = space_of("mf", FIXED, over)
    return search(question(corpus), space, 20, Workspace(home), lambda *_: None, jobs)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The learning rates of the fits that begin."""
    begun: list[float] = []
    fit = MF.fit

    def watched(model: MF, data: FitData) -> None:
        begun.append(model.config.learning_rate)
        fit(model, data)

    monkeypatch.setattr(MF, "fit", watched)
    return begun


def test_a_bad_trial_is_pruned_and_leaves_no_fit(planted: Corpus, tmp_path: Path, fits: list[float]) -> None:
    done = tune(planted, tmp_path)
    *good, bad = done
    assert len(good) == FINISHED and all(trial.is_finished for trial in good)
    assert bad.stopped == "pruned" and bad.score is not None and bad.seconds > 0 and not bad.failed
    assert best(done) in good
    plan = planned(question(planted).request({**FIXED, "learning_rate": BAD}), Workspace(tmp_path))
    folder = Workspace(tmp_path).fits / plan.spec.fit.key
    assert not (folder / FIT_NAME).exists() and not (folder / "work").exists()
    assert tune(planted, tmp_path) == done and len(fits) == len(done), "what ended is not tried again"


def test_a_killed_search_goes_on_and_ends_as_an_undisturbed_one(
    planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tune(planted, tmp_path / "whole")
    quality, calls = MF.quality, 0

    def killed(model: MF, data: FitData) -> Any:
        nonlocal calls
        calls += 1
        if calls > FINISHED * FIXED["epochs"] + 3:
            raise KeyboardInterrupt
        return quality(model, data)

    monkeypatch.setattr(MF, "quality", killed)
    with pytest.raises(KeyboardInterrupt):
        tune(planted, tmp_path / "parted")
    monkeypatch.undo()
    done = tune(planted, tmp_path / "parted")
    assert [trial.model_copy(update={"seconds": 0.0}) for trial in done] == [
        trial.model_copy(update={"seconds": 0.0}) for trial in whole
    ]
    assert done[-1].stopped == "pruned"


def test_two_at_once_give_the_trials_of_one_after_the_other(planted: Corpus, tmp_path: Path) -> None:
    over = {"learning_rate": (1e-2, 2e-2)}
    alone = tune(planted, tmp_path / "one", over)
    both = tune(planted, tmp_path / "two", over, jobs=2)
    scores = [{trial.values["learning_rate"]: trial.score for trial in done} for done in (alone, both)]
    assert scores[0] == scores[1] and len(both) == 3


def test_a_pruned_trial_takes_no_place_and_no_validation_is_too_early() -> None:
    pruned = Trial(values={}, score=0.9, stopped="pruned")
    assert best((pruned, Trial(values={}, score=0.1))) == Trial(values={}, score=0.1)
    assert best((pruned,)) is None and VALIDATIONS > 1
