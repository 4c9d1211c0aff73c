"""Texts of the sample: metadata lines of 2014, and reviews.

Reviews have opinions on what the shopper likes or dislikes in the item, in the tone of the rating.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from data_prep.sample import words
from data_prep.sample.choice import Purchases
from data_prep.sample.store import Items, Shoppers, Store
from data_prep.sample.words import THEMES, Feature, Tone
from unimp_bench.records import FloatArray, IntArray

NO_PRICE, NO_BRAND, NO_DESCRIPTION, HAS_RELATED = 0.08, 0.15, 0.05, 0.6
"""Shares of items without a price, a brand or a description, and with related items."""

MEDIAN_WORDS = 24.0
WORDS_SPREAD = 0.8
SHORT = 4
"""Maximum number of words of a review that is a bare exclamation."""

PRICE_LIKED, PRICE_DISLIKED = 0.6, 1.4
"""Distances between dearness and purse below and above which a shopper praises or criticises the price."""

T = TypeVar("T")
_BLOCK = 1 << 14


class Dice:
    """Small random decisions from one generator, which is read in blocks for speed."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._numbers = self._draw(rng)

    @staticmethod
    def _draw(rng: np.random.Generator) -> Iterator[float]:
        while True:
            yield from rng.random(_BLOCK).tolist()

    def chance(self, probability: float) -> bool:
        return next(self._numbers) < probability

    def pick(self, options: Sequence[T]) -> T:
        return options[int(next(self._numbers) * len(options))]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        keys = [next(self._numbers) for _ in options]
        return [options[place] for place in sorted(range(len(keys)), key=keys.__getitem__)]


def write_listings(store: Store, items: Items, rng: np.random.Generator) -> list[dict[str, Any]]:
    """One metadata record per item, in the order of the items."""
    dice = Dice(rng)
    ranks = 1 + np.argsort(np.argsort(-items.popularity))
    shelves = [np.flatnonzero(items.shelf == shelf) for shelf in range(len(store.department.shelves))]
    return [_listing(store, items, number, int(ranks[number]), shelves, dice) for number in range(len(items))]


def _listing(
    store: Store, items: Items, number: int, rank: int, shelves: list[np.ndarray], dice: Dice
) -> dict[str, Any]:
    asin = str(items.asins[number])
    shelf = store.department.shelves[items.shelf[number]]
    word, other = dice.shuffled(THEMES[items.theme[number]])[:2]
    brand = store.brands[items.brand[number]]
    noun = shelf.nouns[items.noun[number]]
    slots = {"brand": brand, "word": word, "other": other, "noun": noun, "extra": dice.pick(words.EXTRAS)}
    record: dict[str, Any] = {"asin": asin, "title": dice.pick(words.TITLES).format(**slots)}
    if not dice.chance(NO_PRICE):
        record["price"] = float(items.price[number])
    record["imUrl"] = f"http://pictures.example.com/{asin}.jpg"
    if not dice.chance(NO_BRAND):
        record["brand"] = brand
    record["categories"] = [[store.department.label, *shelf.path]]
    if not dice.chance(NO_DESCRIPTION):
        slots |= {"word": word.lower(), "other": other.lower(), "noun": noun.lower(), "shelf": shelf.path[-1].lower()}
        slots["material"] = dice.pick(store.department.materials)
        lines = [dice.pick(words.OPENINGS), dice.pick(words.THEME_LINES), dice.pick(words.CLOSINGS)]
        record["description"] = " ".join(line.format(**slots) for line in lines)
    record["salesRank"] = {store.department.label: 37 * rank + 11}
    if dice.chance(HAS_RELATED):
        # Viewed, not bought: neighbours on the shelf, so that the order of purchases does not leak.
        neighbours = dice.shuffled(shelves[items.shelf[number]])[:4]
        record["related"] = {"also_viewed": [str(items.asins[each]) for each in neighbours if each != number]}
    return record


class Review(NamedTuple):
    """The text of one review."""

    summary: str
    text: str


