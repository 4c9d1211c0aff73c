"""The cells of a suite on one corpus: one run per row, task and seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unimp_bench import registry
from unimp_bench.contracts import Model
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import default_split
from unimp_bench.errors import BenchError, UsageError
from unimp_bench.files import Workspace
from unimp_bench.kinds import kind_of
from unimp_bench.records import MAIN_SPLITS, Part, Protocol, Split, learned_from
from unimp_bench.runs.runner import Planned, RunRequest, planned
from unimp_bench.runs.suite import SUBJECT, Suite, SuiteRow
from unimp_bench.runs.suites import VARIED
from unimp_bench.runs.tuned import TUNED, find_tuned, tuned_search

_Drawn = tuple[str, str, Split, Part]
"""Fingerprint of a corpus, task, split and part that examples are drawn from."""


@dataclass(frozen=True)
class Budget:
    """Preset and settings chosen by the user for all rows of the subject of a suite."""

    preset: str | None = None
    settings: Mapping[str, str] | None = None
    subject: str = SUBJECT

    def check(self) -> None:
        """Reject settings that the suites compare or that the subject does not have.

        Raises:
            UsageError: with the reason.
        """
        for key in self.settings or {}:
            if key in VARIED[self.subject]:
                raise UsageError(f"{key} is compared by suites and cannot be set for all rows; use --preset")
        self.model()

    def model(self) -> Model[Any]:
        """The subject with these settings; preset ``tuned``, which depends on the corpus, is left out.

        Raises:
            UsageError: it has no such preset or setting.
        """
        return registry.make_model(self.subject, None if self.preset == TUNED else self.preset, self.settings)


@dataclass(frozen=True)
class Cell:
    """One row, task and seed.

    Attributes:
        row: row of the suite.
        request: the run.
        key: key of the run; empty if it is refused.
        fits: keys of all fits required by the run, in order.
        refused: why it cannot run.
    """

    row: SuiteRow
    request: RunRequest
    key: str = ""
    fits: tuple[str, ...] = ()
    refused: str = ""

    @property
    def name(self) -> str:
        """Name of the cell, unique in its suite."""
        return f"{self.row.label}, {self.request.task}, seed {self.request.seed}"


def cells(
    suite: Suite,
    corpus: Path,
    tasks: Iterable[str],
    seeds: int,
    budget: Budget,
    workspace: Workspace,
    features: Mapping[str, str] | None = None,
) -> list[Cell]:
    """The cells of all rows that a suite runs.

    Cells are ordered by seed, so that the table soon has all its rows, then by number of fits, so that fits that
    initialise others come first. A baseline without preset uses tuned settings for the task and corpus, if available.

    Args:
        suite: the suite.
        corpus: folder of a built corpus.
        tasks: tasks of the rows.
        seeds: number of seeds, from 0.
        budget: preset and settings of the subject's rows.
        workspace: location of tuned configurations.
        features: names of stored feature sets by modality; each row reads those that its model can read.

    Raises:
        UsageError: the budget is a tuned one, and it was not tuned for this corpus; or its steps cannot be held equal;
            or features are given to a suite that compares them.
    """
    if features and suite.grouped:
        raise UsageError(f"suite {suite.name} compares features; choose its rows with --row instead of --features")
    budget = replace(budget, preset=budget.preset or suite.preset)
    total = total_steps(suite, budget)
    opened = Corpus.open(corpus)
    protocols = {task: kind_of(registry.task_cards()[task].kind).under(suite.protocol) for task in tasks}
    if budget.preset == TUNED:
        for task, protocol in protocols.items():
            tuned_search(workspace, task, suite.subject, opened, protocol)

    split = suite.split_on(default_split(opened))

    def chosen(row: SuiteRow, task: str) -> Budget:
        if suite.budgets(row):
            return replace(budget, settings=_with_steps(row, budget, total))
        tunable = row.preset is None and learned_from(split) in MAIN_SPLITS
        tuned = tunable and find_tuned(workspace, task, row.model, opened, protocols[task]) is not None
        return Budget(TUNED if tuned else row.preset)

    refusals: dict[_Drawn, str] = {}
    found = [
        _cell(
            row,
            replace(
                _request(suite, split, row, task, corpus, protocol, seed, chosen(row, task)),
                features=row.features or _readable(row.model, features or {}),
            ),
            workspace,
            refusals,
        )
        for row in suite.rows
        if not row.lacks
        for task, protocol in protocols.items()
        if not suite.grouped or task in registry.model_card(row.model).tasks
        for seed in range(seeds if registry.model_card(row.model).seeded else 1)
    ]
    return sorted(found, key=lambda cell: (cell.request.seed, len(cell.fits)))


def _readable(model: str, features: Mapping[str, str]) -> dict[str, str]:
    """The features that a model can read."""
    card = registry.model_card(model)
    return {modality: name for modality, name in features.items() if modality in card.features}


def total_steps(suite: Suite, budget: Budget) -> int:
    """Optimizer steps of each row of the subject, earlier stages and pre-training included; 0 if not held equal.

    Raises:
        UsageError: epochs are set, or the total cannot be divided equally among the stages of each row.
    """
    if not suite.steps:
        return 0
    settings = budget.settings or {}
    if "epochs" in settings:
        raise UsageError(f"suite {suite.name} holds the optimizer steps of its rows equal; set steps, not epochs")
    total = budget.model().config.steps or suite.steps
    stages = math.lcm(*(row.stages for row in suite.rows if suite.budgets(row)))
    if total % stages:
        raise UsageError(
            f"steps={total} cannot be divided equally among the up to {max(row.stages for row in suite.rows)} fits of "
            f"a row of {suite.name}; set a multiple of {stages}, such as {math.ceil(total / stages) * stages}"
        )
    return total


def _with_steps(row: SuiteRow, budget: Budget, total: int) -> Mapping[str, str]:
    """The settings of a row of the subject: each stage takes an equal part of the total; 0 for steps as they are."""
    settings = dict(budget.settings or {})
    return {**settings, "steps": str(total // row.stages)} if total else settings


def _request(
    suite: Suite,
    split: Split,
    row: SuiteRow,
    task: str,
    corpus: Path,
    protocol: Protocol,
    seed: int,
    budget: Budget,
) -> RunRequest:
    return RunRequest(
        task=task,
        model=row.model,
        corpus=corpus,
        split=split,
        protocol=protocol,
        seed=seed,
        preset=budget.preset,
        fit_on=row.fit_on,
        fit_split=row.fit_split,
        after=row.after,
        settings={**(budget.settings or {}), **row.settings},
        tune=row.tune,
        views=row.views,
    )


def _cell(row: SuiteRow, request: RunRequest, workspace: Workspace, refusals: dict[_Drawn, str]) -> Cell:
    try:
        plan = planned(request, workspace)
    except BenchError as error:
        return Cell(row, request, refused=str(error))
    refused = _refused(plan, refusals)
    if refused:
        return Cell(row, request, refused=refused)
    return Cell(row, request, plan.spec.key, tuple(stage.key for stage in plan.spec.fit.stages))


def _refused(plan: Planned, refusals: dict[_Drawn, str]) -> str:
    """Why the corpus lacks examples that the run requires; empty if it lacks none.

    Args:
        plan: of the run.
        refusals: known reasons of other runs.
    """
    drawn: set[tuple[str, Split, Part]] = {(plan.task.name, plan.spec.split, "test")}
    drawn |= {(name, stage.split, "validation") for stage in plan.spec.fit.stages for name, _ in stage.tasks}
    for task, split, part in sorted(drawn):
        key = (plan.corpus.fingerprint, task, split, part)
        if key not in refusals:
            try:
                registry.make_task(task).examples(plan.corpus, split, part)
                refusals[key] = ""
            except BenchError as error:
                refusals[key] = str(error)
        if refusals[key]:
            return refusals[key]
    return ""
