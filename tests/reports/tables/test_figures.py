"""Plots of sections: rows, numbers and roles, files and positions on pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from tests.reports.pretended import make_result, place
from unimp_bench import registry
from unimp_bench.metrics.ranking import RankMetric
from unimp_bench.records import IntArray
from unimp_bench.reports.pages.markdown import overview_markdown, plot_markdown
from unimp_bench.reports.pages.topic import task_page
from unimp_bench.reports.pages.write import pages, write_all
from unimp_bench.reports.rows.sections import Section, sections, topic_sections
from unimp_bench.reports.tables.figures import MOST_ROWS, section_plot, topic_plot
from unimp_bench.reports.tables.plots import Plot
from unimp_bench.reports.tables.printed import History, Reported, ReportedRow
from unimp_bench.runs.results import Result
from unimp_bench.runs.suites import SUITES

pytestmark = pytest.mark.usefixtures("small")

NDCG = RankMetric("NDCG", 10)
RANKS = np.random.default_rng(0).integers(1, 12, 400)


def costing(result: Result, seconds: float | None) -> Result:
    if seconds is None:
        return result.model_copy(update={"cost": None})
    assert result.cost is not None
    return result.model_copy(update={"cost": result.cost.model_copy(update={"fit_seconds": seconds})})


def search(model: str, ranks: IntArray = RANKS, seconds: float | None = 1.0, **changes: Any) -> Result:
    return costing(make_result(model, ranks, **changes), seconds)


def section_of(*results: Result) -> Section:
    (section,) = sections(results, registry.task_cards()["search"])
    return section


def plot_of(section: Section, reported: Sequence[Reported] = ()) -> Plot:
    plot = section_plot(section, reported)
    assert plot is not None
    return plot


def rising(count: int) -> list[Result]:
    """So many systems, the later ones the better, for more seconds."""
    return [
        search(f"system-{number:02}", np.where(np.arange(400) < 10 * number, 1, 200), seconds=1.0 + number)
        for number in range(count)
    ]


def test_rows_become_points_with_their_numbers_and_roles() -> None:
    section = section_of(
        search("good", RANKS),
        search("knows", np.full(400, 1), reads=("truth",)),
        search("popularity", np.full(400, 200), reads=("popularity",)),
        search("from-elsewhere", np.full(400, 7), None, reads=()),
    )
    plot = plot_of(section)
    assert [point.row for point in plot.points] == list(range(4))
    assert {point.label: point.role for point in plot.points} == {
        "knows": "ceiling",
        "good": "row",
        "from-elsewhere": "row",
        "popularity": "floor",
    }
    for point, row in zip(plot.points, section.filled, strict=True):
        estimate = row.metrics["NDCG@10"]
        assert (point.value, point.low, point.high) == (estimate.value, estimate.low, estimate.high)
    assert plot.metric == "NDCG@10" and plot.higher_is_better and not plot.base
    assert "Amazon" in plot.note


def test_findings_name_the_best_row_and_its_value() -> None:
    section = section_of(*rising(4))
    best = section.rows[0].metrics["NDCG@10"]
    lead = f"First of 4 by NDCG@10: system-03, {best.value:.4f} [{best.low:.4f}, {best.high:.4f}]"
    assert plot_of(section).finding.startswith(lead)


def test_omitted_rows_are_noted() -> None:
    section = section_of(*rising(30), search("popularity", np.full(400, 250), reads=("popularity",)))
    plot = plot_of(section)
    last = 30 - (section.rows[29].label == "popularity")
    assert [point.row for point in plot.points] == [*range(MOST_ROWS), last]
    assert f"{MOST_ROWS + 1} of 31 rows" in plot.note


def test_a_section_of_one_row_has_no_plot() -> None:
    assert section_plot(section_of(search("alone"))) is None


def test_reported_numbers_are_plotted_only_on_the_same_data_and_split() -> None:
    section = section_of(search("a"), search("b"))

    def table(corpus: str, split: Any, value: float, history: History = "masked") -> Reported:
        row = ReportedRow(system="A", models=("a",), metrics={"NDCG@10": value}, history=history)
        return Reported(source="p", task="search", data="d", corpus=corpus, protocol="p", split=split, rows=(row,))

    others = [table("", "loo", 0.1), table("beauty", "loo", 0.2), table("toy", "new-user", 0.3)]
    assert {point.printed for point in plot_of(section, others).points} == {None}
    found = plot_of(section, [*others, table("toy", "loo", 0.4)]).points
    assert {point.label: (point.printed, point.differs) for point in found} == {"a": (0.4, ""), "b": (None, "")}
    masked = plot_of(section, [table("toy", "loo", 0.5, "kept")]).points
    assert {point.label: (point.printed, point.differs) for point in masked} == {
        "a": (0.5, "seen items kept"),
        "b": (None, ""),
    }


def ablation(ranks: IntArray, **changes: Any) -> Result:
    return make_result("unimp", ranks, task="recommendation", preset="tiny", **changes)


def test_a_topic_shows_differences_on_the_same_examples_with_their_intervals() -> None:
    worse = np.where(np.arange(400) % 4 == 0, 200, RANKS)
    results = [ablation(RANKS), ablation(worse, settings={"fusion": "none"})]
    (section,) = topic_sections(SUITES["ablation"], results)
    plot = topic_plot(section)
    assert plot is not None and plot.base == "UniMP"
    base, other = plot.points
    assert (base.role, base.value, base.low) == ("base", 0.0, None)
    difference = float(np.mean(NDCG.values(worse)) - np.mean(NDCG.values(RANKS)))
    assert other.value == pytest.approx(difference) and difference < 0
    assert other.low is not None and other.high is not None and other.low < difference < other.high < 0
    drawn = np.random.default_rng(1).integers(400, size=(4000, 400))
    expected = np.quantile((NDCG.values(worse) - NDCG.values(RANKS))[drawn].mean(axis=1), [0.025, 0.975])
    assert (other.low, other.high) == pytest.approx(expected, abs=0.008)
    assert f"w/o Vision {difference:+.4f}" in plot.finding
    assert [section.rows[point.row].label for point in plot.points] == ["UniMP", "w/o Vision"]


def test_every_plot_of_a_page_is_written_and_linked_and_an_old_one_removed(tmp_path: Path) -> None:
    for result in (search("a"), search("b"), ablation(RANKS), ablation(RANKS, settings={"fusion": "none"})):
        place(tmp_path, result)
    gone, kept = tmp_path / "plots" / "search_gone_cost.svg", tmp_path / "plots" / "notes.txt"
    gone.parent.mkdir()
    gone.write_text("<svg/>")
    kept.write_text("of somebody")
    written = write_all(tmp_path)
    made = pages(tmp_path)
    plots = [name for name in made if name.startswith("plots/")]
    assert sorted(plots) == sorted(f"plots/{path.name}" for path in (tmp_path / "plots").glob("*.svg"))
    assert "plots/search.svg" in plots
    assert "plots/ablation.svg" in plots
    for name in plots:
        ET.fromstring(made[name])
        assert (tmp_path / name).read_text(encoding="utf-8") == made[name]
        assert sum(f"]({name})" in page for page in made.values()) == 1
    assert not gone.exists() and kept.exists()
    assert all(path.suffix == ".md" for path in written)
    place(tmp_path, search("c"))
    assert made["plots/search.svg"] != pages(tmp_path)["plots/search.svg"]


def test_a_page_has_the_first_available_plot() -> None:
    card = registry.task_cards()["search"]
    parts = [section_of(search("a")), section_of(search("a"), search("b")), section_of(search("c"), search("d"))]
    page = task_page(card, parts, [], [])
    assert (page.plot, page.plotted) == (section_plot(parts[1]), 1)
    text = overview_markdown(page, [])
    assert text.count("](plots/search.svg)") == 1
    assert task_page(card, parts[:1], [], []).plot is None and task_page(card, [], [], []).plot is None


def test_untrusted_labels_stay_in_the_alternative_text() -> None:
    plot = section_plot(section_of(search("a](http://x) <script> `|` ![b](c)"), search("b")))
    assert plot is not None
    line = plot_markdown("search", plot)[1]
    assert "<script>" not in line and "a\\](http" in line
    assert line.endswith("](plots/search.svg)")
