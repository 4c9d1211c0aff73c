"""Generates every page of ``leaderboards/``."""

from __future__ import annotations

from pathlib import Path

from unimp_bench import registry
from unimp_bench.files import write_atomically
from unimp_bench.leaderboard.markdown import index_page, task_page
from unimp_bench.leaderboard.reported import load_reported
from unimp_bench.leaderboard.store import load_results
from unimp_bench.leaderboard.tables import sections
from unimp_bench.leaderboard.topic_page import topic_page
from unimp_bench.leaderboard.topics import topic_sections
from unimp_bench.suites import CATALOGUE


def pages(folder: Path) -> dict[str, str]:
    """File name to content of every page, from the results and reported numbers below ``folder``.

    A suite that has a task's name has that task's page.
    """
    results, reported = load_results(folder), load_reported(folder)
    cards = registry.task_cards()
    tasks = [(card, sections(results, card)) for card in cards.values()]
    topics = [(suite, topic_sections(suite, results)) for suite in CATALOGUE if suite.name not in cards]
    made = {"README.md": index_page(tasks, topics)}
    for card, found in tasks:
        gallery = f"{card.name}_gallery/gallery.md"  # of 'unimp-bench draw'
        drawn = gallery if (folder / gallery).is_file() else ""
        printed = [table for table in reported if table.task == card.name]
        made[f"{card.name}.md"] = task_page(card, found, printed, drawn)
    for suite, parts in topics:
        made[f"{suite.name}.md"] = topic_page(suite, parts, [table for table in reported if table.topic == suite.name])
    return made


def write_all(folder: Path) -> list[Path]:
    """Write every page; returns their paths."""
    written = []
    for name, content in pages(folder).items():
        write_atomically(folder / name, content)
        written.append(folder / name)
    return written
