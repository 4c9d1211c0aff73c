"""Suites that hold the optimizer steps of their rows equal, from the plan to the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace
from unimp_bench.reports.rows.sections import topic_sections
from unimp_bench.runs.plan import Budget, cells, total_steps
from unimp_bench.runs.runner import run
from unimp_bench.runs.suites import CATALOGUE, SUITES

NOWHERE = Workspace(Path("nowhere"))
SMALL = {"vocabulary": "300", "latents": "2", "history": "2"}


def test_rows_of_a_suite_of_equal_steps_have_one_total(planted: Corpus) -> None:
    suite = SUITES["learning_strategy"]
    for settings, total in (({"steps": "40"}, 40), ({}, suite.steps), ({"steps": "0"}, suite.steps)):
        found = cells(suite, planted.folder, suite.tasks, 1, Budget(settings=settings), NOWHERE)
        planned_steps = {cell.row.label: int(cell.request.settings["steps"]) * len(cell.fits) for cell in found}
        assert set(planned_steps.values()) == {total} and len(planned_steps) == len(suite.rows)
    assert {len(cell.fits) for cell in found} == {1, 2, 4}
    for name, models in (("new_domain", {"unimp"}), ("ablation", set())):
        found = cells(SUITES[name], planted.folder, ("recommendation",), 1, Budget(), NOWHERE)
        assert {cell.row.model for cell in found if "steps" in cell.request.settings} == models


def test_every_default_total_can_be_divided() -> None:
    equal = {suite.name: total_steps(suite, Budget()) for suite in CATALOGUE if suite.steps}
    assert set(equal) == {"learning_strategy", "adaptation", "pretraining", "new_domain"} and all(equal.values())


def test_steps_that_cannot_be_held_equal_are_refused() -> None:
    with pytest.raises(UsageError, match=r"steps=42 cannot be divided.* up to 4 fits .*a multiple of 4, such as 44"):
        total_steps(SUITES["learning_strategy"], Budget(settings={"steps": "42"}))
    with pytest.raises(UsageError, match="set steps, not epochs"):
        total_steps(SUITES["adaptation"], Budget(settings={"epochs": "6"}))
    assert total_steps(SUITES["ablation"], Budget(settings={"epochs": "6"})) == 0


def test_rows_with_and_without_an_earlier_fit_take_as_many_steps(planted: Corpus, workspace: Workspace) -> None:
    suite = SUITES["adaptation"]
    budget = Budget(settings={**SMALL, "steps": "8"})
    planned = {cell.row.label: cell for cell in cells(suite, planted.folder, suite.tasks, 1, budget, workspace)}
    results = [run(planned[label].request, workspace)[0] for label in ("No start", "Output layer")]
    assert [len(result.spec.fit.stages) for result in results] == [1, 2]
    assert [result.training.steps for result in results if result.training] == [8, 8]
    (section,) = topic_sections(suite, results)
    assert "8 steps in total" in section.title
    assert [row.label for row in section.rows if row.results] == ["No start", "Output layer"]
