"""The training part, renumbered without gaps: users and items of a fit as rows of tables."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy import sparse

from baselines.learning.reading import reading
from unimp_bench.errors import DataError, UsageError
from unimp_bench.records import Examples, IntArray

TASK = "recommendation"
"""The task whose training part it is."""

FILE = "interactions.safetensors"
"""Where in its folder a saved model keeps it."""


@dataclass(frozen=True)
class Interactions:
    """Training interactions of U users with I items; users and items are rows 0..U-1 and 0..I-1 here.

    Attributes:
        users: (U,) sorted corpus numbers of the users with a training interaction.
        items: (I,) sorted corpus numbers of the items that may be answers, seen in training or not.
        offsets: (U + 1,) int64; user row ``u`` owns ``sequence[offsets[u]:offsets[u + 1]]``.
        sequence: (n,) int64 item rows, each user's in time order.
    """

    users: IntArray
    items: IntArray
    offsets: IntArray
    sequence: IntArray

    @classmethod
    def of(cls, examples: Examples, catalogue: IntArray) -> Interactions:
        """From the training examples of a task.

        Raises:
            DataError: there is no training interaction, or one with an item outside the catalogue.
        """
        histories = examples.histories
        lengths = histories.lengths()
        users = np.flatnonzero(lengths)
        if not len(users):
            raise DataError("the training part has no interaction; there is nothing to learn from")
        items = np.asarray(catalogue, dtype=np.int64)
        sequence, known = _rows(items, np.asarray(histories.items))
        if not known.all():
            item = int(histories.items[~known][0])
            raise DataError(f"item {item} of the training part is not in the catalogue; build the corpus again")
        return cls(users, items, np.concatenate([[0], np.cumsum(lengths[users])]), sequence)

    @classmethod
    def read(cls, folder: Path) -> Interactions:
        """What ``write`` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        path = folder / FILE
        with reading(path):
            return cls(**load_file(path))

    def write(self, folder: Path) -> None:
        """To ``FILE`` in a folder."""
        save_file({field.name: getattr(self, field.name) for field in fields(self)}, folder / FILE)

    def __len__(self) -> int:
        return len(self.sequence)

    @cached_property
    def owners(self) -> IntArray:
        """(n,) int64 user row of each interaction."""
        return np.repeat(np.arange(len(self.users)), np.diff(self.offsets))

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """Who interacted with what, (U, I) float32, 1 where a user did, however often."""
        shape = (len(self.users), len(self.items))
        keys = np.unique(self.owners * shape[1] + self.sequence)
        ones = np.ones(len(keys), dtype=np.float32)
        return sparse.csr_array((ones, np.divmod(keys, shape[1])), shape=shape)

    def user_rows(self, numbers: IntArray) -> IntArray:
        """Rows of corpus users.

        Raises:
            UsageError: one of them has no training interaction.
        """
        rows, known = _rows(self.users, numbers)
        if not known.all():
            raise UsageError(
                f"user {int(numbers[~known][0])} has no training interaction; this model cannot score new users"
            )
        return rows

    def item_rows(self, numbers: IntArray) -> IntArray:
        """Rows of corpus items, same shape.

        Raises:
            UsageError: one of them is not in the catalogue of the fit.
        """
        rows, known = _rows(self.items, numbers)
        if not known.all():
            raise UsageError(f"item {int(numbers[~known][0])} was not in the catalogue that this model was fitted on")
        return rows


def _rows(known: IntArray, numbers: IntArray) -> tuple[IntArray, IntArray]:
    """Place of each number among the sorted ``known`` ones, int64, and whether it is there."""
    places = np.minimum(np.searchsorted(known, numbers), len(known) - 1).astype(np.int64)
    return places, known[places] == numbers
