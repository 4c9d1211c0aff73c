"""Overviews of tasks, pages of suites, and all details of a task on a corpus, as Markdown; deterministic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import compress

from unimp_bench.kinds.judging import HIGHEST, LOWEST
from unimp_bench.markdown import plain, table_head, table_row
from unimp_bench.reports.audit.corpus.record import CorpusAudit
from unimp_bench.reports.pages.brief import (
    GENERATED,
    LEGEND,
    STANDING,
    STANDING_LEGEND,
    Board,
    audit_file,
    brief_table,
    order_notes,
    standing,
)
from unimp_bench.reports.tables.encoders import EXCHANGES, exchanges_table
from unimp_bench.reports.tables.plots import Plot
from unimp_bench.reports.tables.table import (
    MIN_MEAN,
    Cell,
    ColdItems,
    Page,
    PrintedTable,
    Row,
    Run,
    Slices,
    Table,
    Ties,
)
from unimp_bench.runs.results import Estimate

PLOTS = "plots"


def overview_markdown(page: Page, boards: Sequence[Board]) -> str:
    """The page of a task: how to read its tables, one line per corpus, and what papers report."""
    lines = [GENERATED, f"# {page.title} ({page.origin})", "", page.about, ""]
    lines += [f"Main metric: {boards[0].main.main}. {STANDING_LEGEND}", ""] if boards else []
    lines += table_head(("Corpus", "n", *STANDING, "Tables"))
    for board in boards:
        table = board.main
        pages = f"[main]({board.stem}.md), [details]({board.stem}_details.md), [CSV]({board.stem}.csv)"
        corpus = f"{board.corpus} (generated)" if table.generated else board.corpus
        lines.append(table_row((corpus, f"{table.units:,}", *standing(table), pages)))
    for note in page.notes:
        lines += ["", note]
    lines += [] if page.plot is None else plot_markdown(page.name, page.plot)
    lines += ["", "## Reading the tables", "", page.reading, ""]
    lines += ["## Reported results", ""] if page.reported else []
    for printed in page.reported:
        lines += [*_reported(printed), ""]
    return "\n".join(lines).rstrip() + "\n"


def details_markdown(board: Board, audits: Sequence[CorpusAudit]) -> str:
    """All tables of a task on a corpus, with all metrics, cuts and commands."""
    page = board.page
    lines = [GENERATED, f"# {page.title} on {board.corpus}: details", ""]
    own = f"[main tables]({board.corpus}.md) · [CSV]({board.corpus}.csv)"
    lines.append(f"{own} · [reading](../{page.name}.md#reading-the-tables)")
    for table in board.tables:
        lines += ["", *_table(table, audits, [], "../")]
    return "\n".join(lines).rstrip() + "\n"


def topic_markdown(page: Page, audits: Sequence[CorpusAudit]) -> str:
    """The page of a suite with results: its tables in short, then in full."""
    lines = [GENERATED, f"# {page.title} ({page.origin})", "", page.about, ""]
    lines += [*(f"* {sentence}" for sentence in page.findings), ""] if page.findings else []
    for table in page.tables:
        lines += [*(exchanges_table(table) if table.exchanges else brief_table(table)), ""]
    legend = EXCHANGES if any(table.exchanges for table in page.tables) else LEGEND
    lines += [legend, "", *(line for note in page.notes for line in (note, ""))]
    lines += ["# Details", "", page.reading]
    for number, table in enumerate(page.tables):
        plot = page.plot if number == page.plotted else None
        full = replace(table, title=f"{table.title}, all metrics")
        lines += ["", *_table(full, audits, [] if plot is None else plot_markdown(page.name, plot))]
    lines += ["", "# Reported results", ""] if page.reported else []
    for printed in page.reported:
        lines += [*_reported(printed), ""]
    return "\n".join(lines).rstrip() + "\n"


def plot_path(page: str) -> str:
    """Path of a page's plot, relative to the page."""
    return f"{PLOTS}/{page}.svg"


def plot_markdown(page: str, plot: Plot) -> list[str]:
    """The plot of a page, with its finding as alternative text."""
    return ["", f"![{plain(plot.finding)}]({plot_path(page)})"]


