"""The page of a task."""

from __future__ import annotations

from collections.abc import Sequence

from unimp_bench.contracts import TaskCard
from unimp_bench.kinds import kind_of
from unimp_bench.markdown import table_head, table_row
from unimp_bench.reports.audit.corpus.record import CorpusAudit
from unimp_bench.reports.cells import (
    COSTS,
    GENERATED,
    brief,
    corpus_facts,
    cost_cells,
    details,
    main_cells,
    marked,
    p_cell,
    reasons,
    remarks,
    reported_table,
)
from unimp_bench.reports.labels import OLDER
from unimp_bench.reports.markdown.audited import audit_link, order_banner
from unimp_bench.reports.markdown.plot_files import PlotFile, shown
from unimp_bench.reports.markdown.shuffled_table import shuffled_table
from unimp_bench.reports.markdown.slice_table import slice_details
from unimp_bench.reports.printed import LEGEND, nearest_cell, of_model, of_system, printed_rows
from unimp_bench.reports.reported import Reported
from unimp_bench.reports.tables import EmptyRow, Row, Section
from unimp_bench.runs.suites import CATALOGUE


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
        f"Prediction: {card.about}.",
        "",
        f"Rows are ordered by {kind.main}{'' if ordered.higher_is_better else ', lowest first'}. Brackets: 95% "
        f"bootstrap intervals over examples. `p`: paired test of {kind.compared} against the best row "
        "(Holm-corrected within the table); bold below 0.05. *upper bound*: uses the ground truth of a generated "
        f"corpus, not ranked. {LEGEND} {OLDER}: result of an earlier version of the model, its features, the task "
        "or the selection rule; versions are never averaged. Costs were measured on the machine named in the result "
        "file, possibly under other load. "
        f"Variants of UniMP are compared on separate pages: {elsewhere}.",
    ]
    if gallery:
        lines += ["", f"Pictures generated for two users with the same query: [gallery]({gallery})."]
    if not found:
        lines += ["", "No result has been published yet."]
    for section, files in zip(found, plots, strict=True):
        lines += ["", *_section(section, reported, audits, files)]
    printed = [table for table in reported if not table.topic or any(row.models for row in table.rows)]
    lines += ["", "## Reported results", ""] if printed else []
    for table in printed:
        lines += [*reported_table(table), ""]
    return "\n".join(lines).rstrip() + "\n"


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
        *order_banner(section, audits),
        "",
        *table_head(("#", "Model", *brief(section.names, kind), *reported_name, "p", *COSTS)),
        *(table_row(_cells(row, section, reported)) for row in section.rows),
        *(table_row(_empty_cells(row, section, reported)) for row in section.empty),
        *reasons([(row.row.label, row.reason) for row in section.empty]),
        *remarks(section.rows),
        *shown(plots),
        *shuffled_table(section.shuffled, kind.main),
        *slice_details(section, audits, "Model"),
        *details(section.rows, section.names, "Model", [result for row in section.shuffled for result in row.results]),
    ]


def _cells(row: Row, section: Section, reported: Sequence[Reported]) -> list[str]:
    kind, wanted = section.kind, of_model(row.results[0].model.name)
    tables = [table for table in reported if table.split == section.split]
    printed = printed_rows(tables, wanted, kind, section.corpus.name, section.protocol)
    return [
        "*upper bound*" if row.place is None else str(row.place),
        marked(row.label + (f", {len(row.results)} seeds" if len(row.results) > 1 else ""), row),
        *main_cells(row, section.names, kind),
        *([nearest_cell(printed, kind.reported)] if kind.reported else []),
        p_cell(row.p_value),
        *cost_cells(row.results[0].cost),
    ]


def _empty_cells(empty: EmptyRow, section: Section, reported: Sequence[Reported]) -> list[str]:
    kind, row = section.kind, empty.row
    tables = [table for table in reported if table.split == section.split and table.topic in ("", table.task)]
    printed = printed_rows(tables, of_system(row.system), kind, section.corpus.name, section.protocol)
    blank = [""] * len(brief(section.names, kind))
    return [
        "",
        row.label,
        *blank,
        *([nearest_cell(printed, kind.reported)] if kind.reported else []),
        "",
        *cost_cells(None),
    ]
