"""Hyper-parameter search: every trial is an ordinary fit, scored by validation; the test part is never drawn."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import default_split
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.files import Workspace, write_atomically
from unimp_bench.kinds import Setting, draw_examples
from unimp_bench.records import Protocol
from unimp_bench.runs.fitting import (
    FIT_NAME,
    SCORE_NAME,
    FitCost,
    check_selectable,
    corpus_cache,
    fit_or_load,
    unknown_users,
    validation_scores,
)
from unimp_bench.runs.runner import Planned, RunRequest, planned
from unimp_bench.runs.tuned import Trial
from unimp_bench.settings import Strict

if TYPE_CHECKING:
    import optuna


Point = tuple[int, ...]


@dataclass(frozen=True)
class Space:
    """A grid; a point is the place of each setting's value.

    Attributes:
        values: of each searched setting, typed, the model's own value first.
        fixed: settings that are the same everywhere, typed.
    """

    values: Mapping[str, tuple[Any, ...]]
    fixed: Mapping[str, Any]

    def __len__(self) -> int:
        size = 1
        for values in self.values.values():
            size *= len(values)
        return size

    def points(self) -> Iterator[Point]:
        """Every point; the first one is the model as it is."""
        return product(*(range(len(values)) for values in self.values.values()))

    def at(self, point: Point) -> dict[str, Any]:
        """The values at a point, by setting."""
        return {key: values[place] for (key, values), place in zip(self.values.items(), point, strict=True)}


def space_of(model: str, fixed: Mapping[str, Any], over: Mapping[str, tuple[Any, ...]]) -> Space:
    """The space of a model.

    Args:
        model: by name.
        fixed: settings for all trials.
        over: settings and their values, instead of the model's own space; values may be text.

    Raises:
        UsageError: an unknown setting, a value that does not fit, or nothing to search.
    """
    own = registry.make_model(model, settings=fixed)
    for key in over:
        if key in fixed:
            raise UsageError(f"{key} is set for all trials and cannot be searched")
    named = over or {key: values for key, values in type(own).space.items() if key not in fixed}
    if not named:
        raise UsageError(f"{model} has no search space; give one with --over KEY=VALUE,VALUE")
    return Space(
        values={key: _values(model, fixed, key, values) for key, values in named.items()},
        fixed={key: _plain(getattr(own.config, key)) for key in fixed},
    )


def _values(model: str, fixed: Mapping[str, Any], key: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The model's own value and the others, each as the configuration holds it, none twice."""
    changes: list[dict[str, Any]] = [{}, *({key: value} for value in values)]
    made = [registry.make_model(model, settings={**fixed, **change}).config for change in changes]
    found = [_plain(getattr(config, key)) for config in made]
    return tuple({json.dumps(value): value for value in found}.values())


def _plain(value: Any) -> Any:
    """A value as JSON gives it back."""
    return json.loads(json.dumps(value))


_REPEATS = 50
"""How often in a row the sampler may propose what was tried before, until the search counts as done."""


@dataclass(frozen=True)
class Question:
    """What all trials are asked; ``options`` are those of the task that differ from its own."""

    task: str
    model: str
    corpus: Path
    seed: int
    options: Mapping[str, str]
    protocol: Protocol = "paper"


class _Score(Strict):
    """The validation score of a fit."""

    score: float


def search(
    question: Question, space: Space, trials: int, workspace: Workspace, tell: Callable[[int, Trial], None]
) -> tuple[Trial, ...]:
    """Try the model as it is, and other points of its space: all of them where they are no more than ``trials``.

    Args:
        question: what is asked.
        space: what is tried.
        trials: how many points at most.
        workspace: where fits are.
        tell: called with the number of points that the search will try and each trial that has ended.

    Raises:
        UsageError: the question cannot be asked at all, or there are no validation examples.
        ModelError: every trial failed.
    """
    plan = planned(_request(question, space.fixed), workspace)
    _check_selectable(plan, workspace)
    asked = _Asked(question, space, workspace)
    count = min(trials, len(space))
    done: list[Trial] = []
    for trial in asked.everywhere() if len(space) <= trials else asked.sampled(trials):
        done.append(trial)
        tell(count, trial)
    if all(trial.failed for trial in done):
        raise ModelError(f"{question.model}: each of {len(done)} trials failed; the first one: {done[0].failed}")
    return tuple(done)