def _table(table: Table, audits: Sequence[CorpusAudit], plot: list[str], home: str = "") -> list[str]:
    """A full table; ``home`` is the path from the page to the leaderboards."""
    warning = ["*Generated corpus, for tests and demonstrations: its numbers say nothing about real data.*", ""]
    audit = next((audit for audit in audits if audit.fingerprint == table.fingerprint), None)
    link = [] if audit is None else ["", f"Shortcut audit: [{audit.name}]({home}{audit_file(audit)})."]
    banner = ["", f"> **File-order artefact.** {table.order}"] if table.order else []
    measured = table.measured
    wanted = [not column.is_metric or column.name in measured for column in table.columns]
    heads = [table.first, *(column.name for column in compress(table.columns, wanted))]
    return [
        f"## {table.title}",
        "",
        *(warning if table.generated else []),
        table.facts,
        *([f"Queries: {table.queries}."] if table.queries else []),
        *order_notes(table),
        *link,
        *banner,
        "",
        *table_head(["#", *heads] if table.ranked else heads),
        *(
            table_row(_cells(row, table, wanted))
            for row in table.rows
            if row.details or any(cell.text for cell in row.cells)
        ),
        *([] if table.ranked else _reasons(table.rows)),
        *_remarks(table),
        *_judges(table),
        *plot,
        *(_ties(table.ties, table.main) if table.ties else []),
        *(_slices(table.slices, table.first) if table.slices else []),
        *(_cold(table.cold, table.first) if table.cold else []),
        *_details(table),
    ]


def _cells(row: Row, table: Table, wanted: Sequence[bool]) -> list[str]:
    cells = list(map(_cell, compress(row.cells, wanted)))
    if not table.ranked:
        return [row.marked, *cells]
    place = "*upper bound*" if row.mark == "ceiling" else "" if row.place is None else str(row.place)
    return [f"{place} *best*" if row.mark in ("best", "tied") else place, row.marked, *cells]


def _cell(cell: Cell) -> str:
    if cell.interval is not None and cell.value is not None:
        return f"{cell.text} [{cell.interval[0]:.4f}, {cell.interval[1]:.4f}]"
    return f"**{cell.text}**" if cell.strong else cell.text


def _reasons(rows: Sequence[Row]) -> list[str]:
    """Reasons of the empty rows of a suite, grouped by reason."""
    labels: dict[str, list[str]] = {}
    for row in rows:
        if row.reason:
            labels.setdefault(row.reason, []).append(row.label)
    return ["", *(f"* {', '.join(names)}: {reason}" for reason, names in labels.items())] if labels else []


def _remarks(table: Table) -> list[str]:
    """Remarks on rows and single results, and reasons of empty cells, those of metrics without a column together."""
    found, measured = [(row, row.details) for row in table.filled if row.details], table.measured
    notes = [(row.marked, warning) for row, _ in found for warning in row.warnings]
    notes += [(row.label, remark) for row, details in found for run in details.runs for remark in run.remarks]
    empty: dict[str, dict[str, None]] = {}
    for _, details in found:
        for name, reason in details.missing.items():
            if name in measured:
                notes.append((name, f"empty: {reason}"))
            else:
                empty.setdefault(reason, {})[name] = None
    notes += [(", ".join(names), f"not measured: {reason}") for reason, names in empty.items()]
    return ["", *(f"* {about}: {note}" for about, note in dict.fromkeys(notes))] if notes else []


def _judges(table: Table) -> list[str]:
    """What the scores of judges are worth."""
    if not table.judging.words:
        return []
    about = (
        f"Judges: language models that score each text from {LOWEST} to {HIGHEST} by a rubric, beside the user's own "
        "sentence. They decide no place in this table."
    )
    return ["", about, "", *(f"* {sentence}" for sentence in table.judging.words)]


def _ties(rows: Sequence[Ties], metric: str) -> list[str]:
    """Rows with stored and with shuffled time ties."""
    return [
        "",
        "Shuffled time ties (view `ST`: simultaneous interactions of a user in random order, so that another of "
        "them may be the target; models fitted and scored again; means over the seeds available for both). The shift "
        "is the effect of the file order:",
        "",
        *table_head(("Model", "Seeds", metric, "Shuffled", "Shift")),
        *(
            table_row(
                (row.label, str(len(row.runs)), _estimate(row.stored), _estimate(row.shuffled), f"{row.shift:+.4f}")
            )
            for row in rows
        ),
    ]


