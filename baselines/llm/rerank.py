"""Orders the first items of a recommender anew: which items, by which mixture, and with which scores.

Of the base's scores b, the ``depth`` best items that are not in the history are ordered again, and get their old
scores in the new order; all other scores stay. So HR@K does not change for K of at least ``depth`` where seen items are
masked, and a mixture with weight 0 gives the base itself.

    s(place) = (1 - mix) u_base + mix u_model,  u = 1 - (place - 1) / (depth - 1)
    score of a title = (l(title | prompt) - null_weight l(title | prompt without history)) / tokens ** length_power
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from unimp_bench.records import FloatArray, IntArray

MIXES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
POWERS = (0.0, 0.5, 1.0)
NULL_WEIGHTS = (0.0, 0.5, 1.0)
CUTOFF = 10


@dataclass(frozen=True)
class Weights:
    """How likelihoods become scores, and how much they count beside the base.

    Attributes:
        length_power: exponent of the number of tokens.
        null_weight: of the likelihood without history.
        mix: weight of the model's order; the base has the rest.
    """

    length_power: float
    null_weight: float
    mix: float

    def scores(self, totals: FloatArray, nulls: FloatArray, lengths: IntArray) -> FloatArray:
        """Of titles, any shape."""
        found: FloatArray = (totals - self.null_weight * nulls) / np.maximum(lengths, 1) ** self.length_power
        return found


def top_columns(scores: FloatArray, history: IntArray, catalogue: IntArray, depth: int) -> list[IntArray]:
    """Columns of the best items of each row outside its history, best first; ties in the order of the catalogue.

    Args:
        scores: (n, catalogue) of the base.
        history: (n, longest) items, -1 for none.
        catalogue: sorted items.
    """
    found: list[IntArray] = []
    for row, items in zip(scores, history, strict=True):
        seen = np.searchsorted(catalogue, items[np.isin(items, catalogue)])
        open_row = np.asarray(row, dtype=np.float64).copy()
        open_row[seen] = -np.inf
        order = np.argsort(-open_row, kind="stable")[:depth]
        found.append(order[np.isfinite(open_row[order])])
    return found


def mixed_order(scores: FloatArray, mix: float) -> IntArray:
    """The new order of k items as places in the base's order; ties in the base's order.

    Args:
        scores: (k,) of the model, by place in the base's order.
        mix: see ``Weights``.
    """
    count = len(scores)
    ranks = np.empty(count)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(count)
    mixed = (1 - mix) * np.arange(count) + mix * ranks
    order: IntArray = np.argsort(mixed.round(9), kind="stable")
    return order


def reordered(row: FloatArray, columns: IntArray, order: IntArray) -> FloatArray:
    """A row of scores with its ``columns``, best first, in a new order; the row itself where the order is the old one.

    Equal scores are spread upwards by the smallest steps, so that the new order is strict and above the next item.
    """
    new = np.asarray(row, dtype=np.float64).copy()
    if np.array_equal(order, np.arange(len(order))):
        return new
    others = np.ones(len(row), dtype=np.bool_)
    others[columns] = False
    values = new[columns].copy()
    tied = others & (new == values[-1])
    floor = values[-1] if tied.any() else -np.inf
    for place in range(len(values) - 1, -1, -1):
        values[place] = max(values[place], np.nextafter(floor, np.inf))
        floor = values[place]
    new[columns[order]] = values
    return new


def chosen_weights(
    totals: list[FloatArray], nulls: list[FloatArray], lengths: list[IntArray], targets: list[int | None]
) -> tuple[Weights, float]:
    """The weights with the best NDCG@10 over examples, and that of the base alone is the first of equal ones.

    Args:
        totals, nulls, lengths: (k,) per example, by place in the base's order.
        targets: place of the target of each example; None where it is not among them.

    Returns:
        The weights, and the share of examples whose target is among the ordered items.
    """
    grid = [Weights(*each) for each in product(POWERS, NULL_WEIGHTS, MIXES)]
    grid.sort(key=lambda weights: (weights.mix, weights.null_weight, -weights.length_power))

    def gain(weights: Weights) -> float:
        found = 0.0
        for total, null, length, target in zip(totals, nulls, lengths, targets, strict=True):
            if target is not None:
                order = mixed_order(weights.scores(total, null, length), weights.mix)
                place = int(np.flatnonzero(order == target)[0])
                found += 1 / np.log2(place + 2) if place < CUTOFF else 0.0
        return round(found, 9)

    reached = sum(target is not None for target in targets) / max(1, len(targets))
    return max(grid, key=gain), reached
