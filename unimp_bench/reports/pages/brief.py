"""Short pages: one per task and corpus, with its main tables in at most eight columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unimp_bench import registry
from unimp_bench.kinds import kind_of
from unimp_bench.markdown import generated, table_head, table_row
from unimp_bench.reports.audit.corpus.record import CorpusAudit, published_path
from unimp_bench.reports.rows.standard import FLAGS
from unimp_bench.reports.tables.anchors import anchors_section
from unimp_bench.reports.tables.table import Cell, Page, Row, Table

GENERATED = generated("unimp-bench leaderboard", "results/ and reported/")
FEW = 2
"""Number of metrics besides the main one."""

LEGEND = (
    "*best* and *=*: the first row and those that the paired test does not tell from it. ±: half of the 95% interval "
    "over examples. Δ: difference to the first row, with the corrected p-value. Fit: mean time, after the number of "
    "seeds where they matter; *~*: on a machine with other work."
)

STANDING = ("First ±", "Not different (=)", "By time")
"""Heads of the cells of ``standing``."""
STANDING_LEGEND = (
    "First: the row with the best value. Not different: the rows that its paired test does not tell from it. By time: "
    "which of these rows a global temporal split names best as well (*names none*: too few examples or seeds)."
)


@dataclass(frozen=True)
class Board:
    """The tables of one task on one corpus, those of its views included.

    Attributes:
        page: of the task.
        corpus: name without views.
        tables: at least one, the main one first.
    """

    page: Page
    corpus: str
    tables: tuple[Table, ...]

    @property
    def stem(self) -> str:
        """Path of its page below the leaderboards, without suffix."""
        return f"{self.page.name}/{self.corpus}"

    @property
    def main(self) -> Table:
        """The table that represents it: main protocol, ``loo`` or ``public``, default options, no view."""
        return self.tables[0]

    @property
    def brief(self) -> list[Table]:
        """The tables of the short page: of the main protocol."""
        return [table for table in self.tables if is_main(table)]


def is_main(table: Table) -> bool:
    """Whether a table has the main protocol of its task."""
    return table.protocol in ("", kind_of(registry.task_cards()[table.task].kind).protocol)


def boards_of(page: Page) -> list[Board]:
    """The boards of a task's page, in the order of its tables; tables without a filled row are left out."""
    found: dict[str, list[Table]] = {}
    for table in page.tables:
        if table.filled:
            found.setdefault(table.corpus.partition("+")[0], []).append(table)
    return [Board(page, corpus, tuple(tables)) for corpus, tables in found.items()]


def board_markdown(board: Board, audits: Sequence[CorpusAudit]) -> str:
    """The short page of a board, which links its details, its CSV and the audit of the corpus."""
    table = board.main
    links = [f"[all metrics, cuts, commands]({board.corpus}_details.md)", f"[CSV]({board.corpus}.csv)"]
    links += [f"[about the corpus](../{audit_file(each)})" for each in audits if each.fingerprint == table.fingerprint]
    links += [f"[all corpora](../{board.page.name}.md)", "[questions and terms](../../docs/faq.md)"]
    lines = [GENERATED, f"# {board.page.title} on {board.corpus}", ""]
    if table.generated:
        lines += ["*Generated corpus, for tests and demonstrations: its numbers say nothing about real data.*", ""]
    lines += [table.facts, "", " · ".join(links)]
    for each in board.brief:
        lines += ["", *brief_table(each)]
    shown = {flag for each in board.brief for row in each.filled for flag in row.flags}
    flags = "; ".join(f"*{flag}*: {about}" for flag, about in FLAGS.items() if flag in shown)
    lines += ["", LEGEND + (f" Flags: {flags}." if flags else ""), *anchors_section(board.tables)]
    return "\n".join(lines) + "\n"


