"""Sections to tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from statistics import fmean
from typing import Literal

import numpy as np

from unimp_bench import registry
from unimp_bench.contracts import Usage
from unimp_bench.corpus.features.names import NOTHING
from unimp_bench.kinds import Column as MetricColumn
from unimp_bench.kinds import Kind
from unimp_bench.records import BoolArray
from unimp_bench.reports.audit.corpus.cuts import CUTS
from unimp_bench.reports.audit.corpus.page import file_order_words
from unimp_bench.reports.audit.corpus.record import CorpusAudit
from unimp_bench.reports.rows.labels import encoders_of, older_remark, row_words
from unimp_bench.reports.rows.remarks import spread_cells
from unimp_bench.reports.rows.scored import Scored
from unimp_bench.reports.rows.sections import Row as Scores
from unimp_bench.reports.rows.sections import Section
from unimp_bench.reports.rows.standard import (
    LEVEL,
    Best,
    trials_of,
)
from unimp_bench.reports.rows.verdict import (
    agrees,
    best_labels,
    confirmed,
    missing_floors,
    queries_words,
    shown_rows,
    tested_by_time,
    verdict,
)
from unimp_bench.reports.tables.cold import cold_of
from unimp_bench.reports.tables.encoders import exchange_of
from unimp_bench.reports.tables.judges import JudgeColumn, Judging, judging_of
from unimp_bench.reports.tables.printed import (
    Printed,
    Reported,
    nearest,
    of_model,
    of_system,
    printed_rows,
)
from unimp_bench.reports.tables.table import (
    MIN_MEAN,
    Cell,
    Column,
    CutRows,
    Details,
    Mark,
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
from unimp_bench.runs.versions import outdated

_BY_TIME = "Global time"
COSTS = ("Fit", "Examples/s", "Memory", "Parameters")
USAGE = ("Requests", "Prompt tokens", "Generated tokens")
"""Costs of language models, in tables with one."""


def table_of(section: Section, reported: Sequence[Reported], audits: Sequence[CorpusAudit]) -> Table:
    """The table of a section.

    Args:
        section: of a task or suite.
        reported: tables of papers for that task or suite.
        audits: of corpora.
    """
    kind, corpus, ranked = section.kind, section.corpus, section.suite is None
    printed = [table for table in reported if (table.split == section.split if ranked else table.task == section.task)]
    queries, shown = section.queries, shown_rows(section)
    judging = judging_of({shown[row.label]: row.results for row in section.filled})
    columns = _columns(section, kind.reported if ranked or printed else "", judging)
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
        f"{corpus.pictures:,} pictures; {kind.account(section.examples, corpus.catalogue, section.protocol)}"
        f"{_repeats_words(section)}. "
        f"Corpus `{section.fingerprint[:12]}`.",
        units=section.units,
        generated=corpus.synthetic,
        order=order_words(section, audits),
        main=kind.main,
        verdict=verdict(section) if ranked else "",
        confirmed=confirmed(section) if ranked else (),
        names=section.names,
        columns=columns,
        rows=tuple(
            _row(
                row,
                shown[row.label],
                row.place if ranked else number,
                section,
                _printed(row, section, printed),
                columns,
                judging,
            )
            for number, row in enumerate(section.rows, 1)
        ),
        slices=slices_of(section, audits),
        cold=cold_of(section),
        ties=tuple(
            Ties(shown[each.label], each.stored, each.shuffled, tuple(map(_run, each.results)))
            for each in section.shuffled
        ),
        queries=queries_words(section),
        one_query=None if queries is None else queries.commonest,
        by_time=None if (by_time := tested_by_time(section)) is None else best_labels(by_time),
        agrees=agrees(section),
        clock=corpus.has_clock,
        lacks=missing_floors(section) if ranked else (),
        equal_steps=section.suite is not None and section.suite.equal_steps,
        exchanges=tuple(exchange_of(swap, section, _p_cell) for swap in section.swaps),
        judging=judging,
    )


def _repeats_words(section: Section) -> str:
    """How many targets repeat an item of their history, which decides whether masking is fair."""
    share = section.corpus.repeats
    return "" if share is None or not section.kind.has_protocols else f"; {share:.1%} of the targets are seen items"


def _columns(section: Section, reported: str, judging: Judging) -> tuple[Column, ...]:
    """The columns of a section; ``reported`` is the metric of papers, empty for none."""

    def first(name: str) -> Literal["ascending", "descending"]:
        return "descending" if column_of(section.kind, name).higher_is_better else "ascending"

    names = [name for name in section.names if column_of(section.kind, name).brief]
    metrics = [Column(name, first=first(name), is_metric=True) for name in names]
    printed = [Column(f"Reported {reported}", first=first(reported))] if reported else []
    asks = any(result.cost and result.cost.usage for row in section.filled for result in row.results)
    named = (*COSTS, *USAGE) if asks else COSTS
    judges = [Column(each.head, first="descending") for each in judging.columns]
    costs = [Column(name, first="descending" if name == "Examples/s" else "ascending") for name in named]
    effort = [Column("Seeds", first="descending"), Column("Steps"), Column("Flags", numeric=False)]
    if section.suite is None:
        by_time = [Column(_BY_TIME, first=first(section.kind.main))] if section.global_time else []
        return (*metrics, *judges, *by_time, *printed, Column("p"), *effort, *costs)
    difference = Column("Difference", first=first(section.kind.main))
    return (Column("Change", numeric=False), *metrics, *judges, difference, Column("p"), *printed, *effort, *costs)


def _printed(row: Scores, section: Section, printed: Sequence[Reported]) -> list[Printed]:
    """Reported rows of a row's model, or of the system of a suite's row."""
    if row.of is None:
        model = row.results[0].model
        wanted = of_model(model.name, model.preset)
    else:
        wanted = of_system(row.of.system)
    if section.suite is None and row.of is not None:
        printed = [table for table in printed if table.topic in ("", table.task)]
    return printed_rows(printed, wanted, section.kind, section.corpus.name, section.protocol)


def _row(
    row: Scores,
    label: str,
    place: int | None,
    section: Section,
    printed: Sequence[Printed],
    columns: Sequence[Column],
    judging: Judging,
) -> Row:
    kind, name = section.kind, label.partition(" (")[0] if row.of is None else row.of.label
    cells = {each: _metric_cell(kind, each, estimate) for each, estimate in row.metrics.items()}
    if section.global_time is not None:
        cells[_BY_TIME] = _by_time(row, section.global_time)
    quoted = nearest(printed, kind.reported)
    if quoted is not None:
        cells[f"Reported {kind.reported}"] = Cell(quoted.cell(kind.reported), quoted.row.metrics[kind.reported])
    if row.of is not None:
        cells["Change"] = Cell(row_words(row.of))
    if row.test is not None:
        cells["Difference"] = Cell(f"{row.test.difference:+.4f}", row.test.difference)
        base = next((each for each in section.filled if each.label == row.base), section.base)
        cells["p"] = _p_cell(row.test.p_value, bold=not {"few seeds"} & {*row.flags, *base.flags})
    if not row.results:
        reads: tuple[str, ...] = registry.model_card(row.of.model).reads if row.of and row.of.model else ()
        return Row(label, name, place, "empty", reads, _aligned(cells, columns), reason=row.reason)
    seeds, steps = len(row.results), row.steps
    cells["Seeds"] = Cell(f"{seeds}" + ("" if row.spread is None else f" ± {row.spread:.4f}"), seeds)
    cells["Steps"] = Cell("" if steps is None else f"{steps:,}", steps)
    cells["Flags"] = Cell(", ".join(row.flags))
    cells |= _cost_cells([result.cost for result in row.results])
    cells |= {each.head: _judge_cell(each, each.scores[label]) for each in judging.columns if label in each.scores}
    return Row(
        label=label,
        name=name,
        place=place,
        mark="ceiling" if row.is_ceiling else _MARKS[row.best],
        reads=row.results[0].model.reads,
        cells=_aligned(cells, columns),
        details=_details(row, section, printed),
        seeded=row.seeded,
        flags=row.flags,
        steps=steps,
        trials=trials_of(row.results),
        features=tuple(each for each, name in encoders_of(row.results[0]).items() if name != NOTHING),
    )


_MARKS: dict[Best, Mark] = {"first": "best", "tied": "tied", "": ""}


def _by_time(row: Scores, section: Section) -> Cell:
    """A row's main metric and place under a global temporal split."""
    found = next((each for each in section.filled if each.label == row.label), None)
    if found is None or section.kind.main not in found.metrics:
        return Cell()
    value = found.metrics[section.kind.main].value
    return Cell(f"{value:.4f}" + ("" if found.place is None else f" (#{found.place})"), value)


