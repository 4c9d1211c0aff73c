"""The models of purchases, their order and ratings that ``docs/sample.md`` describes.

A shopper's next item is drawn from the domain's items not bought yet, with probability proportional to ``exp`` of

    popularity + picture taste + theme taste - PRICE_WEIGHT (dearness - purse)^2 + order

where order is ``follow`` for the last item's shelf, plus ``SERIES_BOOSTS`` for the successors of the last items.
A rating is a satisfaction cut into stars: taste, the item's quality, the shopper's leniency, and as much noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_prep.sample.store import DECIMALS, Items, Shoppers, Store
from unimp_bench.records import FloatArray, IntArray

PRICE_WEIGHT = 0.4
SERIES_BOOSTS = (4.5, 2.3)
"""Log boosts of the successors of the last item and of the one before."""

CORE = 5

FINE = 2 * DECIMALS
"""Precision of rounded utilities: far finer than relevant, far coarser than the last bit of a sum."""

LIKING_WEIGHT = 0.5
QUALITY_SPREAD = 0.35
NOISE_SPREAD = 0.79
"""The noise has about the variance of liking, leniency and quality together: half of a rating is unpredictable."""

CUTS = (-1.89, -1.43, -0.94, -0.22)
"""A satisfaction above ``k`` of these gives ``k + 1`` stars: shares of about 4.5, 5.5, 10, 22 and 58 per cent."""


@dataclass(frozen=True)
class Purchases:
    """All purchases of one domain, by shopper, then in the order of buying; columns (purchases,).

    Attributes:
        shopper, item: numbers within the domain.
        log_probability: of this choice, given the shopper's earlier purchases.
        liking: the shopper's taste for the item (picture, theme, price), without popularity and order.
    """

    shopper: IntArray
    item: IntArray
    log_probability: FloatArray
    liking: FloatArray


def draw_purchases(store: Store, shoppers: Shoppers, rng: np.random.Generator) -> tuple[Items, Purchases]:
    """Draw all purchases; return the items offered at the end, and the purchases.

    While some items sell fewer than ``CORE`` times, the worse half of them is removed and all purchases are drawn
    anew, so that the 5-core drops nothing of the last draw and every recorded probability holds in the built corpus.
    """
    items = store.items
    while True:
        purchases = _season(items, store.follow, shoppers, rng)
        sales = np.bincount(purchases.item, minlength=len(items))
        slow = sales[sales < CORE]
        if not len(slow):
            return items, purchases
        items = items.take(sales > np.median(slow))


def liking(items: Items, shoppers: Shoppers) -> FloatArray:
    """(shoppers, items) the personal part of the utility."""
    return np.round(
        shoppers.colour[:, items.colour]
        + shoppers.shape[:, items.shape]
        + shoppers.pattern[:, items.pattern]
        + shoppers.theme[:, items.theme]
        - PRICE_WEIGHT * (items.dearness[None, :] - shoppers.purse[:, None]) ** 2,
        FINE,
    )


def _season(items: Items, follow: FloatArray, shoppers: Shoppers, rng: np.random.Generator) -> Purchases:
    own = liking(items, shoppers)
    utilities = own + items.popularity
    successors = items.successors()
    longest = int(shoppers.purchases.max())
    bought = np.zeros(own.shape, dtype=np.bool_)
    chosen = np.zeros((len(shoppers), longest), dtype=np.int64)
    log_probability = np.zeros(chosen.shape)
    for step in range(longest):
        shopping = np.flatnonzero(shoppers.purchases > step)
        values = utilities[shopping] + _order(items, follow, successors, chosen[shopping, :step])
        values = np.where(bought[shopping], -np.inf, np.round(values, FINE))
        # Gumbel's trick: the maximum of value + noise is a draw from the softmax; rounding makes it portable.
        noise = np.round(rng.gumbel(size=own.shape), FINE)
        picked = np.argmax(values + noise[shopping], axis=1)
        rows = np.arange(len(shopping))
        chosen[shopping, step] = picked
        log_probability[shopping, step] = values[rows, picked] - _log_sum_exp(values)
        bought[shopping, picked] = True
    done = np.arange(longest)[None, :] < shoppers.purchases[:, None]
    shopper = np.broadcast_to(np.arange(len(shoppers))[:, None], done.shape)[done]
    return Purchases(shopper, chosen[done], log_probability[done], own[shopper, chosen[done]])


def _order(items: Items, follow: FloatArray, successors: IntArray, history: IntArray) -> FloatArray:
    """(shoppers, items) boost by the last items; ``history`` is (shoppers, items bought so far)."""
    order = np.zeros((len(history), len(items)))
    rows = np.arange(len(history))
    if history.shape[1]:
        order += follow[items.shelf[history[:, -1]]][:, items.shelf]
    for back, boost in enumerate(SERIES_BOOSTS[: history.shape[1]], start=1):
        order[rows, successors[history[:, -back]]] += boost
    return order


def _log_sum_exp(values: FloatArray) -> FloatArray:
    """(rows,) over the columns of ``values``."""
    largest = values.max(axis=1)
    total: FloatArray = largest + np.log(np.exp(values - largest[:, None]).sum(axis=1))
    return total


@dataclass(frozen=True)
class Ratings:
    """The ratings of one domain and their components.

    Attributes:
        stars: (purchases,) from 1 to 5.
        quality: (items,) the common part of an item's ratings.
        liking_mean, liking_spread: mean and deviation of the liking over the purchases, for standardisation.
    """

    stars: IntArray
    quality: FloatArray
    liking_mean: float
    liking_spread: float


def draw_ratings(items: Items, shoppers: Shoppers, purchases: Purchases, rng: np.random.Generator) -> Ratings:
    """Draw ratings for all purchases of a domain."""
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