def brief_table(table: Table) -> list[str]:
    """A heading, what the table says in a sentence, and its filled rows in at most eight columns."""
    shown = {column.name for column in table.columns if column.is_metric} - {table.main}
    names = [name for name in table.measured if name in shown][:FEW]
    if table.ranked:
        heads = ["#", "Model", f"{table.main} ±", *names, "Δ (p)", "Seeds x fit", "Flags"]
    else:
        heads = ["Row", "Change", f"{table.main} ±", *names[:1], "Δ (p)", "Seeds x fit", "Steps", "Flags"]
    lines = [f"## {table.title}", ""]
    if table.ranked:
        lines += [f"Best: {table.verdict}.", ""]
    if table.order:
        lines += [f"**File-order artefact.** {table.order}", ""]
    if table.queries:
        lines += [f"Queries: {table.queries}.", ""]
    if notes := order_notes(table):
        lines += [*notes[1:], ""]
    rows = [_ranked(row, table, names) if table.ranked else _compared(row, table, names[:1]) for row in table.filled]
    return [*lines, *table_head(heads), *map(table_row, rows)]


def order_notes(table: Table) -> list[str]:
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


def _ranked(row: Row, table: Table, names: Sequence[str]) -> list[str]:
    place = "upper bound" if row.mark == "ceiling" else "" if row.place is None else str(row.place)
    marked = {"best": f"{place} *best*", "tied": f"{place} ="}.get(row.mark, place)
    metrics = [table.cell(row, name).text for name in names]
    return [marked, row.marked, table.with_half(row), *metrics, _difference(row, table), fit(row, table), _flags(row)]


def _compared(row: Row, table: Table, names: Sequence[str]) -> list[str]:
    metrics = [table.cell(row, name).text for name in names]
    first = [row.marked, table.cell(row, "Change").text, table.with_half(row), *metrics]
    steps = table.cell(row, "Steps").text
    difference = _with_p(table.cell(row, "Difference").text, table.cell(row, "p"))
    return [*first, difference, fit(row, table), steps, _flags(row)]


def standing(table: Table) -> tuple[str, str, str]:
    """The row with the best value, the rows that are not different from it, and what a global temporal split says.

    Where the standard names no best row, the cells say why.
    """
    first = table.first_row
    if first is None:
        return table.verdict, "", ""
    value = f"{first.label} {unbroken(table.with_half(first))}"
    if not table.best:
        return value, table.verdict, ""
    return value, _listed([row.label for row in table.best[1:]]), _by_time(table)


def _by_time(table: Table) -> str:
    """Which of the best rows a global temporal split names as best too; else what it says, or why it says nothing."""
    if not table.by_time:
        if table.split != "loo":
            return f"{table.split} split"
        if not table.clock:
            return "no times" if table.clock is False else "unknown"
        return "no result" if table.by_time is None else "names none"
    best = [row.label for row in table.best]
    kept = [label for label in best if label in table.confirmed]
    if not kept:
        return f"none of these, but {_listed(table.by_time)}"
    if best[0] not in kept:
        return f"not {best[0]}, but {_listed(kept)}"
    return "confirmed" if kept == best else f"confirmed for {_listed(kept)}"


def _listed(labels: Sequence[str]) -> str:
    """Up to two rows by name, more as the first one and a number."""
    return " and ".join(labels if len(labels) < 3 else (labels[0], f"{len(labels) - 1} others"))


def unbroken(text: str) -> str:
    """Text that stays on one line of a narrow column."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def fit(row: Row, table: Table) -> str:
    """Seeds and the mean time of a fit: ``3 x 12.1 s``; without the number for a row that no seed changes."""
    time = table.cell(row, "Fit").text
    return f"{row.seeds} x {time}" if row.seeded and time else time


def _difference(row: Row, table: Table) -> str:
    first = table.first_row
    if first is None or row is first or row.place is None or row.details is None or first.details is None:
        return ""
    change = row.details.metrics[table.main].value - first.details.metrics[table.main].value
    return _with_p(f"{change:+.4f}", table.cell(row, "p"))


def _with_p(difference: str, p: Cell) -> str:
    text = f"**{p.text}**" if p.strong else p.text
    return f"{difference} ({text})" if difference and text else difference


def _flags(row: Row) -> str:
    return ", ".join(row.flags)


def audit_file(audit: CorpusAudit) -> str:
    """Name of the page of a corpus and its audit.

    Raises:
        DataError: the name of the corpus is not a plain file name.
    """
    return f"audit_{published_path(Path(), audit.name).stem}.md"
