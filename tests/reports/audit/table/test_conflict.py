"""Conflicts of an inconsistent row: a smallest set of cells, with the range of the last one given the others."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.reports.audit.table.prints import NAMES, RANKS, cells, metrics_of, rounded
from unimp_bench.reports.audit.table.program import nearest
from unimp_bench.reports.audit.table.reading import Cell
from unimp_bench.reports.audit.table.report import conflict_of


def test_a_pair_is_preferred_to_a_triple() -> None:
    row = cells("HR@3 0.0181", "NDCG@3 0.0132", "MRR@3 0.0112", "HR@5 0.0281", "NDCG@5 0.0194", "MRR@5 0.0164")
    assert str(conflict_of(row, nearest(row))) == (
        "MRR@3 0.0112 and HR@5 0.0281 leave MRR@5 between 0.01115 and 0.01548; printed 0.0164"
    )
    worse = cells("HR@5 0.0200", "NDCG@5 0.0210", "MRR@5 0.0250")
    assert (
        str(conflict_of(worse, nearest(worse)))
        == "HR@5 0.0200 leaves MRR@5 between 0.00399 and 0.02005; printed 0.0250"
    )


def test_the_span_is_tight() -> None:
    """HR@2 = 0.5 up to half a unit: all targets at rank 1 give MRR@2 = 0.505, all at rank 2 give 0.2475."""
    row = cells("HR@2 0.50", "MRR@2 0.90")
    conflict = conflict_of(row, nearest(row))
    assert (conflict.low, conflict.high) == (Decimal("0.247"), Decimal("0.505"))


@given(RANKS, NAMES.filter(lambda names: len(names) > 1), st.data())
@settings(max_examples=40, deadline=None)
def test_conflicts_are_minimal(ranks: list[int], names: list[str], data: st.DataObject) -> None:
    row = list(rounded(metrics_of(ranks, names), 3))
    changed = data.draw(st.integers(0, len(row) - 1))
    row[changed] = Cell(row[changed].metric, data.draw(st.integers(0, 1000)), 3)
    fit = nearest(tuple(row))
    assume(not fit.consistent)
    conflict = conflict_of(tuple(row), fit)
    named = (*conflict.given, conflict.odd)
    assert row[changed] in named, "all other cells come from one ranking"
    assert not nearest(named).consistent
    assert all(nearest(fewer).consistent for fewer in combinations(named, len(named) - 1) if fewer)
    half = Decimal(1).scaleb(-3) / 2
    assert not conflict.low < conflict.odd.value - half <= conflict.odd.value + half < conflict.high


def test_conflicts_beyond_the_exhaustive_search_are_minimal(monkeypatch: pytest.MonkeyPatch) -> None:
    from unimp_bench.reports.audit.table import report as conflict

    monkeypatch.setattr(conflict, "SEARCHED", 1)
    row = cells("HR@3 0.0181", "NDCG@3 0.0132", "MRR@3 0.0112", "HR@5 0.0281", "NDCG@5 0.0194", "MRR@5 0.0164")
    found = conflict_of(row, nearest(row))
    named = (*found.given, found.odd)
    assert not nearest(named).consistent
    assert all(nearest(fewer).consistent for fewer in combinations(named, len(named) - 1))
