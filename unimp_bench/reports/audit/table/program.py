"""Linear programs over histograms of target ranks: how close some histogram comes to the printed metrics of a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache, lru_cache
from typing import Literal

import numpy as np
from scipy.optimize import linprog

from unimp_bench.metrics.ranking import Measure, RankMetric
from unimp_bench.records import FloatArray
from unimp_bench.reports.audit.table.reading import Cell

LOG_DIGITS = 50
"""Precision of logarithms, which are irrational; all further arithmetic is exact."""

Gain = Callable[[int], Fraction]


@cache
def _ln(number: int) -> Decimal:
    with localcontext(prec=LOG_DIGITS):
        return Decimal(number).ln()


def _log_ratio(numerator: int, denominator: int) -> Fraction:
    with localcontext(prec=LOG_DIGITS):
        return Fraction(_ln(numerator) / _ln(denominator))


def _discount(rank: int) -> Fraction:
    return _log_ratio(2, rank + 1)


def _discount_from_third(rank: int) -> Fraction:
    return Fraction(1) if rank == 1 else _log_ratio(2, rank)


def _natural_discount(rank: int) -> Fraction:
    with localcontext(prec=LOG_DIGITS):
        return Fraction(1 / _ln(rank + 1))


def _reciprocal(rank: int) -> Fraction:
    return Fraction(1, rank)


@dataclass(frozen=True)
class Definition:
    """A definition of the metrics of a row.

    Attributes:
        name: continues "consistent if ...".
        ndcg, mrr: gain of a rank, decreasing.
        uncut: the measure that sums over the whole ranking, for any K.
        apart: whether each measure, or each K, may come from a separate run.
        truncated: values are truncated instead of rounded.
    """

    name: str
    ndcg: Gain = _discount
    mrr: Gain = _reciprocal
    uncut: Measure | None = None
    apart: Literal["measure", "cutoff"] | None = None
    truncated: bool = False

    def gains(self, metric: RankMetric, ranks: int) -> list[Fraction]:
        """Gains of the ranks ``1..ranks``; 0 beyond the cutoff."""
        gain = {"HR": _one, "NDCG": self.ndcg, "MRR": self.mrr}[metric.measure]
        last = ranks if metric.measure == self.uncut else metric.cutoff
        return [gain(rank) if rank <= last else Fraction(0) for rank in range(1, ranks + 1)]

    def run(self, metric: RankMetric) -> str:
        """Name of the run of a cell; equal for the cells of one run."""
        return str(getattr(metric, self.apart)) if self.apart else ""


def _one(rank: int) -> Fraction:
    return Fraction(1)


STANDARD = Definition("every metric has its usual definition")

ALTERNATIVES = (
    Definition("MRR is over the whole ranking, not cut at K", uncut="MRR"),
    Definition("NDCG is over the whole ranking, not cut at K", uncut="NDCG"),
    Definition("NDCG discounts by 1/log2(rank) from rank 2 on", ndcg=_discount_from_third),
    Definition("NDCG is a DCG with the natural logarithm, 1/ln(rank + 1), not normalised", ndcg=_natural_discount),
    Definition(
        "ranks are counted one too high in NDCG and MRR",
        ndcg=lambda rank: _discount(rank + 1),
        mrr=lambda rank: _reciprocal(rank + 1),
    ),
    Definition("digits are truncated, not rounded", truncated=True),
    Definition("the cells of each K come from a separate run", apart="cutoff"),
    Definition("the cells of each measure come from a separate run", apart="measure"),
)


TOLERANCE = Fraction(1, 10**6)
"""In units of the last digit: smaller misses are ignored, and the two bounds never differ by more."""

_METHODS = ("highs-ds", "highs-ipm")
"""The second where the first ends too far from the optimum: any point and any weights of either give valid bounds."""
_EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
"""Of HiGHS, its smallest: its usual ones are too coarse for values of seven digits, which are whole numbers here."""


@dataclass(frozen=True)
class Fit:
    """The distance of the nearest histograms to some cells.

    Attributes:
        proven: lower bound of the distance beyond rounding, in units of the last digit; negative with slack.
        reached: the distance of the histogram found.
        weights: dual weight of each cell; cells of weight 0 do not affect the bound.
    """

    proven: Fraction
    reached: Fraction
    weights: tuple[Fraction, ...]

    @property
    def consistent(self) -> bool:
        return self.proven <= TOLERANCE


@dataclass(frozen=True)
class _Program:
    """Cells as exact inequalities.

    Attributes:
        gains: one row per cell; the histograms of several runs are concatenated.
        runs: the columns of each run.
        values, halves: value and half unit of rounding of each cell, in units of the last digit.
        scale: number of units in 1.
    """

    gains: tuple[tuple[Fraction, ...], ...]
    runs: tuple[slice, ...]
    values: tuple[Fraction, ...]
    halves: tuple[Fraction, ...]
    scale: int

    @classmethod
    def of(cls, cells: tuple[Cell, ...], definition: Definition) -> _Program:
        scale = 10 ** max(cell.digits for cell in cells)
        ranks = max(cell.metric.cutoff for cell in cells) + 1
        names = list(dict.fromkeys(definition.run(cell.metric) for cell in cells))
        runs = tuple(slice(at * ranks, (at + 1) * ranks) for at in range(len(names)))
        gains = []
        for cell in cells:
            row = [Fraction(0)] * (ranks * len(names))
            row[runs[names.index(definition.run(cell.metric))]] = definition.gains(cell.metric, ranks)
            gains.append(tuple(row))
        halves = tuple(cell.unit * scale / 2 for cell in cells)
        middles = halves if definition.truncated else (Fraction(0),) * len(cells)
        values = tuple(cell.count * cell.unit * scale + middle for cell, middle in zip(cells, middles, strict=True))
        return cls(tuple(gains), runs, values, halves, scale)

    def reached(self, found: FloatArray) -> Fraction:
        """The distance of a histogram, after an exact projection to shares of at least 0 and sums of at most 1."""
        shares = [max(Fraction(0), Fraction(float(share))) for share in found]
        for run in self.runs:
            excess = max(Fraction(1), sum(shares[run], Fraction(0)) / self.scale)
            shares[run] = [share / excess for share in shares[run]]
        return max(
            abs(_dot(row, shares) - value) - half
            for row, value, half in zip(self.gains, self.values, self.halves, strict=True)
        )

    def proven(self, above: FloatArray, below: FloatArray) -> tuple[Fraction, tuple[Fraction, ...]]:
        """The lower bound by dual values, (cells,) for each side, and the weight of each cell in it."""
        sides = [[max(Fraction(0), Fraction(float(weight))) for weight in side] for side in (above, below)]
        total = sum(map(sum, sides), Fraction(0))
        pairs = [(upper / total, lower / total) for upper, lower in zip(*sides, strict=True)]
        signed = [upper - lower for upper, lower in pairs]
        weights = tuple(upper + lower for upper, lower in pairs)
        bound = -_dot(signed, self.values) - _dot(weights, self.halves)
        for run in self.runs:
            columns = zip(*(row[run] for row in self.gains), strict=True)
            bound -= self.scale * max(Fraction(0), *(-_dot(signed, column) for column in columns))
        return bound, weights

    def inequalities(self) -> tuple[FloatArray, FloatArray]:
        """``A y <= b`` in floating point: upper and lower bounds of the cells, and the sum of each run."""
        gains, values, halves = (np.array(part, dtype=np.float64) for part in (self.gains, self.values, self.halves))
        sums = np.zeros((len(self.runs), gains.shape[1]))
        for row, run in zip(sums, self.runs, strict=True):
            row[run] = 1
        limits = np.full(len(self.runs), float(self.scale))
        return np.vstack([gains, -gains, sums]), np.concatenate([values + halves, halves - values, limits])


@lru_cache(maxsize=8192)
def nearest(cells: tuple[Cell, ...], definition: Definition = STANDARD) -> Fit:
    """The distance of the nearest histogram of target ranks to some cells under a definition."""
    program = _Program.of(cells, definition)
    matrix, limits = program.inequalities()
    slack = np.zeros((len(limits), 1))
    slack[: 2 * len(cells)] = -1
    cost = np.zeros(matrix.shape[1] + 1)
    cost[-1] = 1
    bounds = [(0, None)] * matrix.shape[1] + [(None, None)]
    tried: list[Fit] = []
    reason = ""
    for method in _METHODS:
        found = linprog(
            cost, A_ub=np.hstack([matrix, slack]), b_ub=limits, bounds=bounds, method=method, options=_EXACT
        )
        if found.status:
            reason = found.message
            continue
        duals = -found.ineqlin.marginals
        proven, weights = program.proven(duals[: len(cells)], duals[len(cells) : 2 * len(cells)])
        tried.append(Fit(proven, program.reached(found.x[:-1]), weights))
        best = max(tried, key=lambda fit: fit.proven)
        fit = replace(best, reached=min(each.reached for each in tried))
        if fit.reached - fit.proven <= TOLERANCE:
            return fit
        reason = f"a gap of {float(fit.reached - fit.proven)} is left"
    raise ArithmeticError(f"HiGHS did not solve the program of {', '.join(map(str, cells))}: {reason}")


def span(cell: Cell, others: tuple[Cell, ...]) -> tuple[float, float]:
    """The range of a cell's metric given other cells as printed, which must be consistent."""
    program = _Program.of((*others, cell), STANDARD)
    matrix, limits = program.inequalities()
    gains = matrix[len(others)]
    rows = [row for row in range(len(limits)) if row not in (len(others), 2 * len(others) + 1)]
    ends = (
        linprog(sign * gains, A_ub=matrix[rows], b_ub=limits[rows], method="highs", options=_EXACT) for sign in (1, -1)
    )
    low, high = (float(gains @ end.x) / program.scale for end in ends)
    return low, high


def _dot(left: Iterable[Fraction], right: Iterable[Fraction]) -> Fraction:
    return sum((one * other for one, other in zip(left, right, strict=True) if one and other), Fraction(0))
