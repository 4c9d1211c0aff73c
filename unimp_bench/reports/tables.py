"""Sections to tables, and the tables of a task or suite to its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from unimp_bench import registry
from unimp_bench.contracts import TaskCard
from unimp_bench.kinds import Column as MetricColumn
from unimp_bench.kinds import Kind, kind_of
from unimp_bench.records import BoolArray
from unimp_bench.reports.audit.corpus.page import file_order_words
from unimp_bench.reports.audit.corpus.record import CUTS, CorpusAudit
from unimp_bench.reports.figures import section_plot, topic_plot
from unimp_bench.reports.labels import OLDER, older_remark, row_words
from unimp_bench.reports.plots import Plot
from unimp_bench.reports.printed import (
    LEGEND,
    Printed,
    Reported,
    nearest,
    of_model,
    of_system,
    printed_rows,
    printed_table,
)
from unimp_bench.reports.remarks import spread_cells
from unimp_bench.reports.scored import Scored
from unimp_bench.reports.sections import Row as Scores
from unimp_bench.reports.sections import Section
from unimp_bench.reports.table import (
    MIN_EXAMPLES,
    Cell,
    Column,
    CutRows,
    Details,
    Mark,
    Page,
    Quoted,
    Row,
    Run,
    Side,
    Slices,
    Stage,
    Table,
    Ties,
)
from unimp_bench.runs.results import Cost, Estimate, Result
from unimp_bench.runs.suite import Suite
from unimp_bench.runs.suites import CATALOGUE

SIGNIFICANT = 0.05
COSTS = ("Fit", "Examples/s", "Memory", "Parameters")


def task_page(
    card: TaskCard,
    found: Sequence[Section],
    reported: Sequence[Reported],
    audits: Sequence[CorpusAudit],
    gallery: str = "",
) -> Page:
    """The page of one task.

    Args:
        card: the task.
        found: its sections.
        reported: tables of papers, for any task.
        audits: of corpora.
        gallery: path of generated pictures; empty without any.
    """
    kind = kind_of(card.kind)
    highest = _column(kind, kind.main).higher_is_better
    variants = ", ".join(f"[{suite.name}]({suite.name}.md)" for suite in CATALOGUE if suite.variants)
    printed = [table for table in reported if table.task == card.name]
    notes = [f"Pictures generated for two users with the same query: [gallery]({gallery})."] if gallery else []
    notes += [] if found else ["No result has been published yet."]
    return _page(
        Page(
            name=card.name,
            title=card.name.capitalize().replace("_", " "),
            origin=f"{card.table} of the UniMP paper",
            about=f"Prediction: {card.about}.",
            order=f"Rows are ordered by {kind.main}, {'highest' if highest else 'lowest'} first.",
            reading=f"Rows are ordered by {kind.main}{'' if highest else ', lowest first'}. Brackets: 95% bootstrap "
            f"intervals over examples. `p`: paired test of {kind.compared} against the best row (Holm-corrected within "
            "the table); bold below 0.05. *upper bound*: uses the ground truth of a generated corpus, not ranked. "
            f"{LEGEND} {OLDER}: result of an earlier version of the model, its features, the task or the selection "
            "rule; versions are never averaged. Costs were measured on the machine named in the result file, possibly "
            f"under other load. Variants of UniMP are compared on separate pages: {variants}.",
            command=f"unimp-bench run --task {card.name} --model unimp",
            notes=tuple(notes),
            tables=tuple(table_of(section, printed, audits) for section in found),
            reported=tuple(
                printed_table(table) for table in printed if not table.topic or any(row.models for row in table.rows)
            ),
        ),
        found,
        lambda section: section_plot(section, printed),
    )


def topic_page(
    suite: Suite, found: Sequence[Section], reported: Sequence[Reported], audits: Sequence[CorpusAudit]
) -> Page:
    """The page of one suite; arguments as for ``task_page``."""
    base, command = suite.rows[0].label, f"unimp-bench suite {suite.name}"
    printed = [table for table in reported if table.topic == suite.name]
    unseen = [name for name in suite.corpora if name not in {section.corpus.name for section in found}]
    notes = [] if found else [f"No result has been published yet: `{command}`."]
    if unseen:
        notes.append(f"Without results: {', '.join(unseen)} (sources: docs/data.md).")
    return _page(
        Page(
            name=suite.name,
            title=suite.title,
            origin=suite.table,
            about=f"Comparison: {suite.about}.",
            order=f"Rows are in the order of the paper; differences are to the first row, {base}.",
            reading="Rows are in the order of the paper. Brackets: 95% bootstrap intervals over examples, of the mean "
            f"over seeds. *Difference*: to the first row, {base}, on the same examples; `p`: its paired test "
            f"(Holm-corrected within the table); bold below 0.05. {LEGEND} {OLDER}: result of an earlier version of "
            "the model, its features, the task or the selection rule. Section titles give preset and settings of all "
            "rows of UniMP, the column *Change* the differences of a row. Reasons of empty rows are below the table. "
            "Costs include all earlier fits, measured on the machine named in the result file, possibly under other "
            "load.",
            command=command,
            notes=tuple(notes),
            tables=tuple(table_of(section, printed, audits) for section in found),
            reported=tuple(map(printed_table, printed)),
        ),
        found,
        topic_plot,
    )


def _page(page: Page, found: Sequence[Section], plot_of: Callable[[Section], Plot | None]) -> Page:
    """The page with the plot of the first section that has one."""
    for number, section in enumerate(found):
        plot = plot_of(section)
        if plot is not None:
            return replace(page, plot=plot, plotted=number)
    return page


def table_of(section: Section, reported: Sequence[Reported], audits: Sequence[CorpusAudit]) -> Table:
    """The table of a section.

    Args:
        section: of a task or suite.
        reported: tables of papers for that task or suite.
        audits: of corpora.
    """
    kind, corpus, ranked = section.kind, section.corpus, section.suite is None
    printed = [table for table in reported if (table.split == section.split if ranked else table.task == section.task)]
    columns = _columns(section, kind.reported if ranked or printed else "")
    best = _best(section)
    return Table(
        title=section.title,
        first="Model" if ranked else "Row",
        ranked=ranked,
        task=section.task,
        corpus=corpus.name,
        fingerprint=section.fingerprint,
        split=section.split,
        protocol=section.protocol if kind.has_protocols else "",
        options=section.options,
        budget=section.budget,
        facts=f"{corpus.users:,} users, {corpus.items:,} items, {corpus.interactions:,} interactions, "
        f"{corpus.pictures:,} pictures; {kind.account(section.examples, corpus.catalogue, section.protocol)}. "
        f"Corpus `{section.fingerprint[:12]}`.",
        generated=corpus.synthetic,
        order=order_words(section, audits),
        main=kind.main,
        names=section.names,
        columns=columns,
        rows=tuple(
            _row(row, row.place if ranked else number, row is best, section, _printed(row, section, printed), columns)
            for number, row in enumerate(section.rows, 1)
        ),
        slices=slices_of(section, audits),
        ties=tuple(
            Ties(each.label, each.stored, each.shuffled, tuple(map(_run, each.results))) for each in section.shuffled
        ),
    )


def _columns(section: Section, reported: str) -> tuple[Column, ...]:
    """The columns of a section; ``reported`` is the metric of papers, empty for none."""

    def first(name: str) -> Literal["ascending", "descending"]:
        return "descending" if _column(section.kind, name).higher_is_better else "ascending"

    names = [name for name in section.names if _column(section.kind, name).brief]
    metrics = [Column(name, first=first(name), is_metric=True) for name in names]
    printed = [Column(f"Reported {reported}", first=first(reported))] if reported else []
    costs = [Column(name, first="descending" if name == "Examples/s" else "ascending") for name in COSTS]
    if section.suite is None:
        return (*metrics, *printed, Column("p"), *costs)
    difference = Column("Difference", first=first(section.kind.main))
    return (
        *(Column("Change", numeric=False), Column("Seeds", first="descending")),
        *(*metrics, difference, Column("p"), *printed, *costs),
    )


def _best(section: Section) -> Scores | None:
    """The row with the best main metric, without upper bounds."""
    main = section.kind.main
    sign = 1 if _column(section.kind, main).higher_is_better else -1
    rows = [row for row in section.rows if main in row.metrics and not row.is_ceiling]
    if section.suite is None:
        return next((row for row in rows if row.place == 1), None)
    return max(rows, key=lambda row: sign * row.metrics[main].value, default=None)


def _printed(row: Scores, section: Section, printed: Sequence[Reported]) -> list[Printed]:
    """Reported rows of a row's model, or of the system of a suite's row."""
    wanted = of_model(row.results[0].model.name) if row.of is None else of_system(row.of.system)
    if section.suite is None and row.of is not None:
        printed = [table for table in printed if table.topic in ("", table.task)]
    return printed_rows(printed, wanted, section.kind, section.corpus.name, section.protocol)


def _row(
    row: Scores, place: int | None, best: bool, section: Section, printed: Sequence[Printed], columns: Sequence[Column]
) -> Row:
    kind, name = section.kind, row.results[0].model.name if row.of is None else row.of.label
    cells = {each: _metric_cell(kind, each, estimate) for each, estimate in row.metrics.items()}
    quoted = nearest(printed, kind.reported)
    if quoted is not None:
        cells[f"Reported {kind.reported}"] = Cell(quoted.cell(kind.reported), quoted.row.metrics[kind.reported])
    if row.of is not None:
        cells["Change"] = Cell(row_words(row.of))
    if row.test is not None:
        cells["Difference"] = Cell(f"{row.test.difference:+.4f}", row.test.difference)
        cells["p"] = _p_cell(row.test.p_value)
    if not row.results:
        reads: tuple[str, ...] = registry.model_card(row.of.model).reads if row.of and row.of.model else ()
        return Row(row.label, name, place, "empty", reads, _aligned(cells, columns), None, row.reason)
    cells["Seeds"] = Cell(str(len(row.results)), len(row.results))
    cells |= _cost_cells(row.results[0].cost)
    mark: Mark = "ceiling" if row.is_ceiling else "best" if best else ""
    reads = row.results[0].model.reads
    return Row(row.label, name, place, mark, reads, _aligned(cells, columns), _details(row, section, printed))


def _aligned(cells: Mapping[str, Cell], columns: Sequence[Column]) -> tuple[Cell, ...]:
    return tuple(cells.get(column.name, Cell()) for column in columns)


def _metric_cell(kind: Kind, name: str, estimate: Estimate) -> Cell:
    interval = (estimate.low, estimate.high) if _column(kind, name).interval else None
    return Cell(f"{estimate.value:.4f}", estimate.value, interval)


def _p_cell(p_value: float) -> Cell:
    return Cell("<0.001" if p_value < 0.001 else f"{p_value:.3f}", p_value, strong=p_value < SIGNIFICANT)


def _cost_cells(cost: Cost | None) -> dict[str, Cell]:
    """Cells by the names of ``COSTS``; empty for imported predictions."""
    if cost is None:
        return {}
    seconds, trained, total = cost.fit_seconds, cost.parameters_trained, cost.parameters_total
    cells = (
        Cell(f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min", seconds),
        Cell(f"{cost.examples_per_second:,.0f}", cost.examples_per_second),
        Cell(f"{cost.peak_memory_mib:,.0f} MiB", cost.peak_memory_mib),
        Cell(f"{total:,}" if trained == total or not total else f"{trained:,} of {total:,}", total),
    )
    return dict(zip(COSTS, cells, strict=True))


def _details(row: Scores, section: Section, printed: Sequence[Printed]) -> Details:
    model = row.results[0].model
    return Details(
        about=model.about,
        source=model.source,
        metrics={name: row.metrics[name] for name in section.names if name in row.metrics},
        missing=row.missing,
        warnings=row.warnings,
        answers=spread_cells(row.results),
        quoted=tuple(Quoted(each.table.source, each.row.system, each.row.metrics, each.differs) for each in printed),
        runs=tuple(map(_run, row.results)),
    )


def _run(result: Result) -> Run:
    origin, fit = result.provenance, result.spec.fit
    return Run(
        key=result.spec.key,
        seed=fit.seed,
        command=origin.command,
        commit=origin.commit,
        clean=origin.clean,
        machine=origin.machine,
        time=origin.time,
        versions=origin.versions,
        stages=tuple(
            Stage(tuple(name for name, _ in each.tasks), each.model, each.split, each.seed, each.options, each.config)
            for each in fit.stages
        ),
        remarks=remarks_of(result),
        costs={name: cell.text for name, cell in _cost_cells(result.cost).items()},
    )


def remarks_of(result: Result) -> tuple[str, ...]:
    """The remarks of a result, and one on an earlier version."""
    older = older_remark(result)
    return (*result.remarks, older) if older else result.remarks


def _column(kind: Kind, name: str) -> MetricColumn:
    column = kind.column(name)
    assert column is not None
    return column


def slices_of(section: Section, audits: Sequence[CorpusAudit]) -> Slices | None:
    """The slices of a section by the cuts of the corpus's audit; None without an audit of its examples.

    Audits cover the default options of tasks, so sections with other options have no slices.
    """
    if section.options:
        return None
    found = [
        known
        for audit in audits
        if audit.fingerprint == section.fingerprint
        if (known := audit.examples_of(section.task, section.split, section.examples)) is not None
    ]
    if not found:
        return None
    if any(result.targets for row in section.filled for result in row.results):
        return None  # values are per user, masks per example
    rows = [row for row in section.filled if section.kind.main in row.metrics]
    values = [Scored.of(row.label, row.results, section.kind).main_values() for row in rows]

    def side(name: str, mask: BoolArray) -> Side:
        examples = int(np.count_nonzero(mask))
        means = tuple(float(each[mask].mean()) for each in values) if examples >= MIN_EXAMPLES else ()
        return Side(name, examples, means)

    cuts = tuple(
        CutRows(cut.name, cut.about, side(cut.yes, mask), side(cut.no, np.logical_not(mask)))
        for cut in CUTS
        if (mask := found[0].mask(cut.name)) is not None
    )
    return Slices(section.kind.compared, tuple(row.label for row in rows), cuts) if cuts and rows else None


def order_words(section: Section, audits: Sequence[CorpusAudit]) -> str:
    """The warning of a file-order artefact by the corpus's audit; empty without one, and if the task is not ranking."""
    found = next((audit for audit in audits if audit.fingerprint == section.fingerprint), None)
    return file_order_words(found.order) if found is not None and section.kind.has_protocols else ""
