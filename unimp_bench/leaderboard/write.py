"""Generates every page of ``leaderboards/``."""

from __future__ import annotations

from pathlib import Path

from unimp_bench import registry
from unimp_bench.files import write_atomically
from unimp_bench.leaderboard.markdown import index_page, topic_page
from unimp_bench.leaderboard.reported import load_reported
from unimp_bench.leaderboard.store import load_results
from unimp_bench.leaderboard.tables import sections


def pages(folder: Path) -> dict[str, str]:
    """File name to content of every page, from the results and reported numbers below ``folder``."""
    results, reported = load_results(folder), load_reported(folder)
    topics = [(card, sections(results, card)) for card in registry.task_cards().values()]
    made = {
        f"{card.name}.md": topic_page(card, found, [table for table in reported if table.task == card.name])
        for card, found in topics
    }
    return {"README.md": index_page(topics), **made}


def write_all(folder: Path) -> list[Path]:
    """Write every page; returns their paths."""
    written = []
    for name, content in pages(folder).items():
        write_atomically(folder / name, content)
        written.append(folder / name)
    return written
