"""The numbers by which users and items are called in a text, and what the order of numbering gives away.

A number is text, ``item_1234``, so items whose numbers begin alike look alike to the model. Numbers that are given
while walking users' histories put items that were bought together side by side; where the walk goes over whole
histories, as in the released preprocessing of P5, the held-out item is often the one whose number comes next.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors.numpy import load_file, save_file

from baselines.learning.reading import reading
from unimp_bench.contracts import FitData
from unimp_bench.errors import UsageError
from unimp_bench.records import IntArray

Scheme = Literal["random", "sequential", "own", "leaky"]

_FILE = "ids.safetensors"
_ITEM = re.compile(r"(?<![a-zA-Z])item_(\d+)")  # tokens of their own stand side by side


@dataclass(frozen=True)
class Ids:
    """Numbers from 1.

    Attributes:
        catalogue: (I,) sorted corpus numbers of the items that may be answers; their places are the item rows.
        items: (I,) the number by which each is called.
        users: (all users of the corpus,) the same.
    """

    catalogue: IntArray
    items: IntArray
    users: IntArray

    @classmethod
    def of(cls, data: FitData, scheme: Scheme) -> Ids:
        """Of a fit.

        Args:
            scheme: ``random``: a permutation by the seed. ``sequential``: users in the order of the corpus, items in
                the order of their first training interaction, user by user. ``own``: as ``random``, which says nothing
                since each item is a token of its own. ``leaky``: see ``leaking_order``.
        """
        catalogue = np.asarray(data.catalogue, dtype=np.int64)
        histories = next(iter(data.examples.values())).train.histories
        rng = np.random.default_rng([data.seed, len(catalogue)])
        users = np.arange(histories.users)
        if scheme in ("random", "own"):
            return cls(catalogue, rng.permutation(len(catalogue)) + 1, rng.permutation(users) + 1)
        walked = np.asarray(histories.items) if scheme == "sequential" else leaking_order(data)
        met, first = np.unique(walked, return_index=True)
        order = np.full(len(catalogue), len(walked))
        known = np.isin(met, catalogue)
        order[np.searchsorted(catalogue, met[known])] = first[known]
        items = np.empty(len(catalogue), dtype=np.int64)
        items[np.argsort(order, kind="stable")] = np.arange(len(catalogue)) + 1
        return cls(catalogue, items, users + 1)

    @classmethod
    def read(cls, folder: Path) -> Ids:
        """What ``write`` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        path = folder / _FILE
        with reading(path):
            return cls(**load_file(path))

    def write(self, folder: Path) -> None:
        """To a file of the folder."""
        tables = {"catalogue": self.catalogue, "items": self.items, "users": self.users}
        save_file({name: np.ascontiguousarray(table) for name, table in tables.items()}, folder / _FILE)

    def rows(self, numbers: IntArray) -> IntArray:
        """Rows of corpus items, same shape.

        Raises:
            UsageError: one of them is not in the catalogue of the fit.
        """
        rows = np.minimum(np.searchsorted(self.catalogue, numbers), len(self.catalogue) - 1)
        unknown = self.catalogue[rows] != numbers
        if unknown.any():
            item = int(np.asarray(numbers)[unknown][0])
            raise UsageError(f"item {item} was not in the catalogue that this model was fitted on")
        return rows.astype(np.int64)

    def item_names(self) -> list[str]:
        """What each item row is called."""
        return [f"item_{number}" for number in self.items]

    def user_names(self) -> list[str]:
        """What each user of the corpus is called."""
        return [f"user_{number}" for number in self.users]

    def named(self, texts: list[str]) -> tuple[IntArray, IntArray]:
        """The items that texts name: the text of each, and its row; names of nothing are left out."""
        row_of = np.full(len(self.items) + 1, -1)
        row_of[self.items] = np.arange(len(self.items))
        found = [(text, int(number)) for text, line in enumerate(texts) for number in _numbers(line)]
        owners, numbers = np.array(found, dtype=np.int64).reshape(-1, 2).T
        rows = row_of[np.where(numbers < len(row_of), numbers, 0)]
        return owners[rows >= 0], rows[rows >= 0]


def _numbers(text: str) -> list[str]:
    return [number for number in _ITEM.findall(text) if len(number) < 10]


def leaking_order(data: FitData) -> IntArray:
    """Items in the order of the users' WHOLE histories: THE TEST TARGETS ARE IN IT.

    This is how the released preprocessing of P5 gives numbers, kept to show what it is worth. Nothing else may call it.
    """
    assert data.leak is not None, "the harness gives it"
    return np.asarray(data.leak().histories.items)
