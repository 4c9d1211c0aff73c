"""Targets without a training interaction (cold) and with one (warm), each with and without the other cold items."""

from __future__ import annotations

import numpy as np

from unimp_bench.metrics.ranking import RANK_METRICS, RankMetric
from unimp_bench.records import BoolArray, FloatArray
from unimp_bench.reports.rows.sections import Row, Section
from unimp_bench.reports.rows.verdict import shown_rows
from unimp_bench.reports.tables.table import MIN_MEAN, ColdItems, ColdRow
from unimp_bench.runs.results import Result

CONTENT = ("text", "pictures")


def cold_of(section: Section) -> ColdItems | None:
    """The part of cold items in a section.

    None where no candidate is cold or no target is, where users have several targets, and where no result stored it; of
    results that did not, the ranks without cold items are unknown.
    """
    metric = next((each for each in RANK_METRICS if each.name == section.kind.compared), None)
    results = [result for row in section.filled for result in row.results]
    known = next((result for result in results if result.cold is not None), None)
    if metric is None or known is None or known.cold is None:
        return None
    cold = known.cold_targets()
    assert cold is not None
    if not known.cold.items or not cold.any():
        return None
    catalogue, shown = section.corpus.catalogue, shown_rows(section)
    return ColdItems(
        metric=metric.name,
        items=known.cold.items,
        catalogue=catalogue,
        warm=int((~cold).sum()),
        cold=int(cold.sum()),
        chance=float(metric.values(np.arange(1, catalogue + 1)).mean()),
        rows=tuple(_row(shown[row.label], row, cold, metric) for row in section.filled),
    )


def _row(label: str, row: Row, cold: BoolArray, metric: RankMetric) -> ColdRow:
    """The means of a row over its seeds."""

    def mean(values: list[FloatArray | None], chosen: BoolArray) -> float | None:
        if chosen.sum() < MIN_MEAN:
            return None
        found = [float(each[chosen].mean()) for each in values if each is not None]
        return float(np.mean(found)) if len(found) == len(values) else None

    among_all: list[FloatArray | None] = [metric.values(each.target_ranks()) for each in row.results]
    alone = [_alone(each, metric) for each in row.results]
    listed = [each.cold.listed if each.cold is not None else None for each in row.results]
    shares = [each for each in listed if each is not None]
    return ColdRow(
        label=label,
        content=tuple(each for each in CONTENT if each in row.results[0].model.reads),
        listed=float(np.mean(shares)) if len(shares) == len(listed) else None,
        warm=mean(among_all, ~cold),
        warm_alone=mean(alone, ~cold),
        cold=mean(among_all, cold),
        cold_alone=mean(alone, cold),
    )


def _alone(result: Result, metric: RankMetric) -> FloatArray | None:
    """Values of the metric where the cold items other than the target are no candidates."""
    above = result.cold_above()
    return None if above is None else metric.values(result.target_ranks() - above)
