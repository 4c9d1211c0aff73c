"""The tables of a task or suite to its page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from unimp_bench.contracts import TaskCard
from unimp_bench.kinds import kind_of
from unimp_bench.reports.audit.corpus.record import CorpusAudit
from unimp_bench.reports.pages.controls import controls_words
from unimp_bench.reports.pages.equal_steps import equal_steps_words
from unimp_bench.reports.rows.labels import OLDER
from unimp_bench.reports.rows.sections import Section
from unimp_bench.reports.rows.standard import FLAGS, LEVEL, MIN_SEEDS, VERSION
from unimp_bench.reports.rows.verdict import has_one_query, queries_words
from unimp_bench.reports.tables.build import column_of, table_of
from unimp_bench.reports.tables.encoders import exchanges_words
from unimp_bench.reports.tables.figures import section_plot, topic_plot
from unimp_bench.reports.tables.plots import Plot
from unimp_bench.reports.tables.printed import LEGEND, Reported, printed_table
from unimp_bench.reports.tables.table import Page
from unimp_bench.runs.suite import Suite
from unimp_bench.runs.suites import CATALOGUE


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
    highest = column_of(kind, kind.main).higher_is_better
    variants = ", ".join(suite.name for suite in CATALOGUE if suite.variants)
    printed = [table for table in reported if table.task == card.name]
    notes = [f"Pictures generated for two users with the same query: [gallery]({gallery})."] if gallery else []
    notes += [] if found else ["No result has been published yet."]
    notes += [f"No table of {section.title}: {queries_words(section)}." for section in found if has_one_query(section)]
    found = [section for section in found if not has_one_query(section)]
    return _page(
        Page(
            name=card.name,
            title=card.name.capitalize().replace("_", " "),
            origin=f"{card.table} of the UniMP paper",
            about=f"Prediction: {card.about}.",
            order=f"Rows are ordered by {kind.main}, {'highest' if highest else 'lowest'} first.",
            reading=f"Rows are ordered by {kind.main}{'' if highest else ', lowest first'} "
            f"([evaluation standard](../docs/standard.md), version {VERSION}). Brackets: 95% bootstrap intervals over "
            f"examples. `p`: paired test of {kind.compared} against the first row over examples and seeds "
            f"(Holm-corrected within the table); bold below {LEVEL} where both rows have {MIN_SEEDS} seeds or no "
            "random choices. *best*: the first row and all that the test does not tell from it. Seeds: number ± "
            "standard deviation of the main metric. Steps: optimizer steps, those of earlier fits included. Global "
            "time: the main metric (and place) under the split "
            "`global-time`. *upper bound*: uses the ground truth of a generated corpus, not ranked. "
            f"{LEGEND} {_flags_words()} {OLDER}: earlier version. Variants of UniMP are compared by suites: "
            f"{variants}.",
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
    command = f"unimp-bench suite {suite.name}"
    base = f"the first row, {suite.rows[0].label}" if not suite.grouped else "the same model with its own encoders"
    if any(row.views for row in suite.rows):
        base += ", or, of a row on a changed corpus, the same model without the change"
    printed = [table for table in reported if table.topic == suite.name]
    unseen = [name for name in suite.corpora if name not in {section.corpus.name for section in found}]
    notes = [] if found else [f"No result has been published yet: `{command}`."]
    if unseen:
        notes.append(f"Without results: {', '.join(unseen)} (sources: docs/data.md).")
    tables = tuple(table_of(section, printed, audits) for section in found)
    controls = dict.fromkeys(controls_words(found))  # sections of different budgets of UniMP share the other rows
    return _page(
        Page(
            name=suite.name,
            title=suite.title,
            origin=suite.table,
            about=f"Comparison: {suite.about}.",
            order=f"Rows are in the order of the paper; differences are to {base}.",
            reading="Rows are in the order of the paper. Brackets: 95% bootstrap intervals over examples, of the mean "
            f"over seeds. *Difference*: to {base}, on the same examples; `p`: its paired test "
            f"(Holm-corrected within the table), over examples and seeds; bold below {LEVEL} where both rows have "
            f"{MIN_SEEDS} seeds or no random choices. {LEGEND} {_flags_words()} {OLDER}: earlier version. Section "
            "titles give preset and settings of all rows of UniMP, the column *Change* the differences of a row. "
            "Reasons of empty rows are below the table. Steps and costs include all earlier fits.",
            command=command,
            notes=tuple(notes),
            tables=tables,
            reported=tuple(map(printed_table, printed)),
            findings=(*exchanges_words(tables), *controls, *equal_steps_words(found)),
        ),
        found,
        topic_plot,
    )


def _flags_words() -> str:
    return "Flags: " + "; ".join(f"*{flag}*, {about}" for flag, about in FLAGS.items()) + "."


def _page(page: Page, found: Sequence[Section], plot_of: Callable[[Section], Plot | None]) -> Page:
    """The page with the plot of the first section that has one."""
    for number, section in enumerate(found):
        plot = plot_of(section)
        if plot is not None:
            return replace(page, plot=plot, plotted=number)
    return page
