"""What HR, NDCG and MRR at K may be taken to mean, each as gains of the target's rank.

With one relevant item an example adds ``g(rank)`` to a metric at K where its rank is within K: 1 for HR,
``1 / log2(rank + 1)`` for NDCG and ``1 / rank`` for MRR (``unimp_bench.metrics.ranking``). Other definitions are other
gains, a sum that does not end at K, or cells that come from several runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from typing import Literal

from unimp_bench.metrics.ranking import Measure, RankMetric

LOG_DIGITS = 50
"""Logarithms are irrational: they are taken to so many digits and exact arithmetic goes on from there."""

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
    """One reading of a row's cells.

    Attributes:
        name: what a table calls it, as the end of "consistent if ...".
        ndcg, mrr: gains of a rank, which fall with it.
        uncut: the measure whose sum goes over the whole ranking, whatever K is printed.
        apart: the cells of each measure, or of each K, may come from a run of their own.
        truncated: digits were cut off after the last one instead of rounded.
    """

    name: str
    ndcg: Gain = _discount
    mrr: Gain = _reciprocal
    uncut: Measure | None = None
    apart: Literal["measure", "cutoff"] | None = None
    truncated: bool = False

    def gains(self, metric: RankMetric, ranks: int) -> list[Fraction]:
        """Gains of the ranks ``1..ranks``, 0 beyond the cutoff."""
        gain = {"HR": _one, "NDCG": self.ndcg, "MRR": self.mrr}[metric.measure]
        last = ranks if metric.measure == self.uncut else metric.cutoff
        return [gain(rank) if rank <= last else Fraction(0) for rank in range(1, ranks + 1)]

    def run(self, metric: RankMetric) -> str:
        """Which run a cell comes from; equal for the cells of one run."""
        return str(getattr(metric, self.apart)) if self.apart else ""


def _one(rank: int) -> Fraction:
    return Fraction(1)


STANDARD = Definition("every cell is what its name says")

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
    Definition("digits were cut off, not rounded", truncated=True),
    Definition("the cells of each K come from a run of their own", apart="cutoff"),
    Definition("the cells of each measure come from a run of their own", apart="measure"),
)