def _aligned(cells: Mapping[str, Cell], columns: Sequence[Column]) -> tuple[Cell, ...]:
    return tuple(cells.get(column.name, Cell()) for column in columns)


def _metric_cell(kind: Kind, name: str, estimate: Estimate) -> Cell:
    interval = (estimate.low, estimate.high) if column_of(kind, name).interval else None
    return Cell(f"{estimate.value:.4f}", estimate.value, interval)


def _judge_cell(judge: JudgeColumn, estimate: Estimate) -> Cell:
    """The mean score of a judge, which no page orders by where the judge is unable to tell texts apart."""
    if not judge.able:
        return Cell(f"{estimate.value:.3f}")
    return Cell(f"{estimate.value:.3f}", estimate.value, (estimate.low, estimate.high))


def _p_cell(p_value: float, *, bold: bool) -> Cell:
    return Cell("<0.001" if p_value < 0.001 else f"{p_value:.3f}", p_value, strong=bold and p_value < LEVEL)


def _cost_cells(costs: Sequence[Cost | None]) -> dict[str, Cell]:
    """Means over seeds, by the names of ``COSTS`` and ``USAGE``; none where predictions came from outside."""
    known = [cost for cost in costs if cost is not None]
    if not known:
        return {}
    seconds = fmean(cost.fit_seconds for cost in known)
    speed = fmean(cost.examples_per_second for cost in known)
    memory = max(cost.peak_memory_mib for cost in known)
    trained, total = known[0].parameters_trained, known[0].parameters_total
    crowded = "~" if any(cost.is_crowded for cost in known) else ""
    cells = (
        Cell(f"{crowded}{seconds:.1f} s" if seconds < 120 else f"{crowded}{seconds / 60:.1f} min", seconds),
        Cell(f"{crowded}{speed:,.0f}", speed),
        Cell(f"{memory:,.0f} MiB", memory),
        Cell(f"{total:,}" if trained in (0, total) else f"{trained:,} of {total:,}", total),
    )
    return {**dict(zip(COSTS, cells, strict=True)), **_usage_cells([cost.usage for cost in known if cost.usage])}


