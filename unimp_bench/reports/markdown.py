"""Pages and their index as Markdown; deterministic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from unimp_bench.markdown import anchor, generated, plain, table_head, table_row
from unimp_bench.records import MAIN_SPLITS
from unimp_bench.reports.audit.corpus.record import CUTS, CorpusAudit, published_path
from unimp_bench.reports.plots import Plot
from unimp_bench.reports.store import Withdrawal
from unimp_bench.reports.table import MIN_MEAN, Cell, Page, PrintedTable, Row, Run, Slices, Table, Ties
from unimp_bench.runs.results import Estimate

GENERATED = generated("unimp-bench leaderboard", "results/ and reported/")
PLOTS = "plots"
INDEXED = ("transition", "file_order", "tied", "copy", "cold_user", "cold_item")
"""The cuts in the index."""
INDEXED_TASK = "recommendation"


def page_markdown(page: Page, audits: Sequence[CorpusAudit]) -> str:
    """The page of a task or suite, with links to ``audits``."""
    lines = [GENERATED, f"# {page.title} ({page.origin})", "", page.about, "", page.reading]
    for note in page.notes:
        lines += ["", note]
    for number, table in enumerate(page.tables):
        plot = page.plot if number == page.plotted else None
        lines += ["", *_table(table, audits, [] if plot is None else plot_markdown(page.name, plot))]
    lines += ["", "## Reported results", ""] if page.reported else []
    for printed in page.reported:
        lines += [*_reported(printed), ""]
    return "\n".join(lines).rstrip() + "\n"


def plot_path(page: str) -> str:
    """Path of a page's plot, relative to the page."""
    return f"{PLOTS}/{page}.svg"


def plot_markdown(page: str, plot: Plot) -> list[str]:
    """The plot of a page, with its finding as alternative text."""
    return ["", f"![{plain(plot.finding)}]({plot_path(page)})"]


def _table(table: Table, audits: Sequence[CorpusAudit], plot: list[str]) -> list[str]:
    warning = ["*Generated corpus, for tests and demonstrations: its numbers say nothing about real data.*", ""]
    audit = next((audit for audit in audits if audit.fingerprint == table.fingerprint), None)
    link = [] if audit is None else ["", f"Shortcut audit: [{audit.name}]({audit_file(audit)})."]
    banner = ["", f"> **File-order artefact.** {table.order}"] if table.order else []
    heads = [table.first, *(column.name for column in table.columns)]
    return [
        f"## {table.title}",
        "",
        *(warning if table.generated else []),
        table.facts,
        *([f"Queries: {table.queries}."] if table.queries else []),
        *_order_notes(table),
        *link,
        *banner,
        "",
        *table_head(["#", *heads] if table.ranked else heads),
        *(table_row(_cells(row, table)) for row in table.rows),
        *_reasons(table.rows),
        *_remarks(table.filled),
        *plot,
        *(_ties(table.ties, table.main) if table.ties else []),
        *(_slices(table.slices, table.first) if table.slices else []),
        *_details(table),
    ]


def _order_notes(table: Table) -> list[str]:
    """Why the order of the rows is missing or does not stand alone."""
    if not table.ranked:
        return []
    notes = []
    if not table.best and table.filled:
        notes.append(f"No row is called best ({table.verdict.removeprefix('none: ')}).")
    if table.lacks:
        notes.append(f"Incomplete: no result of {', '.join(table.lacks)}.")
    if table.split == "loo" and table.clock is False:
        notes.append("No clock times: the order cannot be checked by a global temporal split.")
    return ["", " ".join(notes)] if notes else []


def _cells(row: Row, table: Table) -> list[str]:
    cells = list(map(_cell, row.cells))
    if not table.ranked:
        return [row.marked, *cells]
    place = "*upper bound*" if row.mark == "ceiling" else "" if row.place is None else str(row.place)
    return [f"{place} *best*" if row.mark in ("best", "tied") else place, row.marked, *cells]


