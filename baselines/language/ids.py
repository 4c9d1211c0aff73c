"""Names of users and items in texts: ids, and words of an item's attributes.

An id is text, ``item_1234``, so items whose numbers start with the same digits share tokens. If numbers are assigned
along the users' histories, items bought together have close numbers; if whole histories are used, as in the released
preprocessing of P5, the held-out item often has the next number.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors.numpy import load_file, save_file

from baselines.learning.files import reading
from baselines.learning.interactions import rows_of
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.corpus.reader import PATH_SEPARATOR
from unimp_bench.errors import UsageError
from unimp_bench.records import IntArray

Scheme = Literal["random", "sequential", "own", "leaky"]

_FILE = "ids.safetensors"
_DESCRIBING = ("title", "category", "brand", "price")
_ITEM = re.compile(r"(?<![a-zA-Z])item_(\d+)")  # no space before it if ids are single tokens


@dataclass(frozen=True)
class Ids:
    """The ids of users and items, from 1.

    Attributes:
        catalogue: (I,) sorted corpus numbers of the candidate items; an item's row is its index in this array.
        items: (I,) id of each item.
        users: (all users of the corpus,) id of each user.
    """

    catalogue: IntArray
    items: IntArray
    users: IntArray

    @classmethod
    def of(cls, data: FitData, scheme: Scheme) -> Ids:
        """Assign ids for a fit.

        Args:
            scheme: ``random``: a seeded permutation. ``sequential``: users in the order of the corpus, items in the
                order of their first training interaction, user by user. ``own``: as ``random``, but each item is a
                single token. ``leaky``: see ``leaking_order``.
        """
        catalogue = np.asarray(data.catalogue, dtype=np.int64)
        histories = data.histories
        rng = np.random.default_rng([data.seed, len(catalogue)])
        users = np.arange(histories.users)
        if scheme in ("random", "own"):
            return cls(catalogue, rng.permutation(len(catalogue)) + 1, rng.permutation(users) + 1)
        sequence = np.asarray(histories.items) if scheme == "sequential" else leaking_order(data)
        distinct, first = np.unique(sequence, return_index=True)
        order = np.full(len(catalogue), len(sequence))
        known = np.isin(distinct, catalogue)
        order[np.searchsorted(catalogue, distinct[known])] = first[known]
        items = np.empty(len(catalogue), dtype=np.int64)
        items[np.argsort(order, kind="stable")] = np.arange(len(catalogue)) + 1
        return cls(catalogue, items, users + 1)

    @classmethod
    def read(cls, folder: Path) -> Ids:
        path = folder / _FILE
        with reading(path):
            return cls(**load_file(path))

    def write(self, folder: Path) -> None:
        tables = {"catalogue": self.catalogue, "items": self.items, "users": self.users}
        save_file({name: np.ascontiguousarray(table) for name, table in tables.items()}, folder / _FILE)

    def rows(self, numbers: IntArray) -> IntArray:
        """Rows of corpus items, same shape.

        Raises:
            UsageError: one of them is not in the catalogue of the fit.
        """
        rows, known = rows_of(self.catalogue, numbers)
        if not known.all():
            item = int(np.asarray(numbers)[~known][0])
            raise UsageError(f"item {item} was not in the catalogue that this model was fitted on")
        return rows

    def item_names(self) -> list[str]:
        return [f"item_{number}" for number in self.items]

    def user_names(self) -> list[str]:
        return [f"user_{number}" for number in self.users]

    def named(self, texts: list[str]) -> tuple[IntArray, IntArray]:
        """The items named in texts: text number and item row of each mention; unknown names are left out."""
        row_of = np.full(len(self.items) + 1, -1)
        row_of[self.items] = np.arange(len(self.items))
        found = [(text, int(number)) for text, line in enumerate(texts) for number in _numbers(line)]
        owners, numbers = np.array(found, dtype=np.int64).reshape(-1, 2).T
        rows = row_of[np.where(numbers < len(row_of), numbers, 0)]
        return owners[rows >= 0], rows[rows >= 0]


def _numbers(text: str) -> list[str]:
    return [number for number in _ITEM.findall(text) if len(number) < 10]


def leaking_order(data: FitData) -> IntArray:
    """Items in the order of the users' WHOLE histories, INCLUDING THE TEST TARGETS.

    The released preprocessing of P5 assigns ids in this order; implemented to measure the leak, not for other use.
    """
    assert data.leak is not None, "the harness gives it"
    return np.asarray(data.leak().histories.items)


def item_titles(items: Items, catalogue: IntArray, max_words: int) -> list[str]:
    """The first words of the title of each given item; empty without a title."""
    if "title" not in items.attributes:
        return [""] * len(catalogue)
    titles = items.text("title")
    return [" ".join(titles[item].split()[:max_words]) for item in catalogue]


def item_descriptions(items: Items, catalogue: IntArray, max_words: int) -> list[str]:
    """Title, category, brand and price of each given item, as far as it has them, on one line.

    Args:
        max_words: maximum number of words per attribute; of a category path, of its last category.
    """
    columns = [items.text(name) for name in _DESCRIBING if name in items.attributes]
    return [" ".join(word for column in columns for word in _words(column[item])[:max_words]) for item in catalogue]


def _words(value: str) -> list[str]:
    return html.unescape(value).split(PATH_SEPARATOR)[-1].split()
