"""Any two rows of a table on the same examples: difference, interval, p-value, and on how many each is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from unimp_bench import registry
from unimp_bench.kinds import kind_of
from unimp_bench.metrics.paired import seeded_test
from unimp_bench.records import FloatArray
from unimp_bench.reports.tables.table import Row, Table
from unimp_bench.runs.results import Result


@dataclass(frozen=True)
class Pair:
    """Two rows of one table, by the metric that its rows are compared by.

    Attributes:
        first, second: indices among the rows with results.
        difference: mean of the first less that of the second.
        low, high: 95% interval of the difference, examples and seeds random.
        p_value: of ``seeded_test``, not corrected for the number of comparisons.
        higher, lower: examples with a higher (lower) mean over seeds of the first row; on the others they agree.
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    p_value: float
    higher: int
    lower: int


def compared_metric(table: Table) -> str:
    """The metric that the rows of a table are compared by."""
    return kind_of(registry.task_cards()[table.task].kind).compared


def pairs_of(table: Table, results: Mapping[str, Result]) -> tuple[Pair, ...]:
    """All pairs of rows with values of the same examples.

    Args:
        table: of a task or suite.
        results: by run key.
    """
    metric = compared_metric(table)
    known = [
        (at, values) for at, row in enumerate(table.filled) if (values := _values(row, metric, results)) is not None
    ]
    return tuple(
        _pair(one, other, first, second)
        for (one, first), (other, second) in combinations(known, 2)
        if first.shape[1] == second.shape[1] == table.units
    )


def _values(row: Row, metric: str, results: Mapping[str, Result]) -> FloatArray | None:
    """(seeds, n) values per example; None if a seed has none."""
    assert row.details is not None
    found = [results[run.key].example_values(metric) for run in row.details.runs]
    known = [values for values in found if values is not None]
    return np.array(known) if len(known) == len(found) and len({len(values) for values in known}) == 1 else None


def _pair(one: int, other: int, first: FloatArray, second: FloatArray) -> Pair:
    test = seeded_test(first, second)
    assert test.interval is not None
    differences = first.mean(axis=0) - second.mean(axis=0)
    differences[np.abs(differences) < 1e-9] = 0  # the means over seeds of equal values may differ in their last bits
    low, high = test.interval
    higher, lower = int((differences > 0).sum()), int((differences < 0).sum())
    return Pair(one, other, test.difference, low, high, test.p_value, higher, lower)
