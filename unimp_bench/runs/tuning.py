"""Hyper-parameter search: which trials are made, several at once if asked, and which end early.

The test part is never drawn. Bad trials are pruned: one whose best validation so far is below the median of the others
at the same validation ends there (Optuna's ``MedianPruner``, after Golovin et al., KDD 2017).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unimp_bench import registry
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.files import Workspace
from unimp_bench.kinds import draw_examples
from unimp_bench.machine import share_cores
from unimp_bench.runs.fitting import check_selectable, corpus_cache
from unimp_bench.runs.runner import Planned, planned
from unimp_bench.runs.trials import Question, run_trial
from unimp_bench.runs.tuned import Trial

if TYPE_CHECKING:
    import optuna


Point = tuple[int, ...]


@dataclass(frozen=True)
class Space:
    """A grid; a point is the index of each setting's value.

    Attributes:
        values: typed values of each searched setting, the default first.
        fixed: typed settings that are the same in all trials.
    """

    values: Mapping[str, tuple[Any, ...]]
    fixed: Mapping[str, Any]

    def __len__(self) -> int:
        size = 1
        for values in self.values.values():
            size *= len(values)
        return size

    def points(self) -> Iterator[Point]:
        """All points; the first is the default configuration."""
        return product(*(range(len(values)) for values in self.values.values()))

    def at(self, point: Point) -> dict[str, Any]:
        """The values at a point, by setting."""
        return {key: values[place] for (key, values), place in zip(self.values.items(), point, strict=True)}


def space_of(model: str, fixed: Mapping[str, Any], over: Mapping[str, tuple[Any, ...]]) -> Space:
    """The search space of a model.

    Args:
        model: by name.
        fixed: settings for all trials.
        over: settings and their values, instead of the model's search space; values may be text.

    Raises:
        UsageError: an unknown setting, an invalid value, or nothing to search.
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
    """The default value and the others, as in the configuration, without duplicates."""
    changes: list[dict[str, Any]] = [{}, *({key: value} for value in values)]
    made = [registry.make_model(model, settings={**fixed, **change}).config for change in changes]
    found = [_plain(getattr(config, key)) for config in made]
    return tuple({json.dumps(value): value for value in found}.values())


def _plain(value: Any) -> Any:
    """A value after a round trip through JSON."""
    return json.loads(json.dumps(value))


_REPEATS = 50
"""Number of consecutive proposals of known points after which the search ends."""

FINISHED = 4
"""Trials that must have finished before another is pruned."""

VALIDATIONS = 5
"""Validations that every trial is given, so that a slow start is not the end."""

_NAME = "search"


def search(
    question: Question,
    space: Space,
    trials: int,
    workspace: Workspace,
    tell: Callable[[int, Trial], None],
    jobs: int = 1,
) -> tuple[Trial, ...]:
    """Try the default configuration and other points of the space, all of them if there are at most ``trials``.

    One at a time the search depends on the seed alone; of several at once it also depends on which ends first.

    Args:
        question: what is asked.
        space: what is tried.
        trials: how many points at most.
        workspace: where fits are.
        tell: called with the number of points that the search will try and each trial that has ended.
        jobs: how many trials at once, each in a process of its own that has its share of the cores.

    Raises:
        UsageError: the question cannot be asked at all, or there are no validation examples.
        ModelError: every trial failed, or a process of a trial was killed.
    """
    plan = planned(question.request(space.fixed), workspace)
    _check_selectable(plan, workspace)
    count = min(trials, len(space))
    done: list[Trial] = []
    with tempfile.TemporaryDirectory() as folder, _pool(jobs) as pool:
        journal = None if pool is None else Path(folder) / "journal"
        for trial in _Search(question, space, workspace, journal).trials(count, pool, jobs):
            done.append(trial)
            tell(count, trial)
    if all(trial.failed for trial in done):
        raise ModelError(f"{question.model}: each of {len(done)} trials failed; the first one: {done[0].failed}")
    return tuple(done)


