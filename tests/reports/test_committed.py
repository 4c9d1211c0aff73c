"""Committed pages follow from committed results."""

from __future__ import annotations

from pathlib import Path

from unimp_bench.reports.pages.write import stale_pages
from unimp_bench.reports.store import Contents

COMMITTED = Path(__file__).resolve().parents[2] / "leaderboards"


def test_committed_tables_follow_from_their_results() -> None:
    board = Contents.published(COMMITTED)  # not the shared contents, whose sections may be of other thresholds
    assert not list(stale_pages(board)), "run 'unimp-bench leaderboard'"