class _Asked:
    """The trials of one question."""

    def __init__(self, question: Question, space: Space, workspace: Workspace) -> None:
        self._question, self._space, self._workspace = question, space, workspace

    def everywhere(self) -> Iterator[Trial]:
        """Every point in the order of the grid."""
        return map(self._trial, self._space.points())

    def sampled(self, trials: int) -> Iterator[Trial]:
        """The first point, then those that a tree-structured Parzen estimator proposes (Bergstra et al., 2011)."""
        study = _study(self._question.seed)
        places = {key: range(len(values)) for key, values in self._space.values.items()}
        study.enqueue_trial(dict.fromkeys(places, 0))
        known: dict[Point, Trial] = {}
        repeats = 0
        while len(known) < trials and repeats < _REPEATS:
            proposed = study.ask()
            point = tuple(proposed.suggest_categorical(key, tuple(choices)) for key, choices in places.items())
            trial = known.get(point)
            if trial is None:
                trial = known[point] = self._trial(point)
                yield trial
                repeats = 0
            else:
                repeats += 1
            _answer(study, proposed, trial)

    def _trial(self, point: Point) -> Trial:
        values = self._space.at(point)
        request = _request(self._question, {**self._space.fixed, **values})
        try:
            plan = planned(request, self._workspace)
        except UsageError as error:  # a combination that the model refuses
            return Trial(values=values, failed=str(error))
        try:
            score, cost = _validated(plan, self._question.protocol, self._workspace)
        except ModelError as error:
            return Trial(values=values, failed=str(error))
        return Trial(values=values, score=score, seconds=cost.seconds)


def _request(question: Question, settings: Mapping[str, Any]) -> RunRequest:
    return RunRequest(
        task=question.task,
        model=question.model,
        corpus=question.corpus,
        split=default_split(Corpus.open(question.corpus)),
        seed=question.seed,
        settings=settings,
        options=question.options,
        protocol=question.protocol,
    )


def _check_selectable(plan: Planned, workspace: Workspace) -> None:
    """Refuse a search whose trials could not be told apart.

    Raises:
        UsageError: there are no validation examples.
    """
    cache = corpus_cache(plan.corpus, workspace)
    examples = draw_examples(plan.task, plan.corpus, plan.spec.fit.split, "validation", cache)
    check_selectable(examples, plan.corpus, "there is nothing to choose settings by")


def _validated(plan: Planned, protocol: Protocol, workspace: Workspace) -> tuple[float, FitCost]:
    """The validation score of a fit and what it took; measured once."""
    spec, corpus = plan.spec.fit, plan.corpus
    folder = workspace.fits / spec.key
    record = folder / SCORE_NAME.format(protocol)
    if (folder / FIT_NAME).is_file() and record.is_file():
        with contextlib.suppress(ValidationError):  # a damaged score is measured again
            return _Score.model_validate_json(record.read_bytes()).score, FitCost.read(folder / FIT_NAME)
    cost = fit_or_load(plan.model, spec, corpus, workspace, protocol, fresh=False)
    cache = corpus_cache(corpus, workspace)
    setting = Setting(
        plan.task, corpus, protocol, cache, spec.model, unknown=unknown_users(plan.card, corpus, spec.split)
    )
    examples = draw_examples(plan.task, corpus, spec.split, "validation", cache)
    score = validation_scores(plan.model, examples, setting)[protocol]
    write_atomically(record, _Score(score=score).model_dump_json() + "\n")
    return score, cost


def _study(seed: int) -> optuna.Study:
    """An empty study in memory: what a trial gave is kept with its fit."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))


def _answer(study: optuna.Study, proposed: optuna.Trial, trial: Trial) -> None:
    from optuna.trial import TrialState

    if trial.score is None:
        study.tell(proposed, state=TrialState.FAIL)
    else:
        study.tell(proposed, trial.score)
