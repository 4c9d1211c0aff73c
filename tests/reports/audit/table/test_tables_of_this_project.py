"""Tables of this project pass the audit, and the published audit covers the papers' tables."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reports.audit.table.prints import cell, rounded
from unimp_bench.reports.audit.table.program import nearest
from unimp_bench.reports.audit.table.reading import Cell, metric_named
from unimp_bench.reports.audit.table.report import PAGE, audit_reported, table_audit_page
from unimp_bench.reports.pages.write import pages
from unimp_bench.reports.store import load_results
from unimp_bench.reports.tables.printed import load_reported

ROOT = Path(__file__).resolve().parents[4]
LEADERBOARDS = ROOT / "leaderboards"
VALUE = re.compile(r"(\d\.\d{4})( \[.*\])?")


def own_rows() -> Iterator[tuple[str, tuple[Cell, ...]]]:
    """The rank metrics of all rows on the leaderboards, single runs and means over seeds.

    Tables of public splits are left out: their users have several targets.
    """
    for path in sorted(LEADERBOARDS.glob("*/*_details.md")):
        own = path.read_text("utf-8")
        head: list[str] = []
        several = False
        for line in own.splitlines():
            several = "split public" in line if line.startswith("## ") else several
            parts = line[2:-2].split(" | ") if line.startswith("|") else []
            if not parts:
                head = []
            elif not head:
                head = parts
            else:
                values = [(name, VALUE.fullmatch(part)) for name, part in zip(head, parts, strict=True)]
                row = tuple(cell(f"{name} {found[1]}") for name, found in values if found and metric_named(name))
                if row and not several:
                    yield f"{path.stem}: {parts[0]} {parts[1]}", row


def test_all_rows_of_the_leaderboards_are_consistent() -> None:
    rows = list(own_rows())
    assert len(rows) > 200 and max(len(row) for _, row in rows) == 18
    assert [name for name, row in rows if not nearest(row).consistent] == []


def test_all_published_rankings_are_consistent_at_six_digits() -> None:
    rankings = [result for result in load_results(LEADERBOARDS) if result.ranks and not result.targets]
    assert len(rankings) > 100
    for digits in (4, 6):
        for result in rankings:
            values = {name: each.value for name, each in result.metrics.items() if metric_named(name)}
            assert nearest(rounded(values, digits)).consistent, (result.spec.key, digits)


def test_the_page_lists_the_findings() -> None:
    audits = audit_reported(LEADERBOARDS)
    page = table_audit_page(audits)
    titles = [audit.table.title for audit in audits]
    assert len(set(titles)) == len(titles), "headings are unique"
    for number in ("1", "2d", "3", "4a", "4b", "6", "7", "8", "9", "10"):
        assert any(f"Table {number}:" in title for title in titles), number
    assert page.count("| **no** |") == sum(len(audit.inconsistent) for audit in audits)
    for audit in audits:
        for row in audit.inconsistent:
            assert f"* {row.row.system}: {row.conflict}. " in page


def test_the_page_is_indexed_if_there_are_printed_rank_metrics(tmp_path: Path) -> None:
    assert PAGE not in pages(tmp_path) and PAGE not in pages(tmp_path)["README.md"]
    (tmp_path / "reported").mkdir()
    shutil.copy(LEADERBOARDS / "reported" / "unimp_table2b.json", tmp_path / "reported")
    assert PAGE not in pages(tmp_path), "no rank metrics"
    shutil.copy(LEADERBOARDS / "reported" / "unimp_table2d.json", tmp_path / "reported")
    made = pages(tmp_path)
    assert f"({PAGE})" in made["README.md"] and "| HEM | 0.0654 | 0.0474 | 0.0368 | **no** |" in made[PAGE]


def test_the_rows_of_the_paper_are_transcribed_exactly() -> None:
    """Every row of rank metrics is in the text of the paper, with its order of columns."""
    path = Path(os.environ.get("UNIMP_BENCH_PAPER", ROOT / ".." / "shared" / "paper" / "unimp_iclr2024.txt"))
    if not path.is_file():
        pytest.skip(f"no text of the paper at {path}; set UNIMP_BENCH_PAPER")
    text = re.sub(r"</?u>", "", path.read_text("utf-8"))
    tables = [table for table in load_reported(LEADERBOARDS) if table.source.startswith("UniMP")]
    rows = [row for table in tables for row in table.rows if any("@" in name for name in row.metrics)]
    assert len(rows) > 60
    for row in rows:
        assert "\t".join(f"{value:.4f}" for value in row.metrics.values()) in text, row.system
