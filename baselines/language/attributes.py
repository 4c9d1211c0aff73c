"""What prompts say of an item beside its id, in a few words."""

from __future__ import annotations

import html

from unimp_bench.corpus import Items
from unimp_bench.corpus.reader import PATH_SEPARATOR
from unimp_bench.records import IntArray

ATTRIBUTES = ("title", "category", "brand", "price")


def item_attributes(items: Items, catalogue: IntArray, most_words: int) -> list[str]:
    """Title, category, brand and price of the given items, those that each has, on one line each.

    Args:
        most_words: of each attribute, from its beginning; of a category, of the narrowest one on its path.
    """
    columns = [items.text(name) for name in ATTRIBUTES if name in items.attributes]
    return [" ".join(word for column in columns for word in _words(column[item])[:most_words]) for item in catalogue]


def _words(value: str) -> list[str]:
    return html.unescape(value).split(PATH_SEPARATOR)[-1].split()
