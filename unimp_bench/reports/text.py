"""Shows a leaderboard in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from unimp_bench.contracts import TaskCard
from unimp_bench.kinds import Kind
from unimp_bench.reports.audit.corpus.record import CorpusAudit
from unimp_bench.reports.cells import Line, brief, marked
from unimp_bench.reports.columns import columns, paragraphs
from unimp_bench.reports.contents import Contents
from unimp_bench.reports.degenerate import MARK
from unimp_bench.reports.slices import order_words
from unimp_bench.reports.tables import Section
from unimp_bench.reports.topics import TopicSection
from unimp_bench.runs.suite import Suite

NOTHING = "no result yet"


def show(contents: Contents, shown: TaskCard | Suite, corpus: str | None = None) -> str:
    """The tables of a task or suite as plain text, of one corpus where ``corpus`` is given.

    Raises:
        UsageError: no result is on that corpus.
    """
    if corpus is not None:
        contents = contents.only(corpus)
    audits = contents.audits()
    if isinstance(shown, Suite):
        topics = [part for part in contents.topic_sections(shown) if corpus in (None, part.corpus.name)]
        return "\n\n".join(_topic_section(part, audits) for part in topics) or f"{NOTHING} of two rows that compare"
    tasks = [part for part in contents.task_sections(shown) if corpus in (None, part.corpus.name)]
    return "\n\n".join(_section(part, audits) for part in tasks) or NOTHING


def _section(section: Section, audits: Sequence[CorpusAudit]) -> str:
    places = ["~" if row.place is None else str(row.place) for row in section.rows]
    lines = [_title(section, audits)]
    lines += _table(section.rows, places, section.names, section.kind, "#")
    if any(row.place is None for row in section.rows):
        lines.append("   ~ upper bound: uses the ground truth of the generated corpus")
    return "\n".join(lines)


def _topic_section(section: TopicSection, audits: Sequence[CorpusAudit]) -> str:
    seeds = [str(len(row.results) or "-") for row in section.rows]
    lines = [_title(section, audits)]
    lines += _table(section.rows, seeds, section.names, section.kind, "seed")
    return "\n".join(lines)


def _title(section: Section | TopicSection, audits: Sequence[CorpusAudit]) -> str:
    notes = " (generated corpus)" if section.corpus.synthetic else ""
    notes += " (file-order artefact: sequential models rank too high)" if order_words(section, audits) else ""
    return paragraphs(section.title + notes)


def _table(rows: Sequence[Line], begins: Sequence[str], metrics: Sequence[str], kind: Kind, first: str) -> list[str]:
    """The head and the rows, each of them after what it begins with; a long label goes on below itself.

    What readers must know of the answers of a row stands below the table.
    """
    names = brief(metrics, kind)
    cells = [(f"{first:>4}", "model", *names)]
    cells += [
        (begin, marked(row.label, row), *(_cell(row, name) for name in names))
        for begin, row in zip(begins, rows, strict=True)
    ]
    warned = [paragraphs(f"   {MARK} {row.label}: {warning}") for row in rows for warning in row.warnings]
    return [*columns(cells, wrapping=(1,), right=(0, *range(2, 2 + len(names)))), *warned]


def _cell(row: Line, name: str) -> str:
    return f"{row.metrics[name].value:.4f}" if name in row.metrics else "-"
