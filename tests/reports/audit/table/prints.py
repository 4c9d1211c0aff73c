"""Printed cells, and metrics by their textbook definitions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from hypothesis import strategies as st

from unimp_bench.reports.audit.table.reading import Cell, metric_named

TEXTBOOK = {"HR": lambda rank: 1.0, "NDCG": lambda rank: 1 / math.log2(rank + 1), "MRR": lambda rank: 1 / rank}


def cell(text: str) -> Cell:
    """``HR@5 0.0110`` as a cell."""
    name, number = text.split()
    metric = metric_named(name)
    assert metric is not None
    return Cell.of(metric, Decimal(number))


def cells(*texts: str) -> tuple[Cell, ...]:
    return tuple(map(cell, texts))


def metrics_of(ranks: Sequence[int], names: Iterable[str]) -> dict[str, float]:
    """Means over examples by a plain loop."""
    found = {}
    for name in names:
        measure, cutoff = name.split("@")
        found[name] = sum(TEXTBOOK[measure](rank) for rank in ranks if rank <= int(cutoff)) / len(ranks)
    return found


def rounded(metrics: Mapping[str, float], digits: int) -> tuple[Cell, ...]:
    """Metrics as printed with the given number of digits."""
    return tuple(cell(f"{name} {value:.{digits}f}") for name, value in metrics.items())


RANKS = st.lists(st.integers(1, 25), min_size=1, max_size=60)
NAMES = st.lists(
    st.builds("{}@{}".format, st.sampled_from(("HR", "NDCG", "MRR")), st.integers(1, 20)),
    min_size=1,
    max_size=9,
    unique=True,
)
