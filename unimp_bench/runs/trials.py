"""One trial of a search: an ordinary fit scored by validation, and ended early where the search says so.

What a trial gave is kept with its fit, so that a search that was killed goes on from its trials.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import default_split
from unimp_bench.errors import BenchError, ModelError, UsageError
from unimp_bench.files import Workspace, write_atomically
from unimp_bench.kinds import Setting, draw_examples
from unimp_bench.records import Protocol
from unimp_bench.runs.fitting import (
    FIT_NAME,
    SCORE_NAME,
    FitCost,
    abandon,
    corpus_cache,
    fit_or_load,
    unknown_users,
    validation_scores,
    work_of,
)
from unimp_bench.runs.runner import Planned, RunRequest, planned
from unimp_bench.runs.tuned import Trial
from unimp_bench.settings import Strict

Report = Callable[[int, float], bool]
"""Takes the number of a validation, from 0, and its score; returns whether the fit is to end."""

_COURSE = "course-{}.json"
_SCORES = TypeAdapter(list[float])


@dataclass(frozen=True)
class Question:
    """What all trials are asked.

    Attributes:
        options: those of the task that differ from its own.
        features: stored feature sets that the model reads, by modality.
    """

    task: str
    model: str
    corpus: Path
    seed: int
    options: Mapping[str, str]
    protocol: Protocol = "paper"
    features: Mapping[str, str] = field(default_factory=dict)

    def request(self, settings: Mapping[str, Any]) -> RunRequest:
        """With the given settings of the model."""
        return RunRequest(
            task=self.task,
            model=self.model,
            corpus=self.corpus,
            split=default_split(Corpus.open(self.corpus)),
            seed=self.seed,
            settings=settings,
            options=self.options,
            protocol=self.protocol,
            features=self.features,
        )


class PrunedError(BenchError):
    """Ends a fit at one of its validations, through the model's own code."""


class _Record(Strict):
    """What a search measured of a fit.

    Attributes:
        score: of the finished fit; of its last validation where it was pruned.
        course: the score of each validation during the fit; empty for a fit that no search watched.
        stopped, seconds: of a fit that was pruned.
    """

    score: float
    course: tuple[float, ...] = ()
    stopped: Literal["", "pruned"] = ""
    seconds: float = 0.0


class _Watch:
    """Reports the validations of a fit under one protocol, those of an interrupted part of it first."""

    def __init__(self, report: Report, protocol: Protocol, path: Path) -> None:
        self._report, self._protocol, self._path = report, protocol, path
        self.course: list[float] = []
        with contextlib.suppress(OSError, ValidationError):
            for score in _SCORES.validate_json(path.read_bytes()):
                self._add(score)

    def __call__(self, scores: Mapping[Protocol, float]) -> None:
        ends = self._add(scores[self._protocol])
        write_atomically(self._path, _SCORES.dump_json(self.course).decode())
        if ends:
            raise PrunedError(f"pruned at validation {len(self.course)}")

    def _add(self, score: float) -> bool:
        self.course.append(score)
        return self._report(len(self.course) - 1, score)


def run_trial(
    question: Question, fixed: Mapping[str, Any], values: Mapping[str, Any], workspace: Workspace, report: Report
) -> Trial:
    """Fit the model with some settings, or find what a trial with them gave.

    Args:
        question: what is asked.
        fixed: settings of all trials.
        values: those of this trial.
        workspace: where fits are.
        report: told each validation score of the fit.

    Raises:
        UsageError: another process works on the fit.
    """
    try:
        plan = planned(question.request({**fixed, **values}), workspace)
    except UsageError as error:  # a combination that the model refuses
        return Trial(values=dict(values), failed=str(error))
    try:
        record = _validated(plan, question.protocol, workspace, report)
    except ModelError as error:
        return Trial(values=dict(values), failed=str(error))
    return Trial(values=dict(values), score=record.score, seconds=record.seconds, stopped=record.stopped)


def _validated(plan: Planned, protocol: Protocol, workspace: Workspace, report: Report) -> _Record:
    """The validation score of a fit and what it took; measured once."""
    spec, corpus = plan.spec.fit, plan.corpus
    folder = workspace.fits / spec.key
    path, finished = folder / SCORE_NAME.format(protocol), (folder / FIT_NAME).is_file()
    found = _read(path)
    if found is not None and finished == (not found.stopped):
        for number, score in enumerate(found.course):
            report(number, score)
        return found.model_copy(update={"seconds": FitCost.read(folder / FIT_NAME).seconds}) if finished else found
    watch = _Watch(report, protocol, work_of(spec, workspace) / _COURSE.format(protocol))
    try:
        cost = fit_or_load(plan.model, spec, corpus, workspace, protocol, fresh=False, watch=watch)
    except PrunedError:
        seconds = round(abandon(spec, workspace), 3)
        record = _Record(score=watch.course[-1], course=tuple(watch.course), stopped="pruned", seconds=seconds)
        write_atomically(path, record.model_dump_json() + "\n")
        return record
    cache = corpus_cache(corpus, workspace)
    setting = Setting(
        plan.task, corpus, protocol, cache, spec.model, unknown=unknown_users(plan.card, corpus, spec.split)
    )
    examples = draw_examples(plan.task, corpus, spec.split, "validation", cache)
    score = validation_scores(plan.model, examples, setting)[protocol]
    record = _Record(score=score, course=tuple(watch.course), seconds=cost.seconds)
    write_atomically(path, record.model_dump_json() + "\n")
    return record


def _read(path: Path) -> _Record | None:
    """What was measured; None where nothing was, or the record is damaged and the score is measured again."""
    with contextlib.suppress(OSError, ValidationError):
        return _Record.model_validate_json(path.read_bytes())
    return None
