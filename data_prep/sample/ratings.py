"""How a purchase is rated: the shopper's taste, the item's quality, the shopper's leniency, and as much noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_prep.sample.choice import Purchases
from data_prep.sample.shoppers import Shoppers
from data_prep.sample.store import DECIMALS, Items
from unimp_bench.records import FloatArray, IntArray

LIKING_WEIGHT = 0.5
QUALITY_SPREAD = 0.35
NOISE_SPREAD = 0.79
"""The noise has about the variance of liking, leniency and quality together: half of a rating cannot be known."""

CUTS = (-1.89, -1.43, -0.94, -0.22)
"""A satisfaction above ``k`` of these is ``k + 1`` stars: shares of about 4.5, 5.5, 10, 22 and 58 per cent."""


@dataclass(frozen=True)
class Ratings:
    """The ratings of one domain and what they came from.

    Attributes:
        stars: (purchases,) from 1 to 5.
        quality: (items,) what all ratings of an item share.
        liking_mean, liking_spread: of the liking over the purchases, by which it is standardised.
    """

    stars: IntArray
    quality: FloatArray
    liking_mean: float
    liking_spread: float


def draw_ratings(items: Items, shoppers: Shoppers, purchases: Purchases, rng: np.random.Generator) -> Ratings:
    """Rate all purchases of a domain."""
    quality = rng.normal(0.0, QUALITY_SPREAD, len(items))
    noise = rng.normal(0.0, NOISE_SPREAD, len(purchases.item))
    mean, spread = float(purchases.liking.mean()), float(purchases.liking.std())
    satisfaction: FloatArray = (
        LIKING_WEIGHT * (purchases.liking - mean) / spread
        + shoppers.leniency[purchases.shopper]
        + quality[purchases.item]
        + noise
    )
    stars: IntArray = 1 + np.searchsorted(CUTS, np.round(satisfaction, DECIMALS))
    return Ratings(stars, quality, mean, spread)
