"""The search: finds the planted optimum on validation alone, resumes, and continues after failed trials."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from baselines.transition_graph import TransitionGraph
from tasks.recommendation import Recommendation
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Corpus
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.files import Workspace, locked
from unimp_bench.records import Examples, Part, Split
from unimp_bench.runs.trials import Question
from unimp_bench.runs.tuned import Trial, best
from unimp_bench.runs.tuning import search, space_of

MODEL = "transition-graph"
OVER: Mapping[str, tuple[Any, ...]] = {"window": ("1", "3"), "reverse": ("0", "1")}


class Watch:
    """Settings of the fits; fits from the ``stop``-th on are interrupted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fitted: list[Any] = []
        self.stop: int | None = None
        self.refused: list[int] = []
        fit = TransitionGraph.fit

        def watched(model: TransitionGraph, data: FitData) -> None:
            if len(self.fitted) == self.stop:
                raise KeyboardInterrupt
            if model.config.window in self.refused:
                raise ModelError("not this one")
            self.fitted.append(model.config)
            fit(model, data)

        monkeypatch.setattr(TransitionGraph, "fit", watched)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


def tune(
    corpus: Corpus,
    home: Path,
    over: Mapping[str, tuple[Any, ...]] = OVER,
    *,
    fixed: Mapping[str, Any] | None = None,
    trials: int = 20,
    seed: int = 0,
) -> tuple[Trial, ...]:
    question = Question("recommendation", MODEL, corpus.folder, seed, {})
    space = space_of(MODEL, fixed or {}, over)
    reported: list[Trial] = []
    done = search(question, space, trials, Workspace(home), lambda count, trial: reported.append(trial))
    assert tuple(reported) == done
    return done


def test_a_small_grid_is_searched_exhaustively(planted: Corpus, tmp_path: Path) -> None:
    """Users follow the cycle, each item once: past items never come next."""
    done = tune(planted, tmp_path)
    points = [tuple(trial.values.values()) for trial in done]
    assert points[0] == (3, 0.5), "the first trial is the model as it is"
    assert set(points) == {(window, reverse) for window in (1, 3) for reverse in (0.0, 0.5, 1.0)} and len(points) == 6
    winner = best(done)
    assert winner is not None and winner.values == {"window": 1, "reverse": 0.0}
    scores = {tuple(trial.values.values()): trial.score for trial in done}
    assert scores[1, 0.0] > scores[1, 1.0] + 0.05  # type: ignore[operator]


def test_a_large_space_is_sampled_by_seed(planted: Corpus, tmp_path: Path, watch: Watch) -> None:
    first = tune(planted, tmp_path, {}, trials=7)
    assert len(first) == len(watch.fitted) == 7
    own = TransitionGraph.Config()
    assert first[0].values == {key: getattr(own, key) for key in TransitionGraph.space}
    assert len({str(trial.values) for trial in first}) == 7, "no point twice"
    assert tune(planted, tmp_path, {}, trials=7) == first
    other = tune(planted, tmp_path, {}, trials=7, seed=1)
    assert {str(trial.values) for trial in other} != {str(trial.values) for trial in first}


def test_an_interrupted_search_resumes_without_refitting(planted: Corpus, tmp_path: Path, watch: Watch) -> None:
    watch.stop = 3
    with pytest.raises(KeyboardInterrupt):
        tune(planted, tmp_path)
    watch.stop = None
    done = tune(planted, tmp_path)
    assert len(done) == len(watch.fitted) == len(set(watch.fitted)) == 6
    assert tune(planted, tmp_path) == done and len(watch.fitted) == 6


def test_the_test_part_is_never_drawn(planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Part] = []
    examples = Recommendation.examples

    def watched(task: Recommendation, corpus: Corpus, split: Split, part: Part) -> Examples:
        drawn.append(part)
        assert part != "test"
        return examples(task, corpus, split, part)

    monkeypatch.setattr(Recommendation, "examples", watched)
    tune(planted, tmp_path, {"window": (1,)})
    assert set(drawn) == {"train", "validation"}


def test_a_failed_trial_has_a_reason_and_does_not_stop_others(planted: Corpus, tmp_path: Path, watch: Watch) -> None:
    watch.refused = [2]
    done = tune(planted, tmp_path, {"window": (1, 2)})
    assert [(trial.values["window"], trial.failed) for trial in done] == [(3, ""), (1, ""), (2, "not this one")]
    assert done[2].score is None and best(done) in done[:2]
    watch.refused = [4]
    with pytest.raises(ModelError, match="each of 2 trials failed; the first one: not this one"):
        tune(planted, tmp_path, {"recent": (4,)}, fixed={"window": 4})


def test_a_locked_fit_is_not_a_failed_trial(planted: Corpus, tmp_path: Path) -> None:
    done = tune(planted, tmp_path, {"window": (1,)})
    fits = sorted(Workspace(tmp_path).fits.iterdir())
    assert len(fits) == len(done) == 2
    for fit in fits:
        (fit / "validation-paper.json").unlink()
    with locked(fits[0]), pytest.raises(UsageError, match="locked by another process"):
        tune(planted, tmp_path, {"window": (1,)})


def test_fixed_settings_are_not_searched(planted: Corpus, tmp_path: Path) -> None:
    space = space_of(MODEL, {"window": "1", "decay": "0.9"}, {})
    assert set(space.values) == {"reverse", "damping"} and space.fixed == {"window": 1, "decay": 0.9}
    with pytest.raises(UsageError, match="window is set for all trials"):
        space_of(MODEL, {"window": "1"}, OVER)


@pytest.mark.parametrize(
    ("model", "over", "message"),
    [
        (MODEL, {"windw": ("1",)}, "did you mean 'window'"),
        (MODEL, {"window": ("one",)}, "window = 'one'"),
        (MODEL, {"window": ("0",)}, "window = '0'"),
        ("popularity", {}, "popularity has no search space"),
    ],
)
def test_invalid_spaces_are_refused(model: str, over: Mapping[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        space_of(model, {}, over)
    assert "\n" not in str(caught.value)


def test_an_invalid_problem_is_refused_before_any_fit(planted: Corpus, tmp_path: Path) -> None:
    question = Question("preference", MODEL, planted.folder, 0, {})
    with pytest.raises(UsageError, match="does not serve preference"):
        search(question, space_of(MODEL, {}, OVER), 3, Workspace(tmp_path), lambda *_: None)
