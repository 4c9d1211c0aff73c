"""Cold items, those without a training interaction: targets among them, and ranks with and without them.

Ranks without the cold items follow from a rank and its list. Of a target with rank r, the first r - 1 other items of
the list are those that score at least as high (ties count against the target), so that

    rank without cold items = 1 + #(those others that have a training interaction)

A target below its list has at most its rank less the cold items of the list, and is certainly below all others of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unimp_bench.kinds.ranks import Ranking
from unimp_bench.records import BoolArray, IntArray


@dataclass(frozen=True)
class ColdRanks:
    """Cold items in the ranking of each example of a set.

    Attributes:
        items: number of cold candidates.
        targets: (n,) bool, targets that are cold items.
        above: (n,) int64, cold items other than the target that score at least as high, those in the list alone for a
            target below it; None where this could change whether a target is among the first items.
        listed: share of the first items of the lists that are cold; None without lists.
    """

    items: int
    targets: BoolArray
    above: IntArray | None
    listed: float | None


def cold_ranks(
    ranking: Ranking, targets: IntArray, catalogue: IntArray, popularity: IntArray, cutoff: int
) -> ColdRanks:
    """What cold items do to a ranking.

    Args:
        ranking: with lists, or without.
        targets: (n,) item numbers.
        catalogue: sorted item numbers, the candidates.
        popularity: (items,) training interactions of each item.
        cutoff: of the metrics that the ranks are for.
    """
    cold: BoolArray = popularity == 0
    known, items, mine = ranking.top >= 0, int(cold[catalogue].sum()), cold[targets]
    is_cold = known & cold[ranking.top]
    first = known[:, :cutoff].sum()
    listed = float(is_cold[:, :cutoff].sum() / first) if first else None
    if not items:
        return ColdRanks(0, mine, np.zeros(len(targets), dtype=np.int64), listed)
    others = known & (ranking.top != targets[:, None])
    place = np.cumsum(others, axis=1)
    counted = others & (place < ranking.ranks[:, None])
    above: IntArray = (counted & is_cold).sum(axis=1)
    below_list = counted.sum(axis=1) < ranking.ranks - 1
    sure = (counted & ~is_cold).sum(axis=1) >= cutoff
    return ColdRanks(items, mine, None if (below_list & ~sure).any() else above, listed)