def _cell(cell: Cell) -> str:
    if cell.interval is not None and cell.value is not None:
        return f"{cell.text} [{cell.interval[0]:.4f}, {cell.interval[1]:.4f}]"
    return f"**{cell.text}**" if cell.strong else cell.text


def _reasons(rows: Iterable[Row]) -> list[str]:
    """Reasons of empty rows, grouped by reason."""
    labels: dict[str, list[str]] = {}
    for row in rows:
        if row.reason:
            labels.setdefault(row.reason, []).append(row.label)
    return ["", *(f"* {', '.join(names)}: {reason}" for reason, names in labels.items())] if labels else []


def _remarks(rows: Sequence[Row]) -> list[str]:
    """Remarks on rows and single results, and reasons of empty cells."""
    found = [(row, row.details) for row in rows if row.details]
    notes = [(row.marked, warning) for row, _ in found for warning in row.warnings]
    notes += [(row.label, remark) for row, details in found for run in details.runs for remark in run.remarks]
    notes += [(name, f"empty: {reason}") for _, details in found for name, reason in details.missing.items()]
    return ["", *(f"* {about}: {note}" for about, note in dict.fromkeys(notes))] if notes else []


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
    sides = [side for each in shown for side in (each.yes, each.no)]
    columns = [
        ["" if mean is None else f"{mean:.4f}" for mean in side.means] or [""] * len(slices.labels) for side in sides
    ]
    empty = [f"* {side.name}: {side.examples} examples are too few for a mean" for side in sides if not side.means]
    whole = [side for each in slices.cuts if not each.divides for side in (each.yes, each.no) if side.examples]
    empty += [f"* {side.name}: all examples, so this cut is omitted" for side in whole]
    return [
        "",
        "<details><summary>Where the rows differ</summary>",
        "",
        f"{slices.metric} of each row on both sides of each cut of the test examples (number of examples in the "
        f"heading; no mean over fewer than {MIN_MEAN}). Definitions of the cuts:",
        "",
        *(f"* *{each.yes.name}*, else *{each.no.name}*: {each.about}" for each in shown),
        "",
        *table_head((first, *(f"{side.name} ({side.examples:,})" for side in sides))),
        *(table_row(cells) for cells in zip(slices.labels, *columns, strict=True)),
        *(["", *empty] if empty else []),
        "",
        "</details>",
    ]


