"""Generates every page of leaderboards: those of ``leaderboards/``, and those of a workspace's own runs."""

from __future__ import annotations

from pathlib import Path

from unimp_bench import registry
from unimp_bench.files import write_atomically
from unimp_bench.progress import progress, stage
from unimp_bench.reports.audit.corpus.page import audit_page
from unimp_bench.reports.audit.table.page import PAGE, audit_reported, table_audit_page
from unimp_bench.reports.contents import Contents
from unimp_bench.reports.excerpt import with_excerpts
from unimp_bench.reports.figures import section_plot, topic_plot
from unimp_bench.reports.markdown.audited import audit_file
from unimp_bench.reports.markdown.index_page import index_page
from unimp_bench.reports.markdown.plot_files import PLOTS, contents, plot_files
from unimp_bench.reports.markdown.task_page import task_page
from unimp_bench.reports.markdown.topic_page import topic_page
from unimp_bench.runs.suites import CATALOGUE


def pages(folder: Path) -> dict[str, str]:
    """``pages_of`` what is published below ``folder``."""
    return pages_of(Contents.published(folder))


def pages_of(board: Contents) -> dict[str, str]:
    """Every page and plot as path and content; paths are relative to the home of ``board``.

    A suite that has a task's name has that task's page.
    """
    reported, audits = board.reported(), board.audits()
    cards = registry.task_cards()
    suites = [suite for suite in CATALOGUE if suite.name not in cards]
    tasks = [(card, board.task_sections(card)) for card in progress(cards.values(), "tables of tasks", unit="task")]
    topics = [(suite, board.topic_sections(suite)) for suite in progress(suites, "tables of topics", unit="topic")]
    others: list[tuple[str, str]] = []
    made = {audit_file(audit): audit_page(audit) for audit in audits}
    printed_audits = audit_reported(board.sources) if board.are_published else []
    if printed_audits:
        made[PAGE] = table_audit_page(printed_audits)
        others.append((PAGE, "consistency of printed rows with one ranking per example"))
    made["README.md"] = index_page(tasks, topics, others, audits, board.are_published)
    for card, found in tasks:
        gallery = f"{card.name}_gallery/gallery.md"  # of 'unimp-bench draw'
        drawn = gallery if (board.home / gallery).is_file() else ""
        printed = [table for table in reported if table.task == card.name]
        plots = plot_files(card.name, [section_plot(section, printed) for section in found])
        made[f"{card.name}.md"] = task_page(card, found, printed, plots, drawn, audits)
        made |= contents(plots)
    for suite, parts in topics:
        printed = [table for table in reported if table.topic == suite.name]
        plots = plot_files(suite.name, list(map(topic_plot, parts)))
        made[f"{suite.name}.md"] = topic_page(suite, parts, printed, plots, audits)
        made |= contents(plots)
    return made


def write_all(folder: Path) -> list[Path]:
    """``write_pages`` of what is published below ``folder``."""
    return write_pages(Contents.published(folder))


def write_pages(board: Contents) -> list[Path]:
    """Write every page and its plots, and remove plots of missing sections; returns the paths of the pages.

    The excerpts in the README beside published leaderboards are written as well.
    """
    with stage("making the leaderboards"):
        named = pages_of(board)
    made = {board.home / name: content for name, content in named.items()}
    for path, content in made.items():
        write_atomically(path, content)
    for path in (board.home / PLOTS).glob("*.svg"):  # the folder holds nothing else than what is written here
        if path not in made:
            path.unlink()
    readme = board.home.parent / "README.md"
    if board.are_published and readme.is_file():
        write_atomically(readme, with_excerpts(readme.read_text(encoding="utf-8"), named))
    return [path for path in made if path.parent.name != PLOTS]
