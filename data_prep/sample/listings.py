"""What the shop writes about an item: title, description and the other fields of a metadata line of 2014."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_prep.sample.dice import Dice
from data_prep.sample.store import Items, Store
from data_prep.sample.words import THEMES

NO_PRICE, NO_BRAND, NO_DESCRIPTION, HAS_RELATED = 0.08, 0.15, 0.05, 0.6
"""Shares of items whose metadata lack a price, a brand or a description, or have related items."""

TITLES = (
    "{brand} {word} {noun}",
    "{brand} {word} {noun}, {extra}",
    "{word} {noun} by {brand}",
    "{brand} {noun} - {word} Collection",
    "{brand} {word} & {other} {noun}, {extra}",
    '{noun} "{word}" by {brand}, {extra}',
)
EXTRAS = ("Set of 2", "Set of 3", "Pack of 4", "Large", "Small", "Medium", "Gift Boxed", "Travel Size", "New Edition")
OPENINGS = (
    "Made with {material} and finished by hand.",
    "A {noun} with {material} that is made to last.",
    "{brand} makes this {noun} with {material}.",
    "Everyday {shelf} with {material}, from the workshop of {brand}.",
    "We use {material} because it feels right.",
)
THEME_LINES = (
    "The design takes its mood from {word} and {other}.",
    "A little {word}, a little {other}, and a lot of care.",
    "Part of our {word} range, with details that recall {other}.",
    "For everyone who dreams of {word} and {other}.",
    "Inspired by {word}; the inside carries a {other} motif.",
)
CLOSINGS = (
    "A thoughtful present.",
    "Ships in paper packaging.",
    "Satisfaction guaranteed for one year.",
    "Designed in our own studio.",
    "Please read the enclosed care notes before first use.",
    "Also sold as a pair.",
    "Tested by families like yours.",
)


def write_listings(store: Store, items: Items, rng: np.random.Generator) -> list[dict[str, Any]]:
    """One metadata record an item, in the order of the items."""
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
    slots = {"brand": brand, "word": word, "other": other, "noun": noun, "extra": dice.pick(EXTRAS)}
    record: dict[str, Any] = {"asin": asin, "title": dice.pick(TITLES).format(**slots)}
    if not dice.chance(NO_PRICE):
        record["price"] = float(items.price[number])
    record["imUrl"] = f"http://pictures.example.com/{asin}.jpg"
    if not dice.chance(NO_BRAND):
        record["brand"] = brand
    record["categories"] = [[store.department.label, *shelf.path]]
    if not dice.chance(NO_DESCRIPTION):
        slots |= {"word": word.lower(), "other": other.lower(), "noun": noun.lower(), "shelf": shelf.path[-1].lower()}
        slots["material"] = dice.pick(store.department.materials)
        lines = [dice.pick(OPENINGS), dice.pick(THEME_LINES), dice.pick(CLOSINGS)]
        record["description"] = " ".join(line.format(**slots) for line in lines)
    record["salesRank"] = {store.department.label: 37 * rank + 11}
    if dice.chance(HAS_RELATED):
        # Viewed, not bought: neighbours on the shelf, so that nothing of the order of purchases leaks out.
        neighbours = dice.shuffled(shelves[items.shelf[number]])[:4]
        record["related"] = {"also_viewed": [str(items.asins[each]) for each in neighbours if each != number]}
    return record