def _details(table: Table) -> list[str]:
    """All metrics, frequencies of answers and commands of all rows, in a collapsed block."""
    found = [(row.label, row.details) for row in table.filled if row.details]
    answers = list(dict.fromkeys(name for _, details in found for name in details.answers))
    runs = [run for _, details in found for run in details.runs] + [run for ties in table.ties for run in ties.runs]
    return [
        "",
        "<details><summary>All metrics, and the command of each row</summary>",
        "",
        *table_head((table.first, *table.names, *answers)),
        *(
            table_row(
                (
                    label,
                    *(f"{details.metrics[name].value:.4f}" if name in details.metrics else "" for name in table.names),
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


def index_markdown(
    tasks: Iterable[Page],
    topics: Iterable[Page],
    others: Sequence[tuple[str, str]],
    audits: Sequence[CorpusAudit],
    withdrawn: Sequence[Withdrawal],
    published: bool,
) -> str:
    """The index: the best row of each table of a task, and the number of filled rows of each table of a topic.

    Args:
        tasks: pages of tasks.
        topics: pages of suites.
        others: file and description of further pages.
        audits: of corpora.
        withdrawn: earlier results and conclusions that do not meet the standard.
        published: whether rows are published results; else they are runs of a workspace.
    """
    origin = (
        "Every table is generated from the files in `results/`; a test compares them. "
        "[How to read a table](../docs/getting_started.md#reading-a-table)."
    )
    own = "Tables of the runs in this workspace, published or not."
    lines = [
        *(GENERATED, "# Leaderboards", "", origin if published else own, ""),
        *table_head(("Task", "Corpus", "Split", "Protocol", "n", "Best", "Metric", "Value", "Global time", "Models")),
    ]
    lines += [table_row(_index_row(page, table)) for page in tasks for table in page.tables if table.filled]
    lines += ["", "A topic compares the rows of a suite, `unimp-bench suite <topic>`, with its first row.", ""]
    lines += table_head(("Topic", "Table", "Corpus", "Task", "UniMP", "Rows with results"))
    for page in topics:
        for table in page.tables:
            filled = f"{len(table.filled)} of {len(table.rows)}"
            lines.append(table_row((_link(page, table), page.origin, table.corpus, table.task, table.budget, filled)))
        if not page.tables:
            lines.append(table_row((f"[{page.name}]({page.name}.md)", page.origin, "", "", "", "none yet")))
    if others:
        lines += ["", "Audits of printed tables:", "", *(f"* [{about}]({file})" for file, about in others)]
    lines += _audit_index(audits) if audits else []
    return "\n".join([*lines, *(_withdrawals(withdrawn) if withdrawn else [])]) + "\n"


def _index_row(page: Page, table: Table) -> tuple[str, ...]:
    order = "file-order artefact" if table.order else ""
    corpus = ", ".join(part for part in (table.corpus, table.options, order) if part)
    first = next((row.details for row in table.best if row.label in table.confirmed), None)
    value = "" if first is None else f"{first.metrics[table.main].value:.4f}"
    count = sum(row.mark not in ("ceiling", "empty") and row.place is not None for row in table.rows)
    place = (_link(page, table), corpus, table.split, table.protocol, f"{table.units:,}")
    return (*place, table.verdict, table.main, value, _time_words(table), str(count))


def _time_words(table: Table) -> str:
    """What the global temporal split says of a leave-one-out table."""
    if table.split != "loo":
        return ""
    if table.by_time is None:
        return "no clock times" if table.clock is False else "no results"
    return ", ".join(table.by_time) or "none is best"


def _link(page: Page, table: Table) -> str:
    return f"[{page.name}]({page.name}.md#{anchor(table.title)})"


def audit_file(audit: CorpusAudit) -> str:
    """Name of the page of an audit.

    Raises:
        DataError: the name of the corpus is not a plain file name.
    """
    return f"audit_{published_path(Path(), audit.name).stem}.md"


def _audit_index(audits: Sequence[CorpusAudit]) -> list[str]:
    """All published audits, with shares of test examples on the first side of some cuts."""
    cuts = [cut for cut in CUTS if cut.name in INDEXED]
    return [
        "",
        f"Shortcut audits of corpora: shares of the test examples of {INDEXED_TASK}, split {' or '.join(MAIN_SPLITS)}.",
        "",
        *table_head(("Audit", "Test examples", *(cut.yes for cut in cuts))),
        *(
            table_row((f"[{audit.name}]({audit_file(audit)})", *_shares(audit, [cut.name for cut in cuts])))
            for audit in audits
        ),
    ]


def _withdrawals(withdrawn: Sequence[Withdrawal]) -> list[str]:
    """What was withdrawn, and why."""
    return [
        "",
        "## Withdrawn",
        "",
        "Earlier results and conclusions that the [evaluation standard](../docs/standard.md) does not support. The "
        "files are in the history of the repository, last at the commit named.",
        "",
        *table_head(("Withdrawn", "Why", "Results", "Commit")),
        *(table_row((each.what, each.why, f"{each.results:,}", f"`{each.commit[:12]}`")) for each in withdrawn),
    ]


def _shares(audit: CorpusAudit, cuts: Sequence[str]) -> list[str]:
    """Cells for the test examples of one task in the main split; empty if there are none."""
    found = next((each for each in audit.sets if INDEXED_TASK in each.tasks and each.split in MAIN_SPLITS), None)
    if found is None:
        return [""] * (1 + len(cuts))
    masks = [found.mask(cut) for cut in cuts]
    return [f"{found.examples:,}", *("" if mask is None else f"{mask.mean():.1%}" for mask in masks)]
