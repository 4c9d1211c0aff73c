"""Labels of configurations and fits, and the assignment of results to rows of suites."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from unimp_bench.corpus.views import View, viewed
from unimp_bench.records import learned_from
from unimp_bench.runs.results import Result, outdated
from unimp_bench.runs.spec import FitSpec
from unimp_bench.runs.suite import ALL_TASKS, Suite, SuiteRow
from unimp_bench.runs.suites import CATALOGUE, VARIED

OLDER = "‡"
"""Mark of rows of an earlier version of model, features, task or selection rule."""


def label_of(result: Result) -> str:
    """The model, its preset and settings if changed, and how it was fitted if not on the evaluated task alone.

    Results of earlier versions are marked, so that they form a separate row.
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
    """Suffix of the label of a result of an earlier version; else empty."""
    return f" {OLDER}" if outdated(result) else ""


def older_remark(result: Result) -> str:
    """A remark on the version of an earlier result; empty for results of the current versions."""
    found = outdated(result)
    return f"result of an earlier version: {', '.join(found)}; the same command gives a new result" if found else ""


def row_words(row: SuiteRow) -> str:
    """The changes of a suite's row; empty for an unchanged model."""
    parts = [row.preset] if row.preset else []
    parts += settings_words(row.settings)
    parts += _fit_words(row.after, row.fit_on, row.fit_split, row.tune, "")
    parts += [f"view {view}" for view in row.views]
    return ", ".join(parts)


def settings_words(settings: Mapping[str, str]) -> list[str]:
    """Settings in alphabetical order; empty values are ``none``."""
    return [f"{key}={value or 'none'}" for key, value in sorted(settings.items())]


def tasks_of(fit: FitSpec) -> tuple[str, ...]:
    """Names of the tasks of one fit, sorted."""
    return tuple(sorted(name for name, _ in fit.tasks))


def _fit_words(
    after: Iterable[tuple[str, ...]], last: tuple[str, ...], split: str | None, tune: Mapping[str, str], evaluated: str
) -> list[str]:
    """How a model was fitted, if not on the evaluated task alone."""
    earlier = [_tasks_words(tasks) for tasks in after]
    parts = [f"after {', then '.join(earlier)}"] if earlier else []
    if last and last != (evaluated,):
        parts.append(f"fitted on {_tasks_words(last)}")
    if split == "new-domain":
        parts.append(f"fitted on {split}")
    return [*parts, *(f"then {words}" for words in settings_words(tune))]


def _tasks_words(tasks: tuple[str, ...]) -> str:
    return "all six tasks" if set(tasks) == set(ALL_TASKS) else " and ".join(tasks)


def claims(suite: Suite, row: SuiteRow, result: Result) -> bool:
    """Whether a result belongs to a row, on any corpus and with any budget.

    Settings that suites vary must equal those of the row; all others are the budget.
    """
    spec, model = result.spec, result.model
    stages = spec.fit.stages
    own = {key: value for key, value in model.settings.items() if key in VARIED.get(model.name, ())}
    return (
        (model.name, spec.split, spec.protocol) == (row.model, suite.split, suite.protocol)
        and not spec.options
        and row.preset in (None, model.preset)
        and own == row.settings
        and model.tune == row.tune
        and [tasks_of(stage) for stage in stages[:-1]] == [tuple(sorted(tasks)) for tasks in row.after]
        and tasks_of(stages[-1]) == tuple(sorted(row.fit_on or (spec.task,)))
        and spec.fit.split == (row.fit_split or learned_from(suite.split))
        and result.corpus.name.partition("+")[2] == viewed_as(row, "", "")[0].removeprefix("+")
    )


def viewed_as(row: SuiteRow, name: str, fingerprint: str) -> tuple[str, str]:
    """Name and fingerprint of a corpus under the views of a row."""
    for view in row.views:
        name, fingerprint = viewed(name, fingerprint, View.parse(view))
    return name, fingerprint


def left_over(row: SuiteRow, result: Result) -> dict[str, str]:
    """The settings of a result that are not set by its row."""
    return {key: value for key, value in sorted(result.model.settings.items()) if key not in row.settings}


def only_in_topics(result: Result) -> bool:
    """Whether a result is a variant that suites compare with their first row, shown only on their pages."""
    claimed = [
        suite.variants and row is not suite.rows[0]
        for suite in CATALOGUE
        for row in suite.rows
        if row.model and claims(suite, row, result)
    ]
    return bool(claimed) and all(claimed)
