"""Rows beside published numbers on the same data under the same protocol."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.reports.pretended import make_result
from unimp_bench import registry
from unimp_bench.reports.pages.topic import task_page
from unimp_bench.reports.rows.sections import sections
from unimp_bench.reports.tables.anchors import HEADS, anchors_of, anchors_section
from unimp_bench.reports.tables.table import Quoted, Table
from unimp_bench.runs.results import Estimate

pytestmark = pytest.mark.usefixtures("small")


INTERVALS = {"HR@10": (0.45, 0.55), "NDCG@10": (0.49, 0.51), "MRR@10": (0.4, 0.6)}
HERE = {name: Estimate(value=0.5, low=low, high=high) for name, (low, high) in INTERVALS.items()}


def table_with(*quoted: Quoted) -> Table:
    """A table of one row beside published ones."""
    made = make_result("sasrec", np.ones(400, dtype=np.int64), task="recommendation", protocol="masked")
    card = registry.task_cards()["recommendation"]
    (table,) = task_page(card, sections([made], card), (), ()).tables
    rows = tuple(
        replace(row, details=replace(row.details, metrics=HERE, quoted=quoted)) if row.details is not None else row
        for row in table.rows
    )
    return replace(table, rows=rows)


def test_the_distance_is_a_share_of_the_published_number() -> None:
    published = {"HR@10": 0.25, "NDCG@10": 0.505, "MRR@10": 0.0, "Recall@7": 0.5}
    lines = anchors_section([table_with(Quoted("a paper", "SASRec", published, ""))])
    assert "within the interval" in lines[3]
    assert [line.strip("| ").split(" | ") for line in lines[7:]] == [
        ["SASRec", "SASRec in a paper", "masked", "HR@10", "0.5000", "0.2500", "+100%"],
        ["SASRec", "SASRec in a paper", "masked", "NDCG@10", "0.5000", "0.5050", "-1%, within the interval"],
    ], "nothing is far from zero in percent, and a metric that is not measured has no distance"
    assert lines[5].count("|") == len(HEADS) + 1


def test_numbers_of_other_data_or_protocols_are_no_anchors() -> None:
    table = table_with(Quoted("a paper", "SASRec", {"HR@10": 0.4}, "seen items kept"))
    assert list(anchors_of(table)) == [] and anchors_section([table]) == []
