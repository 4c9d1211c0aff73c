"""Writes the reviews: opinions on what the shopper likes or dislikes in the item, in the tone of the stars given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data_prep.sample import phrases
from data_prep.sample.choice import Purchases
from data_prep.sample.dice import Dice
from data_prep.sample.phrases import Feature, Tone
from data_prep.sample.shoppers import Shoppers
from data_prep.sample.store import Items, Store
from data_prep.sample.words import THEMES
from unimp_bench.records import FloatArray, IntArray

MEDIAN_WORDS = 24.0
WORDS_SPREAD = 0.8
SHORT = 4
"""Reviews of at most so many words are a bare exclamation."""

PRICE_LIKED, PRICE_DISLIKED = 0.6, 1.4
"""Distances between dearness and purse below and above which a shopper speaks well or ill of the price."""


@dataclass(frozen=True)
class Review:
    """The text of one review."""

    summary: str
    text: str


def write_reviews(
    store: Store, items: Items, shoppers: Shoppers, purchases: Purchases, stars: IntArray, rng: np.random.Generator
) -> Iterator[Review]:
    """One review a purchase, in their order."""
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
    """By feature, (purchases,): above 0 where the shopper likes it in the item, below 0 where not."""
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
    """(purchases,) words, log-normal: some one word, some hundreds."""
    logs = np.log(MEDIAN_WORDS) + shoppers.wordiness[purchases.shopper]
    logs = logs + rng.normal(0.0, WORDS_SPREAD, len(purchases.item))
    words: IntArray = np.floor(np.exp(np.round(logs, 6))).astype(np.int64)
    return np.maximum(words, 1)


def _review(
    stars: int, words: int, likes: list[Feature], dislikes: list[Feature], slots: dict[str, str], dice: Dice
) -> Review:
    tone: Tone = "good" if stars >= 4 else "mixed" if stars == 3 else "bad"
    summary = _summary(tone, likes, dislikes, dice)
    if words <= SHORT:
        return Review(_filled(summary, slots, dice), dice.pick(phrases.SHORT_LINES[tone]))
    lines: list[str] = []
    length = 0
    for line in _lines(tone, likes, dislikes, dice):
        lines.append(_filled(line, slots, dice))
        length += lines[-1].count(" ") + 1
        if length >= words:
            break
    return Review(_filled(summary, slots, dice), " ".join(lines))


def _lines(tone: Tone, likes: list[Feature], dislikes: list[Feature], dice: Dice) -> Iterator[str]:
    """Sentences in order of urgency, none twice: a judgement, opinions that fit it, then stories and the rest."""
    judgements = dice.shuffled(phrases.TONE_LINES[tone])
    said = {"good": [likes], "mixed": [likes, dislikes], "bad": [dislikes]}[tone]
    opinions = [
        dice.pick(phrases.FEATURE_LINES[feature, features is likes])
        for features in said
        for feature in dice.shuffled(features)
    ]
    stories = dice.shuffled(phrases.STORY_LINES)
    if opinions and dice.chance(0.5):
        yield opinions.pop(0)
    if dice.chance(0.3):
        yield stories.pop()
    yield judgements.pop()
    yield from opinions
    if tone == "good" and dislikes and dice.chance(0.4):
        yield dice.pick(phrases.FEATURE_LINES[dice.pick(dislikes), False])
    if tone == "bad" and likes and dice.chance(0.4):
        yield dice.pick(phrases.FEATURE_LINES[dice.pick(likes), True])
    yield from dice.shuffled(stories + judgements)


def _summary(tone: Tone, likes: list[Feature], dislikes: list[Feature], dice: Dice) -> str:
    features = likes if tone == "good" else dislikes if tone == "bad" else []
    if features and dice.chance(0.3):
        return dice.pick(phrases.FEATURE_SUMMARIES[tone == "good"]).replace("{feature}", dice.pick(features))
    return dice.pick(phrases.SUMMARIES[tone])


def _filled(line: str, slots: dict[str, str], dice: Dice) -> str:
    return line.format(
        **slots, person=dice.pick(phrases.PEOPLE), place=dice.pick(phrases.PLACES), time=dice.pick(phrases.MOMENTS)
    )
