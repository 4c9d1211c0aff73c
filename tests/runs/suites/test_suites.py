"""The suites: every row can run, and every printed number has a row."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace
from unimp_bench.reports.tables.printed import load_reported
from unimp_bench.runs.plan import Budget, cells
from unimp_bench.runs.suite import Suite, SuiteRow
from unimp_bench.runs.suites import CATALOGUE, SUITES, VARIED

NOWHERE = Workspace(Path("nowhere"))
LEADERBOARDS = Path(__file__).resolve().parents[3] / "leaderboards"


@pytest.mark.parametrize("suite", CATALOGUE, ids=lambda suite: suite.name)
def test_every_row_can_run_or_has_a_reason(suite: Suite, planted: Corpus) -> None:
    anywhere = replace(suite, corpora=())
    found = cells(anywhere, planted.folder, suite.tasks, 2, Budget(subject=suite.subject), NOWHERE)
    assert {cell.refused for cell in found if cell.row.model != "oracle" and not cell.row.features} <= {""}
    keys = [(cell.row.group, cell.key) for cell in found if cell.key]
    assert len(set(keys)) == len(keys)
    own = set(suite.tasks)  # of groups for other tasks, such as explanation, a user names the task
    served = [row for row in suite.rows if not row.group or own & set(registry.model_card(row.model).tasks)]
    assert {cell.row.label for cell in found} == {row.label for row in served if not row.lacks}
    for row in suite.rows:
        assert row.lacks or row.model in registry.model_cards()
    assert suite.budgets(suite.rows[0]) and not suite.rows[0].lacks and not suite.rows[0].views
    assert len({row.label for row in suite.rows}) == len(suite.rows)


def test_task_suites_share_the_page_of_their_task() -> None:
    shared = set(SUITES) & set(registry.task_cards())
    assert shared == set(registry.task_cards())
    assert not any(SUITES[name].variants for name in shared), "their rows are on the task's page or nowhere"


def test_printed_rows_and_suite_rows_correspond() -> None:
    topics = {table.topic for table in load_reported(LEADERBOARDS)} - {""}
    assert topics == {suite.name for suite in CATALOGUE if any(row.system for row in suite.rows)}
    for table in load_reported(LEADERBOARDS):
        if table.topic:
            suite = SUITES[table.topic]
            printed = {row.system for row in table.rows}
            assert {row.system for row in suite.rows if row.system} == printed, table.source
            assert table.task in suite.tasks and table.split == suite.split


def test_a_suite_on_other_corpora_is_refused() -> None:
    SUITES["other_datasets"].check_corpus("movielens", pictures=True)
    SUITES["search"].check_corpus("anything", pictures=False)
    with pytest.raises(UsageError, match="hm or netflix or movielens, not on 'sample'"):
        SUITES["other_datasets"].check_corpus("sample", pictures=True)
    with pytest.raises(UsageError, match="fusion compares ways to use pictures, and 'anything' has none"):
        SUITES["fusion"].check_corpus("anything", pictures=False)


def test_definitions_load_no_torch() -> None:
    script = "import sys, unimp_bench.runs.suites, unimp_bench.cli.suite; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_cells_are_ordered_by_seed_then_number_of_fits(planted: Corpus) -> None:
    suite = SUITES["learning_strategy"]
    found = cells(suite, planted.folder, suite.tasks, 2, Budget(settings={"draws": "1"}), NOWHERE)
    assert [cell.request.seed for cell in found] == sorted(cell.request.seed for cell in found)
    assert all(cell.request.settings["draws"] == "1" for cell in found)
    of_seed = [cell for cell in found if cell.request.seed == 0]
    all_six = next(cell.fits[-1] for cell in of_seed if cell.row.label == "Multi-task")
    users = [cell.row.label for cell in of_seed if all_six in cell.fits]
    assert users == ["Multi-task", "Multi-task"]
    first_stage = next(cell.fits[0] for cell in of_seed if cell.row.label == "Multi-task + Full")
    assert sum(first_stage in cell.fits for cell in of_seed) == 4, "of two rows and two tasks"


def test_a_budget_applies_to_the_subject_only_and_to_no_compared_setting(planted: Corpus) -> None:
    found = cells(SUITES["new_user"], planted.folder, ("recommendation",), 3, Budget("base", {"epochs": "2"}), NOWHERE)
    requests = {cell.row.label: cell.request for cell in found}
    assert (requests["UniMP"].preset, requests["UniMP"].settings) == ("base", {"epochs": "2"})
    assert (requests["Popularity"].preset, requests["Popularity"].settings) == (None, {})
    assert [cell.row.label for cell in found].count("Popularity") == 1, "nothing in it is drawn by chance"
    assert {"fusion", "context", "gamma", "backbone", "pretraining"} <= VARIED["unimp"]
    with pytest.raises(UsageError, match="fusion is compared by suites"):
        Budget(settings={"fusion": "none"}).check()
    with pytest.raises(UsageError, match="did you mean 'epochs'"):
        Budget(settings={"epocs": "2"}).check()
    with pytest.raises(UsageError, match="preset"):
        Budget("huge").check()


def test_a_budget_is_of_the_model_that_a_suite_is_about(planted: Corpus) -> None:
    suite = SUITES["text_adaptation"]
    budget = Budget(settings={"epochs": "7", "top_layers": "2"}, subject=suite.subject)
    budget.check()
    found = cells(suite, planted.folder, suite.tasks, 1, budget, NOWHERE)
    assert len(found) == len(suite.rows)
    assert all(cell.request.settings.items() >= {"epochs": "7", "top_layers": "2"}.items() for cell in found)
    with pytest.raises(UsageError, match="trained is compared by suites"):
        Budget(settings={"trained": "full"}, subject=suite.subject).check()


def test_an_impossible_row_is_refused_with_the_reason(planted: Corpus) -> None:
    rows = (SuiteRow("UniMP"), SuiteRow("BM25", model="bm25"), SuiteRow("Later", lacks="not yet"))
    suite = Suite("s", "S", "none", "", ("recommendation",), rows)
    first, second = cells(suite, planted.folder, suite.tasks, 1, Budget(), NOWHERE)
    assert first.row.label == "BM25" and "does not serve recommendation" in first.refused and not first.key
    assert second.key and not second.refused
