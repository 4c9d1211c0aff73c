"""Which published result belongs to which row of which suite."""

from __future__ import annotations

from unimp_bench.corpus.views import View, viewed
from unimp_bench.records import learned_from
from unimp_bench.reports.labels import tasks_of
from unimp_bench.runs.results import Result
from unimp_bench.runs.suite import Suite, SuiteRow
from unimp_bench.runs.suites import CATALOGUE, VARIED


def claims(suite: Suite, row: SuiteRow, result: Result) -> bool:
    """Whether a result is one of a row's, on whatever corpus and budget.

    Of a model's settings those that suites vary are the row's own, all of them; the rest is a budget.
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
    """Name and fingerprint of what a row sees of a corpus."""
    for view in row.views:
        name, fingerprint = viewed(name, fingerprint, View.parse(view))
    return name, fingerprint


def left_over(row: SuiteRow, result: Result) -> dict[str, str]:
    """The settings of a row's result that are not the row's own."""
    return {key: value for key, value in sorted(result.model.settings.items()) if key not in row.settings}


def only_in_topics(result: Result) -> bool:
    """Whether a result is a variant that suites compare with their first row: its place is their page alone."""
    claimed = [
        suite.variants and row is not suite.rows[0]
        for suite in CATALOGUE
        for row in suite.rows
        if row.model and claims(suite, row, result)
    ]
    return bool(claimed) and all(claimed)
