"""Pages of a gallery escape untrusted text."""

from __future__ import annotations

import re

from unimp_bench.reports.gallery.page import Figure, Panel, Sheet, html_page, markdown_page

NASTY = '</q><script>alert("1")</script> | [a](javascript:b) *c* {{ 7 * 7 }} `d`'


def sheet() -> Sheet:
    figure = Figure("retrieved 1", NASTY, "user-1-retrieved-1.png")
    panel = Panel(NASTY, NASTY, 3, (figure, Figure("", NASTY, None)), (figure, Figure("generated", "", "g.png")))
    return Sheet(NASTY, ("About <this>.",), f"unimp-bench draw --query '{NASTY}'", (panel,))


def test_html_escapes_text_and_loads_nothing_else() -> None:
    page = html_page(sheet())
    assert "<script" not in page and "{{ 7 * 7 }}" in page and "49" not in page
    assert page.count("&lt;script&gt;") == page.count("alert(") >= 5
    assert set(re.findall(r'(?:src|href)="(.*?)"', page)) == {"user-1-retrieved-1.png", "g.png"}
    assert "default-src 'none'" in page and "no picture" in page and "after 3 earlier" in page
    assert page.count('class="generated"') == 1


def test_markdown_escapes_text() -> None:
    page = markdown_page(sheet())
    prose = [line for line in page.splitlines() if not line.startswith("    ")]
    assert [line for line in page.splitlines() if line.startswith("    ")] == [f"    {sheet().command}"]
    assert not any("<script" in line for line in prose)
    assert all(set(re.findall(r"<\w+", line)) <= {"<img"} for line in prose)
    assert not any(re.search(r"(?<!\\)\[a|(?<!\\)\*c|(?<!\\)`d", line) for line in prose)
    tables = [line for line in prose if line.startswith("|")]
    assert len(tables) == 8 and all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in tables)
