"""In words: the configuration of a model, and the fits that led to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from unimp_bench.runs.results import Result, outdated
from unimp_bench.runs.spec import FitSpec
from unimp_bench.runs.suite import ALL_TASKS, SuiteRow

OLDER = "‡"
"""The mark of rows of an earlier version of model, features, task or selection rule."""


def label_of(result: Result) -> str:
    """The model, its preset where it is not the default, its changed settings, and how it was fitted if otherwise.

    A result of an earlier version says so, and so stands in a row of its own.
    """
    model, fit = result.model, result.spec.fit
    parts = [] if model.preset == "default" else [model.preset]
    parts += settings_words(model.settings)
    parts += _fit_words(
        [tasks_of(stage) for stage in fit.stages[:-1]], tasks_of(fit), fit.split, model.tune, result.spec.task
    )
    label = f"{model.name} ({', '.join(parts)})" if parts else model.name
    return f"{label}{older_mark(result)}"


def older_mark(result: Result) -> str:
    """What stands behind the label of a result of an earlier version."""
    return f" {OLDER}" if outdated(result) else ""


def older_remark(result: Result) -> str:
    """Which version a result is of, for the remarks of its table; empty for one of the present versions."""
    found = outdated(result)
    return f"result of an earlier version: {', '.join(found)}; the same command gives a new result" if found else ""


def row_words(row: SuiteRow) -> str:
    """What a suite's row changes, short; empty for a model as it is."""
    parts = [row.preset] if row.preset else []
    parts += settings_words(row.settings)
    parts += _fit_words(row.after, row.fit_on, row.fit_split, row.tune, "")
    parts += [f"view {view}" for view in row.views]
    return ", ".join(parts)


def settings_words(settings: Mapping[str, str]) -> list[str]:
    """Settings in the order of their names; one that is set to nothing says so."""
    return [f"{key}={value or 'none'}" for key, value in sorted(settings.items())]


def tasks_of(fit: FitSpec) -> tuple[str, ...]:
    """Names of the tasks of one fit, sorted."""
    return tuple(sorted(name for name, _ in fit.tasks))


def _fit_words(
    after: Iterable[tuple[str, ...]], last: tuple[str, ...], split: str | None, tune: Mapping[str, str], asked: str
) -> list[str]:
    """How a model was fitted, where that is not simply on the task it is asked."""
    earlier = [_tasks_words(tasks) for tasks in after]
    parts = [f"after {', then '.join(earlier)}"] if earlier else []
    if last and last != (asked,):
        parts.append(f"fitted on {_tasks_words(last)}")
    if split == "new-domain":
        parts.append(f"fitted on {split}")
    return [*parts, *(f"then {words}" for words in settings_words(tune))]


def _tasks_words(tasks: tuple[str, ...]) -> str:
    return "all six tasks" if set(tasks) == set(ALL_TASKS) else " and ".join(tasks)