class _Search:
    """The study of one question.

    Args:
        journal: file by which processes share the study; None keeps it in memory.
    """

    def __init__(self, question: Question, space: Space, workspace: Workspace, journal: Path | None) -> None:
        self._question, self._space, self._workspace, self._journal = question, space, workspace, journal
        self._study = _study(question.seed, journal)
        self._places = {key: tuple(range(len(values))) for key, values in space.values.items()}
        self._known: dict[Point, Trial] = {}
        self._running: dict[Future[Trial], tuple[optuna.Trial, Point]] = {}

    def trials(self, count: int, pool: Executor | None, jobs: int) -> Iterator[Trial]:
        """Trials as they end: every point in the order of the grid where ``count`` is all of them, else the first one
        and those that a tree-structured Parzen estimator proposes (Bergstra et al., 2011)."""
        first = [next(self._space.points())] if count < len(self._space) else self._space.points()
        for point in first:
            self._study.enqueue_trial(dict(zip(self._places, point, strict=True)))
        while True:
            repeats = 0
            while len(self._running) < jobs and len(self._known) + len(self._running) < count and repeats < _REPEATS:
                repeats = 0 if self._begin(pool) else repeats + 1
            if not self._running:
                return
            for future in wait(self._running, return_when=FIRST_COMPLETED).done:
                yield self._ended(future)

    def _begin(self, pool: Executor | None) -> bool:
        """Start the next trial that the sampler proposes, unless it was tried, or is being tried."""
        proposed = self._study.ask()
        point = tuple(proposed.suggest_categorical(key, choices) for key, choices in self._places.items())
        if point in self._known or point in (other for _, other in self._running.values()):
            _answer(self._study, proposed, self._known.get(point))
            return False
        values = self._space.at(point)
        if pool is None:
            future: Future[Trial] = Future()
            trial = run_trial(self._question, self._space.fixed, values, self._workspace, _reporter(proposed))
            future.set_result(trial)
        else:
            assert self._journal is not None
            asked = (self._question, self._space.fixed, values, self._workspace)
            future = pool.submit(_in_process, *asked, self._journal, proposed._trial_id)
        self._running[future] = proposed, point
        return True

    def _ended(self, future: Future[Trial]) -> Trial:
        """The trial of a process that has ended."""
        proposed, point = self._running.pop(future)
        try:
            trial = self._known[point] = future.result()
        except BrokenProcessPool:
            raise ModelError(
                f"{self._question.model}: the process of a trial was killed (out of memory?); the same command goes on "
                "from the trials that have ended, with fewer --jobs if it must"
            ) from None
        _answer(self._study, proposed, trial)
        return trial


def _in_process(
    question: Question,
    fixed: Mapping[str, Any],
    values: Mapping[str, Any],
    workspace: Workspace,
    journal: Path,
    number: int,
) -> Trial:
    """A trial in a process of its own."""
    import optuna

    return run_trial(
        question, fixed, values, workspace, _reporter(optuna.Trial(_study(question.seed, journal), number))
    )


def _reporter(proposed: optuna.Trial) -> Callable[[int, float], bool]:
    def report(number: int, score: float) -> bool:
        proposed.report(score, number)
        return proposed.should_prune()

    return report


@contextmanager
def _pool(jobs: int) -> Iterator[Executor | None]:
    """Processes that share the cores; None for one job, which this process does itself."""
    if jobs == 1:
        yield None
        return
    before = dict(os.environ)
    share_cores(os.environ, jobs)
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_silence)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        for name in os.environ.keys() - before.keys():
            del os.environ[name]


def _silence() -> None:
    """Progress of several trials on one terminal cannot be read."""
    sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives


def _check_selectable(plan: Planned, workspace: Workspace) -> None:
    """Raise an error if there are no validation examples.

    Raises:
        UsageError: there are none.
    """
    cache = corpus_cache(plan.corpus, workspace)
    examples = draw_examples(plan.task, plan.corpus, plan.spec.fit.split, "validation", cache)
    check_selectable(examples, plan.corpus, "there is nothing to select settings by")


def _study(seed: int, journal: Path | None) -> optuna.Study:
    """The study in a journal, or an empty one in memory: what a trial gave is kept with its fit."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = None
    if journal is not None:
        from optuna.storages.journal import JournalFileBackend

        storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
    return optuna.create_study(
        study_name=_NAME,
        storage=storage,
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=journal is not None),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=FINISHED, n_warmup_steps=VALIDATIONS),
    )


def _answer(study: optuna.Study, proposed: optuna.Trial, trial: Trial | None) -> None:
    """Tell the sampler what a trial gave; None for one that is still running."""
    from optuna.trial import TrialState

    if trial is None or trial.score is None:
        study.tell(proposed, state=TrialState.FAIL)
    elif trial.stopped:
        study.tell(proposed, state=TrialState.PRUNED)
    else:
        study.tell(proposed, trial.score)
