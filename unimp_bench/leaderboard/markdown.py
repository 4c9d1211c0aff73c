"""The pages of tasks, and the index, as markdown: the same results give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from unimp_bench.audit.corpus.record import CorpusAudit
from unimp_bench.contracts import TaskCard
from unimp_bench.kinds import kind_of
from unimp_bench.leaderboard.audited import audit_index, audit_link
from unimp_bench.leaderboard.cells import (
    COSTS,
    GENERATED,
    anchor,
    brief,
    corpus_facts,
    cost_cells,
    details,
    estimate_cell,
    main_cells,
    p_cell,
    printed_for,
    reasons,
    remarks,
    reported_cell,
    reported_table,
    table_head,
    table_row,
)
from unimp_bench.leaderboard.plot_files import PlotFile, folded
from unimp_bench.leaderboard.reported import Reported, ReportedRow
from unimp_bench.leaderboard.shuffled import TIES, Shuffled
from unimp_bench.leaderboard.slice_table import slice_details
from unimp_bench.leaderboard.tables import EmptyRow, Row, Section
from unimp_bench.leaderboard.topics import TopicSection
from unimp_bench.suites import CATALOGUE, Suite


def task_page(
    card: TaskCard,
    found: Sequence[Section],
    reported: Sequence[Reported],
    plots: Sequence[Sequence[PlotFile]],
    gallery: str = "",
    audits: Sequence[CorpusAudit] = (),
) -> str:
    """The page of one task.

    Args:
        card: the task.
        found: its sections.
        reported: the printed tables of this task.
        plots: of each section.
        gallery: where pictures are that a model drew; empty for nowhere.
        audits: of corpora.
    """
    kind = kind_of(card.kind)
    ordered = kind.column(kind.main)
    assert ordered is not None
    elsewhere = ", ".join(f"[{suite.name}]({suite.name}.md)" for suite in CATALOGUE if suite.variants)
    lines = [
        GENERATED,
        f"# {card.name.capitalize().replace('_', ' ')} ({card.table} of the UniMP paper)",
        "",
        f"What is asked: {card.about}.",
        "",
        f"Rows are ordered by {kind.main}{'' if ordered.higher_is_better else ', the lowest first'}. Brackets hold 95% "
        f"bootstrap intervals over examples. `p` is the paired test of {kind.main} against the best row "
        "(Holm-corrected within the table); bold where below 0.05. *ceiling* rows know the truth of a generated corpus "
        "and take no place. *Reported* is what a paper prints: comparable where it is on the same data, marked † where "
        "it is on other data. Costs are those of the machine that the result file names, beside whatever else it ran. "
        f"Variants of UniMP that are there to be compared with it stand on pages of their own: {elsewhere}.",
    ]
    if gallery:
        lines += ["", f"Two users, one query, and what a model drew for each: [gallery]({gallery})."]
    if not found:
        lines += ["", "No result has been published yet."]
    for section, files in zip(found, plots, strict=True):
        lines += ["", *_section(section, reported, audits, files)]
    printed = [table for table in reported if not table.topic or any(row.models for row in table.rows)]
    lines += ["", "## What papers report", ""] if printed else []
    for table in printed:
        lines += [*reported_table(table), ""]
    return "\n".join(lines).rstrip() + "\n"


def index_page(
    pages: Iterable[tuple[TaskCard, Sequence[Section]]],
    topics: Iterable[tuple[Suite, Sequence[TopicSection]]],
    others: Sequence[tuple[str, str]] = (),
    audits: Sequence[CorpusAudit] = (),
) -> str:
    """The index of all leaderboards: the best row of every section of a task; of a topic, what is filled.

    Args:
        pages: of tasks.
        topics: of suites.
        others: further pages, as their file and what they tell.
        audits: of corpora.
    """
    lines = [
        GENERATED,
        "# Leaderboards",
        "",
        "Every table is generated from the files in `results/`; a test fails when one differs.",
        "",
        *table_head(("Task", "Corpus", "Split", "Protocol", "Best", "Metric", "Value", "Models")),
    ]
    for card, found in pages:
        for section in found:
            best = next((row for row in section.rows if row.place == 1), None)
            if best is None:
                continue
            link = f"[{card.name}]({card.name}.md#{anchor(section.title)})"
            count = sum(row.place is not None for row in section.rows)
            protocol = section.protocol if section.kind.has_protocols else ""
            corpus = ", ".join(part for part in (section.corpus.name, section.options) if part)
            main = section.kind.main
            cells = (link, corpus, section.split, protocol, best.label, main, f"{best.metrics[main].value:.4f}")
            lines.append(table_row((*cells, str(count))))
    lines += ["", "A topic compares the rows of one suite, `unimp-bench suite <topic>`, with its first one.", ""]
    lines += table_head(("Topic", "Where it comes from", "Corpus", "Task", "UniMP", "Rows with results"))
    for suite, sections in topics:
        for part in sections:
            filled = f"{sum(bool(row.results) for row in part.rows)} of {len(part.rows)}"
            link = f"[{suite.name}]({suite.name}.md#{anchor(part.title)})"
            lines.append(table_row((link, suite.table, part.corpus.name, part.task, part.budget, filled)))
        if not sections:
            lines.append(table_row((f"[{suite.name}]({suite.name}.md)", suite.table, "", "", "", "none yet")))
    if others:
        lines += ["", "How far numbers can be trusted:", "", *(f"* [{about}]({file})" for file, about in others)]
    lines += audit_index(audits)
    return "\n".join(lines) + "\n"


def _section(
    section: Section, reported: Sequence[Reported], audits: Sequence[CorpusAudit], plots: Sequence[PlotFile]
) -> list[str]:
    kind = section.kind
    reported_name = (f"Reported {kind.reported}",) if kind.reported else ()
    return [
        f"## {section.title}",
        "",
        *corpus_facts(section.corpus, kind, section.examples, section.protocol, section.fingerprint),
        *audit_link(section.fingerprint, audits),
        "",
        *table_head(("#", "Model", *brief(section.names, kind), *reported_name, "p", *COSTS)),
        *(table_row(_cells(row, section, reported)) for row in section.rows),
        *(table_row(_empty_cells(row, section, reported)) for row in section.empty),
        *reasons([(row.row.label, row.reason) for row in section.empty]),
        *remarks(section.rows),
        *folded(plots),
        *_shuffled_table(section.shuffled, kind.main),
        *slice_details(section, audits, "Model"),
        *details(section.rows, section.names, "Model", [result for row in section.shuffled for result in row.results]),
    ]


def _cells(row: Row, section: Section, reported: Sequence[Reported]) -> list[str]:
    kind = section.kind
    return [
        "*ceiling*" if row.place is None else str(row.place),
        row.label + (f", {len(row.results)} seeds" if len(row.results) > 1 else ""),
        *main_cells(row, section.names, kind),
        *([printed_for_model(row.results[0].model.name, section, reported)] if kind.reported else []),
        p_cell(row.p_value),
        *cost_cells(row.results[0].cost),
    ]


def _shuffled_table(rows: Sequence[Shuffled], metric: str) -> list[str]:
    if not rows:
        return []
    return [
        "",
        f"When ties in time are shuffled (view `{TIES}`: interactions of a user at one time in an order by chance, so "
        "that another of them may be the target; the model fitted and scored again on that; means over the seeds that "
        "ran both ways). A shift says how much of a score hangs on the order that a file happens to have:",
        "",
        *table_head(("Model", "Seeds", metric, "Shuffled", "Shift")),
        *(
            table_row(
                (
                    row.label,
                    str(row.seeds),
                    estimate_cell(row.stored),
                    estimate_cell(row.shuffled),
                    f"{row.shift:+.4f}",
                )
            )
            for row in rows
        ),
    ]


def _empty_cells(empty: EmptyRow, section: Section, reported: Sequence[Reported]) -> list[str]:
    kind, row = section.kind, empty.row
    tables = [table for table in reported if table.split == section.split and table.topic in ("", table.task)]
    printed = printed_for(row, tables, kind.reported, section.corpus.name)
    blank = [""] * len(brief(section.names, kind))
    return ["", row.label, *blank, *([printed] if kind.reported else []), "", *cost_cells(None)]


def printed_for_model(model: str, section: Section, reported: Sequence[Reported]) -> str:
    """What a paper prints for a model: on this corpus if any does, else on other data, marked."""
    metric = section.kind.reported
    same_split = [table for table in reported if table.split == section.split]
    for name in (section.corpus.name, ""):
        for table in same_split:
            if table.corpus == name:
                for found in _rows_of(table, model, metric):
                    return reported_cell(found, metric, bool(name))
    return ""


def _rows_of(table: Reported, model: str, metric: str) -> list[ReportedRow]:
    return [row for row in table.rows if model in row.models and metric in row.metrics]
