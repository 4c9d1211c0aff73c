"""The page of a topic as markdown."""

from __future__ import annotations

from collections.abc import Sequence

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
from unimp_bench.reports.labels import OLDER, row_words
from unimp_bench.reports.markdown.audited import audit_link, order_banner
from unimp_bench.reports.markdown.plot_files import PlotFile, shown
from unimp_bench.reports.markdown.slice_table import slice_details
from unimp_bench.reports.printed import LEGEND, nearest_cell, of_system, printed_rows
from unimp_bench.reports.reported import Reported
from unimp_bench.reports.topics import TopicRow, TopicSection
from unimp_bench.runs.suite import Suite


def topic_page(
    suite: Suite,
    found: Sequence[TopicSection],
    reported: Sequence[Reported],
    plots: Sequence[Sequence[PlotFile]],
    audits: Sequence[CorpusAudit] = (),
) -> str:
    """The page of one suite.

    Args:
        suite: whose rows are shown.
        found: its sections.
        reported: the printed tables of this topic.
        plots: of each section.
        audits: of corpora.
    """
    base = suite.rows[0].label
    lines = [
        GENERATED,
        f"# {suite.title} ({suite.table})",
        "",
        f"Comparison: {suite.about}.",
        "",
        "Rows are in the order of the paper. Brackets: 95% bootstrap intervals over examples, of the mean over "
        f"seeds. *Difference*: to the first row, {base}, on the same examples; `p`: its paired test "
        f"(Holm-corrected within the table); bold below 0.05. {LEGEND} {OLDER}: result of an earlier version "
        "of the model, its features, the task or the selection rule. Section titles give preset and settings of all "
        "rows of UniMP, the column *Change* the differences of a row. Reasons of empty rows are below the table. Costs "
        "include all earlier fits, measured on the machine named in the result file, possibly under other load.",
    ]
    if not found:
        lines += ["", f"No result has been published yet: `unimp-bench suite {suite.name}`."]
    unseen = [name for name in suite.corpora if name not in {section.corpus.name for section in found}]
    if unseen:
        lines += ["", f"Without results: {', '.join(unseen)} (sources: docs/data.md)."]
    for section, files in zip(found, plots, strict=True):
        printed = [table for table in reported if table.task == section.task]
        lines += ["", *_section(section, printed, audits, files)]
    lines += ["", "## Reported results", ""] if reported else []
    for table in reported:
        lines += [*reported_table(table), ""]
    return "\n".join(lines).rstrip() + "\n"


def _section(
    section: TopicSection, reported: Sequence[Reported], audits: Sequence[CorpusAudit], plots: Sequence[PlotFile]
) -> list[str]:
    kind = section.kind
    reported_name = (f"Reported {kind.reported}",) if reported and kind.reported else ()
    columns = ("Row", "Change", "Seeds", *brief(section.names, kind), "Difference", "p", *reported_name, *COSTS)
    filled = [row for row in section.rows if row.results]
    return [
        f"## {section.title}",
        "",
        *corpus_facts(section.corpus, kind, section.examples, section.suite.protocol, section.fingerprint),
        *audit_link(section.fingerprint, audits),
        *order_banner(section, audits),
        "",
        *table_head(columns),
        *(table_row(_cells(row, section, reported, bool(reported_name))) for row in section.rows),
        *reasons([(row.label, row.reason) for row in section.rows if row.reason]),
        *remarks(filled),
        *shown(plots),
        *slice_details(section, audits, "Row"),
        *details(filled, section.names, "Row"),
    ]


def _cells(row: TopicRow, section: TopicSection, reported: Sequence[Reported], has_reported: bool) -> list[str]:
    kind = section.kind
    test = row.test
    printed = printed_rows(reported, of_system(row.row.system), kind, section.corpus.name, section.suite.protocol)
    return [
        marked(row.label, row),
        row_words(row.row),
        str(len(row.results)) if row.results else "",
        *main_cells(row, section.names, kind),
        "" if test is None else f"{test.difference:+.4f}",
        p_cell(test.p_value if test else None),
        *([nearest_cell(printed, kind.reported)] if has_reported else []),
        *cost_cells(row.results[0].cost if row.results else None),
    ]
