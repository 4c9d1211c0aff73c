"""The sections of a task as tables of the page."""

from __future__ import annotations

from unimp_bench.markdown import anchor
from unimp_bench.reports.cells import corpus_facts, marked
from unimp_bench.reports.html.audits import audit_anchor, sliced
from unimp_bench.reports.html.cells import (
    COST_HEADS,
    aligned,
    costs,
    metric_cells,
    metric_heads,
    number_cell,
    p_value_cell,
    spans_of,
)
from unimp_bench.reports.html.ledger import Ledger
from unimp_bench.reports.html.record import Head, Line, Mark, Table
from unimp_bench.reports.html.tables import (
    Sources,
    empty_line,
    printed_cells,
    printed_heads,
    text_of,
    words_beside,
)
from unimp_bench.reports.printed import of_model, of_system, printed_rows
from unimp_bench.reports.slices import order_words
from unimp_bench.reports.tables import EmptyRow, Row, Section


def task_table(task: str, section: Section, sources: Sources, ledger: Ledger) -> Table:
    """The table of a task's section.

    Args:
        task: its name.
        sources: of the task.
        ledger: where the details of its rows go.
    """
    kind, names, corpus, reported = section.kind, section.names, section.corpus.name, sources.reported
    heads = (
        *(Head("Model", numeric=False), Head("Place")),
        *metric_heads(names, kind),
        *printed_heads(kind),
        *(Head("p"), *COST_HEADS),
    )
    spans = spans_of(section.rows, names, kind)
    slices = sliced(section, sources.audits)
    entries = ledger.begin(f"{task}, {section.title}", kind.main, names, corpus, slices, section.shuffled)
    same_split = [table for table in reported if table.split == section.split]

    def line(row: Row) -> Line:
        model = row.results[0].model
        printed = printed_rows(same_split, of_model(model.name), kind, corpus, section.protocol)
        seeds = [f"{len(row.results)} seeds"] if len(row.results) > 1 else []
        cells = {
            **metric_cells(row, spans),
            **printed_cells(kind, printed),
            "p": p_value_cell(row.p_value),
            **costs(row.results[0].cost),
        }
        if row.place is not None:
            cells["Place"] = number_cell(str(row.place), row.place)
        return Line(
            name=model.name,
            words=marked(", ".join([*words_beside(row.label, model.name), *seeds]), row).strip(),
            label=row.label,
            mark=_mark(row.place),
            reads=model.reads,
            detail=entries.add(row, printed),
            cells=aligned(heads, cells),
        )

    def empty(gap: EmptyRow) -> Line:
        own = [table for table in same_split if table.topic in ("", table.task)]
        printed = printed_rows(own, of_system(gap.row.system), kind, corpus, section.protocol)
        return empty_line(gap.row, gap.reason, heads, printed_cells(kind, printed))

    facts, warning = text_of(
        corpus_facts(section.corpus, kind, section.examples, section.protocol, section.fingerprint)
    )
    return Table(
        anchor=f"{task}-{anchor(section.title)}",
        title=section.title,
        task=task,
        corpus=corpus,
        split=section.split,
        protocol=section.protocol if kind.has_protocols else "",
        facts=facts,
        warning=warning,
        heads=heads,
        lines=(*map(line, section.rows), *map(empty, section.empty)),
        audit=audit_anchor(section.fingerprint, sources.audits),
        order=order_words(section, sources.audits),
    )


def _mark(place: int | None) -> Mark:
    return "ceiling" if place is None else "best" if place == 1 else ""