def _usage_cells(usages: Sequence[Usage]) -> dict[str, Cell]:
    """Means over seeds, by the names of ``USAGE``; none for models that ask no language model."""
    if not usages:
        return {}
    means = [fmean(each) for each in zip(*map(astuple, usages), strict=True)]
    return {name: Cell(f"{mean:,.0f}", mean) for name, mean in zip(USAGE, means, strict=True)}


def _details(row: Scores, section: Section, printed: Sequence[Printed]) -> Details:
    model = row.results[0].model
    return Details(
        about=model.about,
        source=model.source,
        metrics={name: row.metrics[name] for name in section.names if name in row.metrics},
        missing=row.missing,
        warnings=row.warnings,
        answers=spread_cells(row.results),
        quoted=tuple(
            Quoted(each.table.source, each.row.system, each.row.metrics, each.differs, each.row.impossible)
            for each in printed
        ),
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
            Stage(
                tuple(name for name, _ in each.tasks),
                each.model,
                each.version,
                each.split,
                each.seed,
                each.options,
                each.config,
            )
            for each in fit.stages
        ),
        remarks=remarks_of(result),
        costs={name: cell.text for name, cell in _cost_cells([result.cost]).items()},
        stopped=result.training.stopped if result.training else "",
        older=outdated(result),
        crowded=result.cost is not None and result.cost.is_crowded,
    )


def remarks_of(result: Result) -> tuple[str, ...]:
    """The remarks of a result, and one on an earlier version."""
    older = older_remark(result)
    return (*result.remarks, older) if older else result.remarks


def column_of(kind: Kind, name: str) -> MetricColumn:
    """The column of a known metric."""
    column = kind.column(name)
    assert column is not None
    return column


def slices_of(section: Section, audits: Sequence[CorpusAudit]) -> Slices | None:
    """The slices of a section by the cuts of the corpus's audit; None without an audit of its examples.

    Audits know the examples that tasks draw by their own options, so a section with other options has none. Values of
    users with several targets cannot be cut by example.
    """
    if section.options or section.units not in (0, section.examples):
        return None
    found = [
        known
        for audit in audits
        if audit.fingerprint == section.fingerprint
        if (known := audit.examples_of(section.task, section.split, section.examples)) is not None
    ]
    if not found:
        return None
    rows = [Scored.of(row.label, row.results, section.kind) for row in section.filled]
    values = [row.main_values() if row.has_main else None for row in rows]

    def side(name: str, mask: BoolArray) -> Side:
        examples = int(np.count_nonzero(mask))
        if examples < MIN_MEAN:
            return Side(name, examples, ())
        return Side(name, examples, tuple(None if each is None else float(each[mask].mean()) for each in values))

    cuts = tuple(
        CutRows(cut.name, cut.about, side(cut.yes, mask), side(cut.no, np.logical_not(mask)) if cut.no else None)
        for cut in CUTS
        if (mask := found[0].mask(cut.name)) is not None
    )
    shown = shown_rows(section)
    return Slices(section.kind.compared, tuple(shown[row.label] for row in section.filled), cuts) if cuts else None


def order_words(section: Section, audits: Sequence[CorpusAudit]) -> str:
    """The warning of a file-order artefact by the corpus's audit; empty without one, and if the task is not ranking."""
    found = next((audit for audit in audits if audit.fingerprint == section.fingerprint), None)
    return file_order_words(found.order) if found is not None and section.kind.has_protocols else ""
