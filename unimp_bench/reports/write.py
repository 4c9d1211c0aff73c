"""Writes all pages of leaderboards, of published results or of the runs of a workspace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unimp_bench import registry
from unimp_bench.contracts import TaskCard
from unimp_bench.files import write_atomically
from unimp_bench.progress import progress, stage
from unimp_bench.reports.audit.corpus.page import audit_page
from unimp_bench.reports.audit.table.report import PAGE, table_audit_page
from unimp_bench.reports.excerpt import with_excerpts
from unimp_bench.reports.markdown import PLOTS, audit_file, index_markdown, page_markdown, plot_path
from unimp_bench.reports.plots import draw, plotted
from unimp_bench.reports.store import Contents
from unimp_bench.reports.table import Page, Table
from unimp_bench.reports.tables import table_of, task_page, topic_page
from unimp_bench.reports.text import table_text
from unimp_bench.runs.suite import Suite
from unimp_bench.runs.suites import CATALOGUE

NOTHING = "no result yet"


def boards(board: Contents) -> tuple[list[Page], list[Page]]:
    """The pages of all tasks, and of all suites without a task's name."""
    reported, audits, cards = board.reported(), board.audits(), registry.task_cards()
    tasks = []
    for card in progress(cards.values(), "tables of tasks", unit="task"):
        gallery = f"{card.name}_gallery/gallery.md"  # of 'unimp-bench draw'
        drawn = gallery if (board.home / gallery).is_file() else ""
        tasks.append(task_page(card, board.sections(card), reported, audits, drawn))
    suites = [suite for suite in CATALOGUE if suite.name not in cards]
    topics = progress(suites, "tables of topics", unit="topic")
    return tasks, [topic_page(suite, board.sections(suite), reported, audits) for suite in topics]


def pages(folder: Path) -> dict[str, str]:
    """``pages_of`` the published leaderboards in ``folder``."""
    return pages_of(Contents.published(folder))


def pages_of(board: Contents) -> dict[str, str]:
    """All pages and plots by path relative to the home of ``board``."""
    audits = board.audits()
    tasks, topics = boards(board)
    made = {audit_file(audit): audit_page(audit) for audit in audits}
    others: list[tuple[str, str]] = []
    printed = board.table_audits() if board.are_published else []
    if printed:
        made[PAGE] = table_audit_page(printed)
        others.append((PAGE, "consistency of printed rows with one ranking per example"))
    made["README.md"] = index_markdown(tasks, topics, others, audits, board.withdrawn(), board.are_published)
    for page in (*tasks, *topics):
        made[f"{page.name}.md"] = page_markdown(page, audits)
        if page.plot is not None:
            made[plot_path(page.name)] = draw(page.plot)
    return made


def write_all(folder: Path) -> list[Path]:
    """``write_pages`` of the published leaderboards in ``folder``."""
    return write_pages(Contents.published(folder))


def write_pages(board: Contents) -> list[Path]:
    """Write all pages and plots, remove obsolete plots, and return the paths of the pages.

    For published leaderboards the excerpts in the project's README are updated as well.
    """
    with stage("making the leaderboards"):
        named = pages_of(board)
    made = {board.home / name: content for name, content in named.items()}
    for path, content in made.items():
        write_atomically(path, content)
    for path in (board.home / PLOTS).glob("*.svg"):  # the folder contains only generated files
        if path not in made:
            path.unlink()
    readme = board.home.parent / "README.md"
    if board.are_published and readme.is_file():
        write_atomically(readme, with_excerpts(readme.read_text(encoding="utf-8"), named))
    return [path for path in made if path.parent.name != PLOTS]


def stale_pages(board: Contents) -> Iterator[str]:
    """The pages and plots that do not follow from the results: their paths relative to the home of ``board``.

    Of plots only the numbers count: the rest changes with the version of matplotlib.
    """
    made = pages_of(board)
    for name, content in made.items():
        path = board.home / name
        found = path.read_text(encoding="utf-8") if path.is_file() else ""
        if name.endswith(".svg") and found:
            found, content = plotted(found), plotted(content)
        if found != content:
            yield name
    for path in sorted((board.home / PLOTS).glob("*")):
        if (name := path.relative_to(board.home).as_posix()) not in made:
            yield name


def tables_of(board: Contents, shown: TaskCard | Suite, corpus: str | None = None) -> list[Table]:
    """The tables of a task or suite, of one corpus if ``corpus`` is given.

    Raises:
        UsageError: no result is on the corpus.
    """
    if corpus is not None:
        board = board.only(corpus)
    wanted = [each for each in board.sections(shown) if corpus in (None, each.corpus.name)]
    is_suite, audits = isinstance(shown, Suite), board.audits()
    reported = [each for each in board.reported() if shown.name == (each.topic if is_suite else each.task)]
    return [table_of(section, reported, audits) for section in wanted]


def show(board: Contents, shown: TaskCard | Suite, corpus: str | None = None) -> str:
    """``tables_of`` as plain text."""
    nothing = f"{NOTHING} for two comparable rows" if isinstance(shown, Suite) else NOTHING
    return "\n\n".join(map(table_text, tables_of(board, shown, corpus))) or nothing