def write_reviews(
    store: Store, items: Items, shoppers: Shoppers, purchases: Purchases, stars: IntArray, rng: np.random.Generator
) -> Iterator[Review]:
    """One review per purchase, in order."""
    lengths = _lengths(shoppers, purchases, rng)
    opinions = _opinions(items, shoppers, purchases)
    dice = Dice(rng)
    for row, item in enumerate(purchases.item):
        likes = [feature for feature, values in opinions.items() if values[row] > 0]
        dislikes = [feature for feature, values in opinions.items() if values[row] < 0]
        slots = {
            "noun": store.department.shelves[items.shelf[item]].nouns[items.noun[item]].lower(),
            "brand": store.brands[items.brand[item]],
            "theme": dice.pick(THEMES[items.theme[item]]).lower(),
        }
        yield _review(int(stars[row]), int(lengths[row]), likes, dislikes, slots, dice)


def _opinions(items: Items, shoppers: Shoppers, purchases: Purchases) -> dict[Feature, FloatArray]:
    """By feature, (purchases,): above 0 if the shopper likes it in the item, below 0 if not."""
    who, what = purchases.shopper, purchases.item
    distance = np.abs(items.dearness[what] - shoppers.purse[who])
    return {
        "colour": shoppers.colour[who, items.colour[what]],
        "shape": shoppers.shape[who, items.shape[what]],
        "pattern": shoppers.pattern[who, items.pattern[what]],
        "theme": shoppers.theme[who, items.theme[what]],
        "price": np.where(distance < PRICE_LIKED, 1.0, np.where(distance > PRICE_DISLIKED, -1.0, 0.0)),
    }


def _lengths(shoppers: Shoppers, purchases: Purchases, rng: np.random.Generator) -> IntArray:
    """(purchases,) numbers of words, log-normal: some one word, some hundreds."""
    logs = np.log(MEDIAN_WORDS) + shoppers.wordiness[purchases.shopper]
    logs = logs + rng.normal(0.0, WORDS_SPREAD, len(purchases.item))
    lengths: IntArray = np.floor(np.exp(np.round(logs, 6))).astype(np.int64)
    return np.maximum(lengths, 1)


def _review(
    stars: int, length: int, likes: list[Feature], dislikes: list[Feature], slots: dict[str, str], dice: Dice
) -> Review:
    tone: Tone = "good" if stars >= 4 else "mixed" if stars == 3 else "bad"
    summary = _summary(tone, likes, dislikes, dice)
    if length <= SHORT:
        return Review(_filled(summary, slots, dice), dice.pick(words.SHORT_LINES[tone]))
    lines: list[str] = []
    written = 0
    for line in _lines(tone, likes, dislikes, dice):
        lines.append(_filled(line, slots, dice))
        written += lines[-1].count(" ") + 1
        if written >= length:
            break
    return Review(_filled(summary, slots, dice), " ".join(lines))


def _lines(tone: Tone, likes: list[Feature], dislikes: list[Feature], dice: Dice) -> Iterator[str]:
    """Distinct sentences in order of priority: a judgement, opinions that fit it, then stories and the rest."""
    judgements = dice.shuffled(words.TONE_LINES[tone])
    said = {"good": [likes], "mixed": [likes, dislikes], "bad": [dislikes]}[tone]
    opinions = [
        dice.pick(words.FEATURE_LINES[feature, features is likes])
        for features in said
        for feature in dice.shuffled(features)
    ]
    stories = dice.shuffled(words.STORY_LINES)
    if opinions and dice.chance(0.5):
        yield opinions.pop(0)
    if dice.chance(0.3):
        yield stories.pop()
    yield judgements.pop()
    yield from opinions
    if tone == "good" and dislikes and dice.chance(0.4):
        yield dice.pick(words.FEATURE_LINES[dice.pick(dislikes), False])
    if tone == "bad" and likes and dice.chance(0.4):
        yield dice.pick(words.FEATURE_LINES[dice.pick(likes), True])
    yield from dice.shuffled(stories + judgements)


def _summary(tone: Tone, likes: list[Feature], dislikes: list[Feature], dice: Dice) -> str:
    features = likes if tone == "good" else dislikes if tone == "bad" else []
    if features and dice.chance(0.3):
        return dice.pick(words.FEATURE_SUMMARIES[tone == "good"]).replace("{feature}", dice.pick(features))
    return dice.pick(words.SUMMARIES[tone])


def _filled(line: str, slots: dict[str, str], dice: Dice) -> str:
    return line.format(
        **slots, person=dice.pick(words.PEOPLE), place=dice.pick(words.PLACES), time=dice.pick(words.MOMENTS)
    )
