"""The sections of a topic as tables of the page."""

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
from unimp_bench.reports.html.record import Cell, Head, Line, Mark, Table
from unimp_bench.reports.html.tables import (
    Sources,
    empty_line,
    printed_cells,
    printed_heads,
    text_of,
    words_beside,
)
from unimp_bench.reports.labels import row_words
from unimp_bench.reports.printed import of_system, printed_rows
from unimp_bench.reports.slices import order_words
from unimp_bench.reports.topics import TopicRow, TopicSection


def topic_table(section: TopicSection, sources: Sources, ledger: Ledger) -> Table:
    """The table of a topic's section.

    Args:
        sources: of the topic.
        ledger: where the details of its rows go.
    """
    kind, names, suite, corpus = section.kind, section.names, section.suite, section.corpus.name
    reported = [table for table in sources.reported if table.task == section.task]
    heads = (
        *(Head("Row", numeric=False), Head("Order"), Head("Change", numeric=False), Head("Seeds", first="descending")),
        *metric_heads(names, kind),
        *(Head("Difference", first=metric_heads([kind.main], kind)[0].first), Head("p")),
        *(printed_heads(kind) if reported else ()),
        *COST_HEADS,
    )
    filled = [row for row in section.rows if row.results]
    slices = sliced(section, sources.audits)
    entries = ledger.begin(f"{suite.title}, {section.title}", kind.main, names, corpus, slices)
    spans, best = spans_of(filled, names, kind), _best(section)

    def line(order: int, row: TopicRow) -> Line:
        printed = printed_rows(reported, of_system(row.row.system), kind, corpus, suite.protocol)
        cells = {
            "Order": number_cell(str(order), order),
            "Change": Cell(row_words(row.row)),
            **printed_cells(kind, printed),
        }
        if not row.results:
            return empty_line(row.row, row.reason, heads, cells)
        cells |= {
            "Seeds": number_cell(str(len(row.results)), len(row.results)),
            **metric_cells(row, spans),
            **costs(row.results[0].cost),
        }
        if row.test is not None:
            cells["Difference"] = number_cell(f"{row.test.difference:+.4f}", row.test.difference)
            cells["p"] = p_value_cell(row.test.p_value)
        return Line(
            name=row.row.label,
            words=marked(", ".join(words_beside(row.label, row.row.label)), row).strip(),
            label=row.label,
            mark=_mark(row, best),
            reads=row.results[0].model.reads,
            detail=entries.add(row, printed),
            cells=aligned(heads, cells),
        )

    facts, warning = text_of(corpus_facts(section.corpus, kind, section.examples, suite.protocol, section.fingerprint))
    return Table(
        anchor=f"{suite.name}-{anchor(section.title)}",
        title=section.title,
        task=section.task,
        corpus=corpus,
        split=suite.split,
        protocol=suite.protocol if kind.has_protocols else "",
        facts=facts,
        warning=warning,
        heads=heads,
        lines=tuple(line(order, row) for order, row in enumerate(section.rows, start=1)),
        audit=audit_anchor(section.fingerprint, sources.audits),
        order=order_words(section, sources.audits),
    )


def _mark(row: TopicRow, best: TopicRow | None) -> Mark:
    return "ceiling" if _is_ceiling(row) else "best" if row is best else ""


def _best(section: TopicSection) -> TopicRow | None:
    """The row with the best main metric; ceilings do not compete."""
    column = section.kind.column(section.kind.main)
    assert column is not None
    sign = 1 if column.higher_is_better else -1
    main = section.kind.main
    rows = [row for row in section.rows if main in row.metrics and not _is_ceiling(row)]
    return max(rows, key=lambda row: sign * row.metrics[main].value, default=None)


def _is_ceiling(row: TopicRow) -> bool:
    return bool(row.results) and row.results[0].model.is_ceiling
