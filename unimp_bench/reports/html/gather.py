"""Everything that is published, as the page's record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from unimp_bench import registry
from unimp_bench.contracts import TaskCard
from unimp_bench.kinds import kind_of
from unimp_bench.reports.audit.corpus.record import load_audits
from unimp_bench.reports.figures import section_plot, topic_plot
from unimp_bench.reports.html.audits import audit_table
from unimp_bench.reports.html.cells import metric_heads
from unimp_bench.reports.html.gallery import galleries
from unimp_bench.reports.html.ledger import Ledger
from unimp_bench.reports.html.record import Board, Drawing, Page, Printed, Summary, Table
from unimp_bench.reports.html.tables import Sources
from unimp_bench.reports.html.task_tables import task_table
from unimp_bench.reports.html.topic_tables import topic_table
from unimp_bench.reports.plots import Plot, data_uri
from unimp_bench.reports.printed import printed_table
from unimp_bench.reports.reported import Reported, load_reported
from unimp_bench.reports.store import load_results
from unimp_bench.reports.tables import sections
from unimp_bench.reports.topics import topic_sections
from unimp_bench.runs.results import Result
from unimp_bench.runs.suite import Suite
from unimp_bench.runs.suites import CATALOGUE


def gather(folder: Path) -> Page:
    """The page of the results, reported numbers and galleries below ``folder``.

    Raises:
        DataError: a file is not what it should be.
    """
    results, ledger, audits = load_results(folder), Ledger(), load_audits(folder)
    sources = Sources(load_reported(folder), audits)
    cards = registry.task_cards()
    tasks = tuple(_task_board(card, results, sources, ledger) for card in cards.values())
    topics = tuple(_topic_board(suite, results, sources, ledger) for suite in CATALOGUE if suite.name not in cards)
    return Page(
        tasks=tasks,
        topics=topics,
        summaries=tuple(found for board in tasks for table in board.tables for found in _summary(board, table)),
        galleries=galleries(folder, {each.spec.fit.fingerprint for each in results if each.corpus.synthetic}),
        audits=audit_table(audits),
        sheets=tuple(ledger.sheets),
        details=tuple(ledger.details),
        runs=ledger.runs,
    )


def _task_board(card: TaskCard, results: Sequence[Result], sources: Sources, ledger: Ledger) -> Board:
    kind, found = kind_of(card.kind), sections(results, card)
    printed = [table for table in sources.reported if table.task == card.name]
    own = Sources(printed, sources.audits)
    first = metric_heads([kind.main], kind)[0].first
    return Board(
        anchor=card.name,
        title=card.name.capitalize().replace("_", " "),
        origin=f"{card.table} of the UniMP paper",
        about=f"Prediction: {card.about}.",
        order=f"Rows are ordered by {kind.main}, {'highest' if first == 'descending' else 'lowest'} first.",
        command=f"unimp-bench run --task {card.name} --model unimp",
        tables=_with_plot(
            _distinct(task_table(card.name, section, own, ledger) for section in found),
            (section_plot(section, printed) for section in found),
        ),
        printed=tuple(_printed(table) for table in printed if not table.topic or any(row.models for row in table.rows)),
    )


def _topic_board(suite: Suite, results: Sequence[Result], sources: Sources, ledger: Ledger) -> Board:
    found = topic_sections(suite, results)
    printed = [table for table in sources.reported if table.topic == suite.name]
    own = Sources(printed, sources.audits)
    return Board(
        anchor=suite.name,
        title=suite.title,
        origin=suite.table,
        about=f"Comparison: {suite.about}.",
        order=f"Rows are in the order of the paper; differences are to the first row, {suite.rows[0].label}.",
        command=f"unimp-bench suite {suite.name}",
        tables=_with_plot(_distinct(topic_table(section, own, ledger) for section in found), map(topic_plot, found)),
        printed=tuple(map(_printed, printed)),
    )


def _distinct(tables: Iterable[Table]) -> tuple[Table, ...]:
    """Two builds of a corpus under one name have one title: the later table's anchor gets a number."""
    seen: Counter[str] = Counter()
    found = []
    for table in tables:
        seen[table.anchor] += 1
        count = seen[table.anchor]
        found.append(table if count == 1 else replace(table, anchor=f"{table.anchor}-{count}"))
    return tuple(found)


def _with_plot(tables: tuple[Table, ...], plots: Iterable[Plot | None]) -> tuple[Table, ...]:
    """The tables, the first of which whose section has a plot with its drawing."""
    for number, plot in enumerate(plots):
        if plot is not None:
            drawing = Drawing(plot.title, data_uri(plot), plot.finding)
            return (*tables[:number], replace(tables[number], drawing=drawing), *tables[number + 1 :])
    return tables


def _summary(board: Board, table: Table) -> list[Summary]:
    best = next((line for line in table.lines if line.mark == "best"), None)
    if best is None:
        return []
    kind = kind_of(registry.task_cards()[table.task].kind)
    column = [head.name for head in table.heads].index(kind.main)
    models = sum(line.mark not in ("ceiling", "empty") for line in table.lines)
    return [Summary(board.title, table, best, kind.main, best.cells[column - 1], models)]


def _printed(table: Reported) -> Printed:
    about, heads, rows = printed_table(table)
    return Printed(table.source, about, heads, tuple(rows))