def _estimate(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"


def _slices(slices: Slices, first: str) -> list[str]:
    """Definitions of the cuts and the metric of each row on both sides, in a collapsed block."""
    shown = [each for each in slices.cuts if each.divides]
    sides = [side for each in shown for side in each.sides]
    columns = [
        ["" if mean is None else f"{mean:.4f}" for mean in side.means] or [""] * len(slices.labels) for side in sides
    ]
    empty = [f"* {side.name}: {side.examples} examples are too few for a mean" for side in sides if not side.means]
    whole = [side for each in slices.cuts if not each.divides for side in each.sides if side.examples]
    empty += [f"* {side.name}: all examples, so this cut is omitted" for side in whole]
    return [
        "",
        "<details><summary>Where the rows differ</summary>",
        "",
        f"{slices.metric} of each row on both sides of each cut of the test examples (number of examples in the "
        f"heading; no mean over fewer than {MIN_MEAN}). Definitions of the cuts:",
        "",
        *(f"* {', else '.join(f'*{side.name}*' for side in each.sides)}: {each.about}" for each in shown),
        "",
        *table_head((first, *(f"{side.name} ({side.examples:,})" for side in sides))),
        *(table_row(cells) for cells in zip(slices.labels, *columns, strict=True)),
        *(["", *empty] if empty else []),
        "",
        "</details>",
    ]


def _cold(cold: ColdItems, first: str) -> list[str]:
    """The metric of each row on targets with and without training interactions, in a collapsed block."""
    heads = (
        *(first, "Content", "Cold items listed", f"warm ({cold.warm:,})", "warm, no cold items"),
        *(f"cold ({cold.cold:,})", "cold, no other cold items"),
    )
    few = f"; no mean over fewer than {MIN_MEAN} examples" if min(cold.warm, cold.cold) < MIN_MEAN else ""
    return [
        "",
        "<details><summary>Cold items</summary>",
        "",
        f"{cold.metric} of each row on *cold* targets, which no training interaction has (the cut *cold items* has "
        f"those with few as well), and on *warm* ones (number of examples in the heading{few}). Both are ranked among "
        f"all {cold.catalogue:,} candidates, then without the {cold.items:,} cold ones other than the target. *Cold "
        "items listed*: their share of the first ten items of all lists. By chance: "
        f"{cold.items / cold.catalogue:.2%} listed, {cold.metric} {cold.chance:.4f}. Only the *content* of items that "
        "a row reads tells cold ones apart.",
        "",
        *table_head(heads),
        *(
            table_row(
                (
                    row.label,
                    ", ".join(row.content) or "none",
                    "-" if row.listed is None else f"{row.listed:.2%}",
                    *(
                        "-" if mean is None else f"{mean:.4f}"
                        for mean in (row.warm, row.warm_alone, row.cold, row.cold_alone)
                    ),
                )
            )
            for row in cold.rows
        ),
        "",
        "</details>",
    ]


def _details(table: Table) -> list[str]:
    """All metrics, frequencies of answers and commands of all rows, in a collapsed block."""
    found, names = [(row.label, row.details) for row in table.filled if row.details], table.measured
    answers = list(dict.fromkeys(name for _, details in found for name in details.answers))
    runs = [run for _, details in found for run in details.runs] + [run for ties in table.ties for run in ties.runs]
    return [
        "",
        "<details><summary>All metrics, and the command of each row</summary>",
        "",
        *table_head((table.first, *names, *answers)),
        *(
            table_row(
                (
                    label,
                    *(f"{details.metrics[name].value:.4f}" if name in details.metrics else "" for name in names),
                    *(details.answers.get(name, "") for name in answers),
                )
            )
            for label, details in found
        ),
        "",
        "```sh",
        *map(_command, runs),
        "```",
        "",
        "</details>",
    ]


def _command(run: Run) -> str:
    changes = "" if run.clean else ", with changes"
    hint = f", reproduce {run.key[:12]}" if run.costs else ""
    return f"{run.command}  # commit {run.commit[:12] or 'unknown'}{changes}{hint}"


def _reported(table: PrintedTable) -> list[str]:
    return [f"**{table.source}**: {table.about}", "", *table_head(table.heads), *map(table_row, table.rows)]
