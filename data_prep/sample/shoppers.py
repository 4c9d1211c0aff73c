"""The shoppers of one domain: what each one likes, can pay, and how each one rates and writes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_prep.sample.store import COLOURS, DECIMALS, PATTERNS, SHAPES
from data_prep.sample.words import THEMES
from unimp_bench.records import FloatArray, IntArray

SHOPPERS_PER_DOMAIN = 430
SECOND_FAVOURITE = 0.5
"""Share of shoppers who have a second favourite among the colours, shapes or themes."""

MIN_PURCHASES, MAX_PURCHASES, MEAN_PURCHASES = 6, 14, 9.0

_SYMBOLS = np.array(list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))


@dataclass(frozen=True)
class Shoppers:
    """Columns over the shoppers of one domain.

    Attributes:
        names: (shoppers,) reviewer ids.
        colour, shape, pattern, theme: (shoppers, kinds) log weight that a kind adds to an item's chance.
        purse: (shoppers,) the dearness that a shopper likes best.
        purchases: (shoppers,) items that each one buys.
        leniency: (shoppers,) shift of all ratings, in standard deviations.
        wordiness: (shoppers,) shift of the log length of all reviews.
    """

    names: np.ndarray
    colour: FloatArray
    shape: FloatArray
    pattern: FloatArray
    theme: FloatArray
    purse: FloatArray
    purchases: IntArray
    leniency: FloatArray
    wordiness: FloatArray

    def __len__(self) -> int:
        return len(self.names)


def draw_shoppers(rng: np.random.Generator) -> Shoppers:
    """Draw ``SHOPPERS_PER_DOMAIN`` shoppers with concentrated tastes: one or two favourites, one dislike."""
    count = SHOPPERS_PER_DOMAIN
    spread = MAX_PURCHASES - MIN_PURCHASES
    letters = _SYMBOLS[rng.integers(0, len(_SYMBOLS), (count, 13))]
    return Shoppers(
        names=np.array(["A" + "".join(row) for row in letters]),
        colour=_tastes(rng, count, len(COLOURS), first=2.0, second=1.4, dislike=1.0),
        shape=_tastes(rng, count, len(SHAPES), first=1.2, second=0.8, dislike=0.5),
        pattern=_tastes(rng, count, len(PATTERNS), first=1.0, second=0.0, dislike=0.5),
        theme=_tastes(rng, count, len(THEMES), first=2.3, second=1.7, dislike=1.0),
        purse=np.round(rng.normal(0.0, 0.8, count), DECIMALS),
        purchases=MIN_PURCHASES + rng.binomial(spread, (MEAN_PURCHASES - MIN_PURCHASES) / spread, count),
        leniency=np.round(rng.normal(0.0, 0.5, count), DECIMALS),
        wordiness=np.round(rng.normal(0.0, 0.6, count), DECIMALS),
    )


def _tastes(
    rng: np.random.Generator, count: int, kinds: int, *, first: float, second: float, dislike: float
) -> FloatArray:
    """(count, kinds) weights: a favourite, for some a second one, and one kind that is disliked; all others 0."""
    tastes = np.zeros((count, kinds))
    ranked = rng.permuted(np.tile(np.arange(kinds), (count, 1)), axis=1)
    everyone = np.arange(count)
    tastes[everyone, ranked[:, 0]] = first
    tastes[everyone, ranked[:, 1]] = np.where(rng.random(count) < SECOND_FAVOURITE, second, 0.0)
    tastes[everyone, ranked[:, -1]] = -dislike
    return tastes
