"""Items and shoppers of one domain, with the shoppers' tastes, budgets, and parameters of ratings and reviews."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from data_prep.sample.words import BRAND_ENDS, BRAND_STARTS, BRAND_TAILS, THEMES, Department
from unimp_bench.records import FloatArray, IntArray

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross")
PATTERNS = ("plain", "stripes", "dots", "checks", "zigzag")

ITEMS_PER_SHELF = 45
BRANDS = 12
POPULARITY_SPREAD = 0.55
FOLLOW_BOOST = 0.8
DECIMALS = 4
"""Precision of drawn numbers, so that a last-bit difference between machines changes no choice."""

SHOPPERS_PER_DOMAIN = 430
SECOND_FAVOURITE = 0.5
"""Share of shoppers with a second favourite among the colours, shapes or themes."""

MIN_PURCHASES, MAX_PURCHASES, MEAN_PURCHASES = 6, 14, 9.0

_ASIN_SYMBOLS = np.array(list("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"))
_SHOPPER_SYMBOLS = np.array(list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))


@dataclass(frozen=True)
class Items:
    """Columns over the items of one domain; all are (items,).

    Attributes:
        asins: ten-character ids.
        shelf, noun, brand, theme: codes into the department's shelves, the shelf's nouns, the brands, ``THEMES``.
        colour, shape, pattern: codes of features that only the picture shows.
        popularity: log weight common to all shoppers.
        price: dollars.
        dearness: log price relative to the shelf's usual one, standardised over the domain and cut at two deviations.
        series: position in the hidden cycle of successors; the next item has the next higher one.
    """

    asins: np.ndarray
    shelf: IntArray
    noun: IntArray
    brand: IntArray
    theme: IntArray
    colour: IntArray
    shape: IntArray
    pattern: IntArray
    popularity: FloatArray
    price: FloatArray
    dearness: FloatArray
    series: IntArray

    def __len__(self) -> int:
        return len(self.asins)

    def take(self, keep: np.ndarray) -> Items:
        """The items where ``keep`` (items,) holds; the cycle of successors closes over the gaps."""
        return replace(self, **{field.name: getattr(self, field.name)[keep] for field in fields(self)})

    def successors(self) -> IntArray:
        """(items,) the successor of each item; every item follows exactly one other."""
        ring = np.argsort(self.series)
        following = np.empty(len(ring), dtype=np.int64)
        following[ring] = np.roll(ring, -1)
        return following


@dataclass(frozen=True)
class Store:
    """Items and brands of a domain; ``follow`` (shelves, shelves) is the log boost of a shelf after another one."""

    department: Department
    brands: tuple[str, ...]
    follow: FloatArray
    items: Items


def draw_store(department: Department, rng: np.random.Generator) -> Store:
    """Draw a store of ``ITEMS_PER_SHELF`` items per shelf."""
    shelves = len(department.shelves)
    count = shelves * ITEMS_PER_SHELF
    shelf = np.repeat(np.arange(shelves), ITEMS_PER_SHELF)
    nouns = np.array([len(each.nouns) for each in department.shelves])[shelf]
    brand = rng.integers(0, BRANDS, count)
    relative = rng.normal(0.0, 0.35, BRANDS)[brand] + rng.normal(0.0, 0.3, count)
    usual = np.array([each.price for each in department.shelves])[shelf]
    items = Items(
        asins=_codes(rng, count, "B0", 10),
        shelf=shelf,
        noun=rng.integers(0, nouns),
        brand=brand,
        theme=rng.integers(0, len(THEMES), count),
        colour=rng.integers(0, len(COLOURS), count),
        shape=rng.integers(0, len(SHAPES), count),
        pattern=rng.integers(0, len(PATTERNS), count),
        popularity=np.round(rng.exponential(POPULARITY_SPREAD, count), DECIMALS),
        price=np.floor(np.round(usual * np.exp(relative), DECIMALS)) + 0.99,
        dearness=np.round(np.clip((relative - relative.mean()) / relative.std(), -2.0, 2.0), DECIMALS),
        series=rng.permutation(count),
    )
    return Store(department, _brand_names(rng), _follow(rng, shelves), items)


def _follow(rng: np.random.Generator, shelves: int) -> FloatArray:
    """(shelves, shelves) boosts of the next shelf in a random cycle."""
    ring = rng.permutation(shelves)
    follow = np.zeros((shelves, shelves))
    follow[ring, np.roll(ring, -1)] = FOLLOW_BOOST
    return follow


def _brand_names(rng: np.random.Generator) -> tuple[str, ...]:
    numbers = rng.choice(len(BRAND_STARTS) * len(BRAND_ENDS), BRANDS, replace=False)
    tails = rng.integers(0, len(BRAND_TAILS), BRANDS)
    return tuple(
        BRAND_STARTS[number // len(BRAND_ENDS)] + BRAND_ENDS[number % len(BRAND_ENDS)] + BRAND_TAILS[tail]
        for number, tail in zip(numbers, tails, strict=True)
    )


def _codes(rng: np.random.Generator, count: int, prefix: str, length: int) -> np.ndarray:
    """Distinct sorted ids in the format of the real store."""
    letters = _ASIN_SYMBOLS[rng.integers(0, len(_ASIN_SYMBOLS), (2 * count, length - len(prefix)))]
    distinct = np.unique([prefix + "".join(row) for row in letters])
    return np.sort(rng.choice(distinct, count, replace=False))


@dataclass(frozen=True)
class Shoppers:
    """Columns over the shoppers of one domain.

    Attributes:
        names: (shoppers,) reviewer ids.
        colour, shape, pattern, theme: (shoppers, kinds) log weight of an item of that kind.
        purse: (shoppers,) the preferred dearness.
        purchases: (shoppers,) number of items that each one buys.
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
    letters = _SHOPPER_SYMBOLS[rng.integers(0, len(_SHOPPER_SYMBOLS), (count, 13))]
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
    """(count, kinds) weights: a favourite, for some a second one, and one disliked kind; all others 0."""
    tastes = np.zeros((count, kinds))
    ranked = rng.permuted(np.tile(np.arange(kinds), (count, 1)), axis=1)
    everyone = np.arange(count)
    tastes[everyone, ranked[:, 0]] = first
    tastes[everyone, ranked[:, 1]] = np.where(rng.random(count) < SECOND_FAVOURITE, second, 0.0)
    tastes[everyone, ranked[:, -1]] = -dislike
    return tastes
