"""Committed pages follow from committed results."""

from __future__ import annotations

from pathlib import Path

from unimp_bench.reports.plots import plotted
from unimp_bench.reports.store import Contents
from unimp_bench.reports.write import pages_of

COMMITTED = Path(__file__).resolve().parents[2] / "leaderboards"


def test_committed_tables_follow_from_their_results() -> None:
    made = pages_of(Contents.published(COMMITTED))  # not the shared contents, whose sections may be of other thresholds
    for name, content in made.items():
        found = (COMMITTED / name).read_text(encoding="utf-8")
        if name.endswith(".svg"):  # the rest changes with the version of matplotlib
            found, content = plotted(found), plotted(content)
        assert found == content, f"{name}: run 'unimp-bench leaderboard'"
    plots = {path.relative_to(COMMITTED).as_posix() for path in (COMMITTED / "plots").iterdir()}
    assert plots <= made.keys(), "plots of sections that are gone: run 'unimp-bench leaderboard'"
