"""The linear program accepts metrics of rankings, finds planted misses, and agrees with an enumeration of vertices."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.reports.audit.table.prints import NAMES, RANKS, TEXTBOOK, cell, cells, metrics_of, rounded
from unimp_bench.reports.audit.table.program import ALTERNATIVES, TOLERANCE, nearest, span
from unimp_bench.reports.audit.table.reading import Cell

DEFINITIONS = {definition.name: definition for definition in ALTERNATIVES}


@given(RANKS, NAMES, st.integers(1, 7))
@settings(max_examples=150, deadline=None)
def test_metrics_of_rankings_are_consistent_at_any_precision(ranks: list[int], names: list[str], digits: int) -> None:
    fit = nearest(rounded(metrics_of(ranks, names), digits))
    assert fit.consistent
    assert fit.proven <= fit.reached <= TOLERANCE


@given(RANKS, st.floats(0.0, 1.0), RANKS, NAMES, st.integers(1, 7))
@example([1], 0.0, [11], ["HR@1", "HR@12", "MRR@19", "NDCG@13"], 7)  # which the solver's usual tolerances leave open
@settings(max_examples=50, deadline=None)
def test_weighted_means_of_rankings_are_consistent(
    ranks: list[int], share: float, others: list[int], names: list[str], digits: int
) -> None:
    one, other = metrics_of(ranks, names), metrics_of(others, names)
    assert nearest(rounded({n: share * one[n] + (1 - share) * other[n] for n in names}, digits)).consistent


@given(st.integers(0, 9000), st.integers(1, 900), st.sampled_from(("HR@1", "NDCG@1", "MRR@1")))
@settings(deadline=None)
def test_the_size_of_a_planted_miss(count: int, excess: int, name: str) -> None:
    """At K = 1 all measures are equal, so cells n units apart miss by (n - 1) / 2 each."""
    first = "HR@1" if name != "HR@1" else "MRR@1"
    fit = nearest(cells(f"{first} {count / 1e4:.4f}", f"{name} {(count + excess) / 1e4:.4f}"))
    assert float(fit.proven) == pytest.approx((excess - 1) / 2, abs=1e-6)
    assert float(fit.reached) == pytest.approx((excess - 1) / 2, abs=1e-6)
    assert fit.consistent == (excess == 1)


@given(RANKS, NAMES.filter(lambda names: len(names) > 1), st.integers(2, 5), st.integers(1, 40), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_cell_outside_its_span_is_inconsistent(
    ranks: list[int], names: list[str], digits: int, beyond: int, up: bool
) -> None:
    """Half a unit beyond the end of the span is inconsistent, anything closer is consistent."""
    *others, moved = rounded(metrics_of(ranks, names), digits)
    low, high = span(moved, tuple(others))
    if up:
        count = math.ceil(high * 10**digits + 0.5 + 1e-4) + beyond - 1
    else:
        count = math.floor(low * 10**digits - 0.5 - 1e-4) - beyond + 1
    assume(0 <= count <= 10**digits)
    fit = nearest((*others, Cell(moved.metric, count, digits)))
    distance = (count - high * 10**digits if up else low * 10**digits - count) - 0.5
    assert not fit.consistent
    assert 0 < float(fit.proven) <= distance + 1e-4, "the other cells may share the miss"
    inside = Cell(moved.metric, round((low + high) / 2 * 10**digits), digits)
    assert nearest((*others, inside)).consistent


@given(
    st.lists(
        st.tuples(st.sampled_from(("HR", "NDCG", "MRR")), st.integers(1, 3), st.integers(0, 100)),
        min_size=1,
        max_size=4,
        unique_by=lambda each: each[:2],
    )
)
@example([("NDCG", 1, 40), ("MRR", 2, 90)])
@settings(max_examples=150, deadline=None)
def test_the_minimal_slack_is_that_of_the_best_vertex(printed: list[tuple[str, int, int]]) -> None:
    row = cells(*(f"{measure}@{cutoff} {count / 100:.2f}" for measure, cutoff, count in printed))
    assert float(nearest(row).proven) == pytest.approx(_best_vertex(printed), abs=1e-6)


def _best_vertex(printed: list[tuple[str, int, int]]) -> float:
    """Minimum t over all vertices of the polyhedron of (y_1, y_2, y_3, t), the intersections of four faces."""
    faces = [([-1.0 * (other == rank) for other in range(3)] + [0.0], 0.0) for rank in range(3)]
    faces.append(([1.0, 1.0, 1.0, 0.0], 100.0))
    for measure, cutoff, count in printed:
        gains = [TEXTBOOK[measure](rank) if rank <= cutoff else 0.0 for rank in (1, 2, 3)]
        faces.append(([*gains, -1.0], count + 0.5))
        faces.append(([*(-gain for gain in gains), -1.0], 0.5 - count))
    sides, limits = np.array([side for side, _ in faces]), np.array([limit for _, limit in faces])
    chosen = np.array(list(combinations(range(len(faces)), 4)))
    chosen = chosen[np.abs(np.linalg.det(sides[chosen])) > 1e-9]
    vertices = np.linalg.solve(sides[chosen], limits[chosen][..., None])[..., 0]
    inside = (vertices @ sides.T <= limits + 1e-7).all(axis=1)
    return float(vertices[inside, 3].min())


def test_shares_sum_to_at_most_one() -> None:
    """p_1 = 0.4 and p_1 + p_2 / 2 = 0.9 require p_2 = 1."""
    assert not nearest(cells("NDCG@1 0.400", "MRR@2 0.900")).consistent
    assert nearest(cells("NDCG@1 0.400", "MRR@2 0.700")).consistent


def test_trailing_zeros_matter() -> None:
    assert cell("HR@1 0.10") != cell("HR@1 0.1")
    assert nearest(cells("HR@1 0.1", "MRR@1 0.13")).consistent
    assert not nearest(cells("HR@1 0.10", "MRR@1 0.13")).consistent
    assert float(nearest(cells("HR@1 0.10", "MRR@1 0.1300")).proven) == pytest.approx((300 - 50 - 0.5) / 2)


def test_errors_of_the_solver_are_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong dual values and invalid histograms leave a gap between the bounds."""
    from unimp_bench.reports.audit.table import program

    solve = program.linprog

    def wrong_duals(*arguments: object, **options: object) -> object:
        found = solve(*arguments, **options)
        found.ineqlin.marginals = found.ineqlin.marginals[::-1] - 0.1
        return found

    def wrong_histogram(*arguments: object, **options: object) -> object:
        found = solve(*arguments, **options)
        found.x = -found.x
        return found

    for case, wrong in enumerate((wrong_duals, wrong_histogram)):
        monkeypatch.setattr(program, "linprog", wrong)
        with pytest.raises(ArithmeticError, match="gap"):
            nearest(cells(f"HR@5 0.065{case}", "NDCG@5 0.0474", "MRR@5 0.0368"))


