"""The rules of docs/standard.md, checked on finished tables: what a table says, whatever made it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from unimp_bench.reports.rows.standard import LEVEL, MIN_EXAMPLES, MIN_SEEDS, MIN_STEPS, ONE_QUERY
from unimp_bench.reports.tables.printed import IMPOSSIBLE
from unimp_bench.reports.tables.table import Details, Page, Row, Table

BUDGET_WORDS = ("epochs=", "steps=", "patience=", " seeds")


@dataclass(frozen=True)
class Violation:
    """A rule that a row or table breaks; ``row`` is empty for a table."""

    table: str
    row: str
    rule: str


def violations(page: Page) -> list[Violation]:
    """Everything on a page of a task or suite that the standard does not allow."""
    return [found for table in page.tables for found in (*_of_rows(table), *_of_table(table))]


def _of_table(table: Table) -> Iterator[Violation]:
    def broken(rule: str, row: Row | None = None) -> Violation:
        return Violation(table.title, row.label if row else "", rule)

    if table.ranked and table.units < MIN_EXAMPLES and (table.best or any(row.place for row in table.rows)):
        yield broken("an order over few examples")
    if [row.mark for row in table.rows].count("best") > 1:
        yield broken("two first rows")
    if table.best:
        for row in table.filled:
            p_value = table.cell(row, "p").value
            enough = not {"few seeds", "unstable"} & {*row.flags}
            if row.place and not row.mark and enough and (p_value is None or p_value >= LEVEL):
                yield broken("not called best though no test tells it from the first row", row)
            if row.mark == "tied" and p_value is not None and p_value < LEVEL:
                yield broken("called best though it differs from the first row", row)
    if table.task == "search" and table.one_query is not None and table.one_query > ONE_QUERY:
        yield broken("a search table of one query")
    if table.agrees is False and not table.verdict.startswith("none"):
        yield broken("a best row though the splits disagree")
    if table.by_time and not set(table.confirmed) <= set(table.by_time):
        yield broken("a confirmed row that is not best by time")
    if table.split == "loo" and table.clock and table.best and not table.by_time and "unconfirmed" not in table.verdict:
        yield broken("a best row without a word on the missing temporal split")
    of_subject = [row for row in table.filled if _model(row) == _model(table.filled[0])]
    steps = {row.steps for row in of_subject if row.steps is not None}
    if table.equal_steps and len(steps) > 1:
        yield broken("unequal steps")
    labels = [row.label for row in table.rows]
    if len(set(labels)) < len(labels):
        yield broken("two rows of one name")


def _model(row: Row) -> str:
    """The model of a row with results; empty for imported predictions."""
    assert row.details is not None
    return row.details.runs[0].stages[-1].model if row.details.runs[0].stages else ""


def _of_rows(table: Table) -> Iterator[Violation]:
    trained = [row.trials for row in table.filled if row.steps is not None and "earlier version" not in row.flags]
    fewest = min(trained, default=0)
    for row in table.filled:
        assert row.details is not None
        rules = [*_of_row(row, row.details, table)]
        if trained and row.trials > fewest and "trials" not in row.flags:
            rules.append("more trials than other trained rows without a flag")
        yield from (Violation(table.title, row.label, rule) for rule in rules)


def _of_row(row: Row, details: Details, table: Table) -> Iterator[str]:
    flags, runs = set(row.flags), details.runs
    if row.seeds < MIN_SEEDS and row.seeded and row.mark != "ceiling":
        if "few seeds" not in flags:
            yield "few seeds without a flag"
        if row.mark in ("best", "tied"):
            yield "best with few seeds"
        if any(cell.strong for cell in row.cells):
            yield "significant with few seeds"
    if "unstable" in flags and row.mark == "tied":
        yield "called best though its seeds are unstable"
    if any(run.older for run in runs) and "earlier version" not in flags:
        yield "an earlier version without a flag"
    if "earlier version" in flags and table.ranked and (row.place is not None or row.mark in ("best", "tied")):
        yield "an earlier version with a place"
    if any(run.stopped == "budget" for run in runs) and "budget" not in flags:
        yield "stopped by its budget without a flag"
    early = row.steps is not None and 0 < row.steps < MIN_STEPS and all(run.stopped == "converged" for run in runs)
    if early and "few steps" not in flags:
        yield "few steps without a flag"
    if any(run.crowded for run in runs) and "crowded" not in flags:
        yield "a crowded machine without a flag"
    if len({tuple(stage.version for stage in run.stages) for run in runs}) > 1:
        yield "seeds of different versions"
    # a budget of nothing leaves out a stage, and is part of the name
    label = re.sub(r"\w+=0(?![.\d])", "", row.label)
    if any(word in label for word in BUDGET_WORDS) and table.ranked and _has_twin(row, table) is False:
        yield "a budget in the name"
    shown = [cell.text for cell in row.cells if any(mark in cell.text for mark in "†¶§✗")]
    quoted = [each for each in details.quoted if each.impossible]
    if len(details.quoted) == len(quoted) == 1 and shown and IMPOSSIBLE not in shown[0]:
        yield "an impossible number without its mark"


def _has_twin(row: Row, table: Table) -> bool:
    """Whether another row has the same name but for its settings, so that a budget must tell the two apart."""
    return any(other is not row and other.name == row.name for other in table.rows)
