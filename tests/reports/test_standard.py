"""Tables obey docs/standard.md: published ones break no rule, and each rule finds a planted violation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.reports.pretended import make_result
from tests.reports.standard_rules import violations
from unimp_bench import registry
from unimp_bench.contracts import Training
from unimp_bench.records import IntArray
from unimp_bench.reports.pages.topic import task_page
from unimp_bench.reports.pages.write import boards
from unimp_bench.reports.rows.sections import Section, sections
from unimp_bench.reports.rows.verdict import missing_floors, verdict
from unimp_bench.reports.store import Contents
from unimp_bench.reports.tables.table import Page, Quoted, Row, Table
from unimp_bench.runs.results import Cost, Queries, Result, Tuning
from unimp_bench.runs.suite import SUBJECT

ROOT = Path(__file__).resolve().parents[2]
N = 400


def ranks(best: float, seed: int) -> IntArray:
    """Ranks of which a share is 1; the others are drawn. Two seeds agree on most examples, as those of a model do."""
    common, own = np.random.default_rng(0), np.random.default_rng((1, seed))
    level = np.where(own.random(N) < 0.1, own.random(N), common.random(N))
    drawn: IntArray = np.where(level < best, 1, own.integers(2, 200, N))
    return drawn


def result(
    model: str, best: float, seed: int = 0, stopped: str = "converged", steps: int = 1000, **options: object
) -> Result:
    made = make_result(model, ranks(best, seed), task="recommendation", seed=seed, protocol="masked", **options)
    training = Training(steps, 10 * steps, 5, stopped)  # type: ignore[arg-type]
    return made.model_copy(update={"training": training if registry.model_card(model).seeded else None})


def seeds(model: str, best: float, count: int = 3, **options: object) -> list[Result]:
    return [result(model, best, seed, **options) for seed in range(count)]


def section_of(results: list[Result]) -> Section:
    (section,) = sections(results, registry.task_cards()["recommendation"])
    return section


def page_of(results: list[Result]) -> Page:
    card = registry.task_cards()["recommendation"]
    return task_page(card, sections(results, card), (), ())


def row_of(section: Section, name: str) -> object:
    return next(row for row in section.filled if row.label.startswith(name))


def test_the_best_are_the_first_row_and_what_no_test_tells_from_it() -> None:
    results = [*seeds("sasrec", 0.60), *seeds("gru4rec", 0.59), *seeds("hgn", 0.2), result("popularity", 0.1)]
    section = section_of(results)
    assert [(row.label, row.best) for row in section.filled] == [
        ("sasrec", "first"),
        ("gru4rec", "tied"),
        ("hgn", ""),
        ("popularity", ""),
    ]
    assert verdict(section) == "SASRec (= GRU4Rec)"


def test_two_seeds_are_never_best_and_no_difference_is_significant() -> None:
    page = page_of([*seeds("sasrec", 0.6, 2), *seeds("gru4rec", 0.2), result("popularity", 0.1)])
    (table,) = page.tables
    assert table.verdict == "none: too few seeds of the first row"
    assert not any(cell.strong for row in table.rows for cell in row.cells)
    assert [row.flags for row in table.filled] == [("few seeds",), (), ()]


def test_a_row_of_two_seeds_is_not_best_even_if_it_does_not_differ_from_the_best() -> None:
    section = section_of([*seeds("sasrec", 0.60), *seeds("gru4rec", 0.59, 2), result("popularity", 0.1)])
    assert [(row.best, row.flags) for row in section.filled] == [("first", ()), ("", ("few seeds",)), ("", ())]


def test_a_row_whose_seeds_differ_more_than_examples_explain_is_not_called_equal_to_the_first() -> None:
    unstable = [result("gru4rec", level, seed=seed) for seed, level in enumerate((0.9, 0.3, 0.1))]
    section = section_of([*seeds("sasrec", 0.60), *unstable, result("popularity", 0.1)])
    assert [(row.best, row.flags) for row in section.filled] == [("first", ()), ("", ("unstable",)), ("", ())]
    assert section.filled[1].test is not None and section.filled[1].test.p_value > 0.05, "as the test has no power"


def test_a_model_without_chance_needs_one_seed() -> None:
    (table,) = page_of([result("popularity", 0.6), result("itemknn", 0.2)]).tables
    assert table.verdict == "Popularity" and table.cell(table.filled[1], "p").strong


def test_few_examples_have_no_order() -> None:
    results = [make_result(name, ranks(0.5, 1)[:150], task="recommendation") for name in ("popularity", "itemknn")]
    section = section_of(results)
    assert [row.place for row in section.filled] == [None, None]
    assert verdict(section) == "none: 150 examples, fewer than 200"


def test_an_earlier_version_is_listed_without_place_or_test() -> None:
    older = make_result("sasrec", ranks(0.9, 0), task="recommendation", protocol="masked")
    fit = older.spec.fit.model_copy(update={"selection": {}})
    older = older.model_copy(update={"spec": older.spec.model_copy(update={"fit": fit})})
    section = section_of([older, result("popularity", 0.1)])
    assert [(row.place, row.test, row.flags[:1]) for row in section.filled] == [
        (1, None, ()),
        (None, None, ("earlier version",)),
    ]


def test_flags_of_budget_trials_and_crowded_machines() -> None:
    cost = Cost(
        fit_seconds=1, predict_seconds=1, examples_per_second=1, peak_memory_mib=1, parameters_trained=0,
        parameters_total=0, cpu_seconds=1, threads=1, cores=2, load=4.0,
    )  # fmt: skip
    tuned = [each.model_copy(update={"tuning": Tuning(trials=30, seconds=9)}) for each in seeds("hgn", 0.3)]
    crowded = result("popularity", 0.1).model_copy(update={"cost": cost})
    section = section_of([*seeds("sasrec", 0.5, stopped="budget"), *tuned, crowded])
    assert [row.flags for row in section.filled] == [("budget",), ("trials",), ("crowded",)]


def test_a_training_that_early_stopping_ended_after_few_steps_is_flagged() -> None:
    """Of three seeds one; a budget that is as short has a flag of its own."""
    rows = [*seeds("sasrec", 0.5, 2), result("sasrec", 0.5, 2, steps=180)]
    short = seeds("hgn", 0.3, stopped="budget", steps=180)
    section = section_of([*rows, *short, *seeds("gru4rec", 0.2, steps=300), result("popularity", 0.1)])
    assert [row.flags for row in section.filled] == [("few steps",), ("budget",), (), ()]


def test_both_splits_must_name_the_same_best_row() -> None:
    loo = [*seeds("sasrec", 0.6), result("popularity", 0.1)]
    by_time = [*seeds("sasrec", 0.1, split="global-time"), result("popularity", 0.6, split="global-time")]
    (first, _) = page_of([*loo, *by_time]).tables
    assert first.agrees is False and first.verdict == "none: another order by a global temporal split (here SASRec)"
    assert first.cell(first.filled[0], "Global time").text.endswith("(#2)")


def test_only_rows_that_are_best_by_both_splits_are_named() -> None:
    loo = [*seeds("sasrec", 0.60), *seeds("gru4rec", 0.59), result("popularity", 0.1)]
    by_time = [*seeds("sasrec", 0.1, split="global-time"), *seeds("gru4rec", 0.6, split="global-time")]
    (first, _) = page_of([*loo, *by_time]).tables
    assert first.agrees and first.confirmed == ("GRU4Rec",)
    assert first.verdict == "GRU4Rec; SASRec is first here, not by a global temporal split"


def test_a_first_row_without_a_temporal_result_is_not_said_to_lose_by_it() -> None:
    loo = [*seeds("sasrec", 0.60), *seeds("gru4rec", 0.59), result("popularity", 0.1)]
    (first, _) = page_of([*loo, *seeds("gru4rec", 0.6, split="global-time")]).tables
    assert first.verdict == "GRU4Rec; SASRec is first here, without a result of a global temporal split"


def test_a_best_row_of_a_corpus_with_clock_times_is_unconfirmed_without_temporal_results() -> None:
    made = [each.model_copy(update={"corpus": each.corpus.model_copy(update={"has_clock": True})})
            for each in (result("popularity", 0.6), result("itemknn", 0.2))]  # fmt: skip
    (table,) = page_of(made).tables
    assert table.verdict == "Popularity; unconfirmed by time"


def test_a_split_without_a_result_of_the_best_row_does_not_contradict_it() -> None:
    clocked = [*seeds("sasrec", 0.6), result("popularity", 0.1), result("popularity", 0.6, split="global-time")]
    made = [each.model_copy(update={"corpus": each.corpus.model_copy(update={"has_clock": True})}) for each in clocked]
    (first, _) = page_of(made).tables
    assert first.verdict == "SASRec; unconfirmed by time" and first.agrees is None and first.by_time is None


def test_a_view_has_no_empty_rows_of_the_corpus_itself() -> None:
    made = result("popularity", 0.1)
    viewed = made.model_copy(update={"spec": made.spec.model_copy(update={"views": ("XT:1.0:0",)})})
    assert section_of([made]).empty and not section_of([viewed]).empty


def test_floors_that_are_missing_are_named() -> None:
    assert missing_floors(section_of([result("popularity", 0.1), result("ease", 0.2)])) == (
        "itemknn",
        "transition-graph",
    )


def test_a_corpus_of_one_query_has_no_search_table() -> None:
    card = registry.task_cards()["search"]
    queries = Queries(distinct=2, commonest=0.99, items=140)
    made = make_result("bm25", ranks(0.5, 1), protocol="masked").model_copy(update={"queries": queries})
    page = task_page(card, sections([made], card), (), ())
    assert not page.tables and "2 distinct queries, the most frequent one in 99.0%" in page.notes[0]


def test_names_hold_no_budget_unless_it_alone_tells_two_rows_apart() -> None:
    one = seeds("sasrec", 0.5, settings={"epochs": "50", "layers": "3"})
    assert [row.label for row in page_of(one).tables[0].filled] == ["SASRec (layers=3)"]
    two = [*one, *seeds("sasrec", 0.4, settings={"epochs": "5", "layers": "3"})]
    labels = [row.label for row in page_of(two).tables[0].filled]
    assert labels == ["SASRec (epochs=50, layers=3)", "SASRec (epochs=5, layers=3)"]


@pytest.fixture(scope="module")
def obedient() -> Page:
    """A page that obeys the standard, for violations to be planted in."""
    results = [*seeds("sasrec", 0.6), *seeds("gru4rec", 0.59), *seeds("hgn", 0.2), result("popularity", 0.1)]
    page = page_of(results)
    assert violations(page) == []
    return page


def _row(table: Table, number: int, **changes: object) -> Table:
    rows = list(table.rows)
    rows[number] = replace(rows[number], **changes)
    return replace(table, rows=tuple(rows))


def _run(table: Table, number: int, **changes: object) -> Table:
    details = table.rows[number].details
    assert details is not None
    runs = (replace(details.runs[0], **changes), *details.runs[1:])
    return _row(table, number, details=replace(details, runs=runs))


def _one_seed(table: Table) -> Table:
    details = table.rows[0].details
    assert details is not None
    return _row(table, 0, details=replace(details, runs=details.runs[:1]))


def _strong(row: Row) -> Row:
    return replace(row, cells=tuple(replace(cell, strong=True) for cell in row.cells))


def _versions(table: Table) -> Table:
    details = table.rows[0].details
    assert details is not None
    stage = replace(details.runs[0].stages[0], version=99)
    return _run(table, 0, stages=(stage,))


def _with_steps(table: Table, number: int, steps: int) -> Table:
    """The table with a row of the model whose steps suites hold equal."""
    details = table.rows[number].details
    assert details is not None
    stage = replace(details.runs[0].stages[0], model=SUBJECT)
    return _row(_run(table, number, stages=(stage,)), number, steps=steps)


def _impossible(table: Table) -> Table:
    details = table.rows[0].details
    assert details is not None
    quoted = (Quoted("a paper", "SASRec", {"HR@5": 0.1}, "", impossible=True),)
    cells = (replace(table.rows[0].cells[0], text="0.1000†"), *table.rows[0].cells[1:])
    return _row(table, 0, details=replace(details, quoted=quoted), cells=cells)


PLANTED: dict[str, Callable[[Table], Table]] = {
    "an order over few examples": lambda table: replace(table, units=199),
    "two first rows": lambda table: _row(table, 1, mark="best"),
    "not called best though no test tells it from the first row": lambda table: _row(table, 1, mark=""),
    "called best though it differs from the first row": lambda table: _row(table, 2, mark="tied"),
    "a search table of one query": lambda table: replace(table, task="search", one_query=0.9),
    "a best row though the splits disagree": lambda table: replace(table, agrees=False),
    "a confirmed row that is not best by time": lambda table: replace(table, by_time=("another",)),
    "a best row without a word on the missing temporal split": lambda table: replace(table, clock=True),
    "unequal steps": lambda table: replace(_with_steps(_with_steps(table, 0, 7), 1, 8), equal_steps=True),
    "two rows of one name": lambda table: _row(table, 0, label=table.rows[1].label),
    "more trials than other trained rows without a flag": lambda table: _row(table, 0, trials=30),
    "few seeds without a flag": _one_seed,
    "best with few seeds": _one_seed,
    "significant with few seeds": lambda table: replace(
        _one_seed(table), rows=tuple(map(_strong, _one_seed(table).rows))
    ),
    "called best though its seeds are unstable": lambda table: _row(table, 1, flags=("unstable",)),
    "an earlier version without a flag": lambda table: _run(table, 0, older=("version 1",)),
    "an earlier version with a place": lambda table: _row(table, 0, flags=("earlier version",)),
    "stopped by its budget without a flag": lambda table: _run(table, 0, stopped="budget"),
    "few steps without a flag": lambda table: _row(_run(table, 0, stopped="converged"), 0, steps=180, flags=()),
    "a crowded machine without a flag": lambda table: _run(table, 0, crowded=True),
    "seeds of different versions": _versions,
    "a budget in the name": lambda table: _row(table, 0, label="SASRec (epochs=50)"),
    "an impossible number without its mark": _impossible,
}


def test_steps_are_equal_within_the_model_that_a_suite_compares(obedient: Page) -> None:
    """Baselines have a training of their own."""
    table = replace(_with_steps(_row(obedient.tables[0], 0, steps=8), 1, 7), equal_steps=True)
    assert "unequal steps" not in {found.rule for found in violations(replace(obedient, tables=(table,)))}


@pytest.mark.parametrize("rule", PLANTED)
def test_each_rule_finds_a_planted_violation(obedient: Page, rule: str) -> None:
    page = replace(obedient, tables=(PLANTED[rule](obedient.tables[0]),))
    assert rule in {found.rule for found in violations(page)}


def test_published_tables_obey_the_standard() -> None:
    tasks, topics = boards(Contents.published(ROOT / "leaderboards"))
    assert [found for page in (*tasks, *topics) for found in violations(page)] == []


def test_published_tables_of_real_corpora_have_their_floors() -> None:
    tasks, _ = boards(Contents.published(ROOT / "leaderboards"))
    incomplete = {table.title: table.lacks for page in tasks for table in page.tables if table.lacks and table.best}
    assert incomplete == {}