GAINS: dict[str, tuple[Callable[[int], float], Callable[[int], float]]] = {
    "NDCG discounts by 1/log2(rank) from rank 2 on": (lambda r: 1 / math.log2(max(2, r)), lambda r: 1 / r),
    "NDCG is a DCG with the natural logarithm, 1/ln(rank + 1), not normalised": (
        lambda r: 1 / math.log(r + 1),
        lambda r: 1 / r,
    ),
    "ranks are counted one too high in NDCG and MRR": (lambda r: 1 / math.log2(r + 2), lambda r: 1 / (r + 1)),
    "MRR is over the whole ranking, not cut at K": (lambda r: 1 / math.log2(r + 1), lambda r: 1 / r),
    "NDCG is over the whole ranking, not cut at K": (lambda r: 1 / math.log2(r + 1), lambda r: 1 / r),
}


@pytest.mark.parametrize("name", GAINS)
@given(ranks=st.lists(st.one_of(st.integers(1, 9), st.integers(1, 10_000)), min_size=1, max_size=40))
@settings(max_examples=25, deadline=None)
def test_rows_of_another_definition_are_consistent_under_it(name: str, ranks: list[int]) -> None:
    definition = DEFINITIONS[name]
    ndcg, mrr = GAINS[name]
    row: dict[str, float] = {}
    for cutoff in (3, 5):
        for measure, gain in (("HR", lambda r: 1.0), ("NDCG", ndcg), ("MRR", mrr)):
            last = 10_000 if definition.uncut == measure else cutoff
            row[f"{measure}@{cutoff}"] = sum(gain(rank) for rank in ranks if rank <= last) / len(ranks)
    assert nearest(rounded(row, 4), definition).consistent


@given(RANKS, st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_truncated_digits_are_consistent_under_that_definition(ranks: list[int], digits: int) -> None:
    row = metrics_of(ranks, ("HR@3", "NDCG@3", "MRR@3", "HR@5", "NDCG@5", "MRR@5"))
    cut = tuple(
        Cell(whole.metric, math.floor(value * 10**digits + 1e-9), digits)
        for whole, value in zip(rounded(row, digits), row.values(), strict=True)
    )
    assert nearest(cut, DEFINITIONS["digits are truncated, not rounded"]).consistent


@given(RANKS, RANKS)
@settings(max_examples=25, deadline=None)
def test_cells_of_separate_runs_are_consistent_under_that_definition(ranks: list[int], others: list[int]) -> None:
    names = ("HR@3", "NDCG@3", "MRR@3", "HR@5", "NDCG@5", "MRR@5")
    one, other = metrics_of(ranks, names), metrics_of(others, names)
    by_cutoff = {name: (one if name.endswith("3") else other)[name] for name in names}
    by_measure = {name: (one if name.startswith("HR") else other)[name] for name in names}
    assert nearest(rounded(by_cutoff, 4), DEFINITIONS["the cells of each K come from a separate run"]).consistent
    assert nearest(rounded(by_measure, 4), DEFINITIONS["the cells of each measure come from a separate run"]).consistent


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("MRR is over the whole ranking, not cut at K", ("HR@5 0.0231", "NDCG@5 0.0200", "MRR@5 0.0100")),
        ("NDCG is over the whole ranking, not cut at K", ("HR@5 0.0231", "NDCG@5 0.0100", "MRR@5 0.0200")),
        ("NDCG discounts by 1/log2(rank) from rank 2 on", ("HR@5 0.0231", "NDCG@5 0.0233")),
        ("NDCG is a DCG with the natural logarithm, 1/ln(rank + 1), not normalised", ("HR@1 0.5000", "NDCG@1 0.5000")),
        ("ranks are counted one too high in NDCG and MRR", ("HR@1 0.5000", "MRR@1 0.5000")),
        ("digits are truncated, not rounded", ("HR@1 0.5000", "MRR@1 0.5002")),
        ("the cells of each K come from a separate run", ("HR@5 0.0100", "MRR@5 0.0200")),
        ("the cells of each measure come from a separate run", ("HR@3 0.0200", "HR@5 0.0100")),
    ],
)
def test_no_definition_admits_everything(name: str, row: tuple[str, ...]) -> None:
    assert not nearest(cells(*row), DEFINITIONS[name]).consistent


def test_every_definition_is_tested() -> None:
    others = {"digits are truncated, not rounded"}
    others |= {f"the cells of each {apart} come from a separate run" for apart in ("K", "measure")}
    assert others | set(GAINS) == set(DEFINITIONS)
