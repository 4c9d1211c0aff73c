"""The index of all leaderboards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from unimp_bench.contracts import TaskCard
from unimp_bench.markdown import anchor, table_head, table_row
from unimp_bench.reports.audit.corpus.record import CorpusAudit
from unimp_bench.reports.cells import GENERATED
from unimp_bench.reports.markdown.audited import audit_index
from unimp_bench.reports.slices import order_words
from unimp_bench.reports.tables import Section
from unimp_bench.reports.topics import TopicSection
from unimp_bench.runs.suite import Suite


def index_page(
    pages: Iterable[tuple[TaskCard, Sequence[Section]]],
    topics: Iterable[tuple[Suite, Sequence[TopicSection]]],
    others: Sequence[tuple[str, str]] = (),
    audits: Sequence[CorpusAudit] = (),
    published: bool = True,
) -> str:
    """The index of all leaderboards: the best row of every section of a task; of a topic, what is filled.

    Args:
        pages: of tasks.
        topics: of suites.
        others: further pages, as their file and what they tell.
        audits: of corpora.
        published: the rows are published results; else they are a workspace's own runs.
    """
    origin = (
        "Every table is generated from the files in `results/`; a test compares them. "
        "[How to read a table](../docs/getting_started.md#reading-a-table)."
    )
    own = "Tables of the runs in this workspace, published or not."
    lines = [
        GENERATED,
        "# Leaderboards",
        "",
        origin if published else own,
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
            order = "file-order artefact" if order_words(section, audits) else ""
            corpus = ", ".join(part for part in (section.corpus.name, section.options, order) if part)
            main = section.kind.main
            cells = (link, corpus, section.split, protocol, best.label, main, f"{best.metrics[main].value:.4f}")
            lines.append(table_row((*cells, str(count))))
    lines += ["", "A topic compares the rows of a suite, `unimp-bench suite <topic>`, with its first row.", ""]
    lines += table_head(("Topic", "Table", "Corpus", "Task", "UniMP", "Rows with results"))
    for suite, sections in topics:
        for part in sections:
            filled = f"{sum(bool(row.results) for row in part.rows)} of {len(part.rows)}"
            link = f"[{suite.name}]({suite.name}.md#{anchor(part.title)})"
            lines.append(table_row((link, suite.table, part.corpus.name, part.task, part.budget, filled)))
        if not sections:
            lines.append(table_row((f"[{suite.name}]({suite.name}.md)", suite.table, "", "", "", "none yet")))
    if others:
        lines += ["", "Audits of printed tables:", "", *(f"* [{about}]({file})" for file, about in others)]
    lines += audit_index(audits)
    return "\n".join(lines) + "\n"
