"""The cells of a suite on one corpus: every row, task and seed, as a run with a name of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from unimp_bench import registry
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
"""Fingerprint of a corpus, task, split and part, of which examples are drawn."""


@dataclass(frozen=True)
class Budget:
    """What a user chooses for all rows of a suite that are about the subject."""

    preset: str | None = None
    settings: Mapping[str, str] | None = None

    def check(self) -> None:
        """Refuse a setting that the suites compare, or that the subject does not have.

        Raises:
            UsageError: with the reason.
        """
        for key in self.settings or {}:
            if key in VARIED[SUBJECT]:
                raise UsageError(f"{key} is compared by suites and cannot be set for all rows; use --preset")
        registry.make_model(SUBJECT, None if self.preset == TUNED else self.preset, self.settings)


@dataclass(frozen=True)
class Cell:
    """One row, task and seed.

    Attributes:
        row: of the suite.
        request: what is run.
        key: of the run; empty where it is refused.
        fits: keys of all fits that the run needs, in their order.
        refused: why it cannot be run.
    """

    row: SuiteRow
    request: RunRequest
    key: str = ""
    fits: tuple[str, ...] = ()
    refused: str = ""

    @property
    def name(self) -> str:
        """What tells the cell from the others of its suite."""
        return f"{self.row.label}, {self.request.task}, seed {self.request.seed}"


def cells(
    suite: Suite, corpus: Path, tasks: Iterable[str], seeds: int, budget: Budget, workspace: Workspace
) -> list[Cell]:
    """All cells of the rows that a suite runs.

    One seed after the other, so that the table has all its rows early; within a seed, fits that others go on from
    come first. A baseline without a preset of its own runs as it was tuned for the task and corpus, where it was.

    Args:
        suite: whose rows.
        corpus: folder of a built corpus.
        tasks: what they are asked.
        seeds: how many, from 0.
        budget: of the rows about the subject.
        workspace: where tuned configurations are.

    Raises:
        UsageError: the budget is a tuned one, and it was not tuned for this corpus.
    """
    opened = Corpus.open(corpus)
    protocols = {task: kind_of(registry.task_cards()[task].kind).under(suite.protocol) for task in tasks}
    if budget.preset == TUNED:
        for task, protocol in protocols.items():
            tuned_search(workspace, task, SUBJECT, opened, protocol)

    split = suite.split_on(default_split(opened))

    def chosen(row: SuiteRow, task: str) -> Budget:
        if row.budgeted:
            return budget
        tunable = row.preset is None and learned_from(split) in MAIN_SPLITS
        tuned = tunable and find_tuned(workspace, task, row.model, opened, protocols[task]) is not None
        return Budget(TUNED if tuned else row.preset)

    refusals: dict[_Drawn, str] = {}
    found = [
        _cell(row, _request(suite, split, row, task, corpus, protocol, seed, chosen(row, task)), workspace, refusals)
        for row in suite.rows
        if not row.lacks
        for task, protocol in protocols.items()
        for seed in range(seeds if row.seeded else 1)
    ]
    return sorted(found, key=lambda cell: (cell.request.seed, len(cell.fits)))


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
    """Why the corpus lacks what the run's examples are drawn from; empty where it lacks nothing.

    Args:
        plan: of the run.
        refusals: what is known of other runs.
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
