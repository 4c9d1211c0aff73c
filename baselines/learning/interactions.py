"""The training part with users and items renumbered without gaps, as rows of embedding tables; negative sampling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy import sparse

from baselines.learning.files import reading
from unimp_bench.errors import DataError, UsageError
from unimp_bench.ragged import Ragged
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray

TASK = "recommendation"
"""The task that the training part belongs to by default."""

FILE = "interactions.safetensors"
"""File name in the folder of a saved model."""


@dataclass(frozen=True)
class Interactions:
    """Training interactions of U users with I items, renumbered as rows 0..U-1 and 0..I-1.

    Attributes:
        users: (U,) sorted corpus numbers of the users with a training interaction.
        items: (I,) sorted corpus numbers of the items that may be targets, whether seen in training or not.
        sequences: (U rows) int64 item rows of each user, in time order.
    """

    users: IntArray
    items: IntArray
    sequences: Ragged

    @classmethod
    def of(cls, examples: Examples, catalogue: IntArray) -> Interactions:
        """Build from the training examples of a task.

        Raises:
            DataError: there is no training interaction, or one with an item outside the catalogue.
        """
        histories = examples.histories
        lengths = histories.lengths()
        users = np.flatnonzero(lengths)
        if not len(users):
            raise DataError("the training part has no interaction; there is nothing to learn from")
        items = np.asarray(catalogue, dtype=np.int64)
        rows, known = rows_of(items, np.asarray(histories.items))
        if not known.all():
            item = int(histories.items[~known][0])
            raise DataError(f"item {item} of the training part is not in the catalogue; build the corpus again")
        return cls(users, items, Ragged.of_lengths(lengths[users], rows))

    @classmethod
    def read(cls, folder: Path) -> Interactions:
        """Read from the file written by ``write``.

        Raises:
            DataError: the file is missing or damaged.
        """
        path = folder / FILE
        with reading(path):
            arrays = load_file(path)
            if "catalogue" in arrays:  # the former format of RecBole models, one row per interaction
                users, owners = np.unique(arrays["user_numbers"].astype(np.int64), return_inverse=True)
                items = arrays["catalogue"].astype(np.int64)
                return cls(users, items, Ragged.grouped(owners, len(users), rows_of(items, arrays["item_numbers"])[0]))
            return cls(arrays["users"], arrays["items"], Ragged(arrays["offsets"], arrays["sequence"]))

    def write(self, folder: Path) -> None:
        """Write to ``FILE`` in a folder."""
        sequences = {"offsets": self.sequences.offsets, "sequence": self.sequences.values}
        save_file({"users": self.users, "items": self.items} | sequences, folder / FILE)

    def __len__(self) -> int:
        return len(self.sequences.values)

    @cached_property
    def owners(self) -> IntArray:
        """(n,) int64 user row of each interaction."""
        return self.sequences.owners()

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """The user-item matrix, (U, I) float32, 1 for one or more interactions."""
        return occurrences(self.owners, self.sequences.values, (len(self.users), len(self.items)))

    def user_rows(self, numbers: IntArray) -> IntArray:
        """Rows of corpus users.

        Raises:
            UsageError: one of them has no training interaction.
        """
        rows, known = rows_of(self.users, numbers)
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
        rows, known = rows_of(self.items, numbers)
        if not known.all():
            raise UsageError(f"item {int(numbers[~known][0])} was not in the catalogue that this model was fitted on")
        return rows

    def columns(self, scores: FloatArray, catalogue: IntArray) -> FloatArray:
        """Select the columns of corpus items ``catalogue`` from scores of all items (n, I): (n, catalogue).

        Raises:
            UsageError: one of them is not in the catalogue of the fit.
        """
        return scores if np.array_equal(catalogue, self.items) else scores[:, self.item_rows(catalogue)]


def rows_of(known: IntArray, numbers: IntArray) -> tuple[IntArray, BoolArray]:
    """Index of each number in the sorted ``known``, int64, and whether it occurs there; both of the same shape."""
    rows = np.minimum(np.searchsorted(known, numbers), len(known) - 1).astype(np.int64)
    return rows, known[rows] == numbers


def occurrences(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> sparse.csr_array:
    """A float32 matrix with a 1 at each (row, column) pair that occurs once or more."""
    keys = np.unique(rows * shape[1] + columns)
    return sparse.csr_array((np.ones(len(keys), dtype=np.float32), np.divmod(keys, shape[1])), shape=shape)


class NegativeSampler:
    """Draws uniformly among the items without a training interaction of the user.

    Raises:
        UsageError: a user has interacted with every item, so there is no negative.
    """

    def __init__(self, interactions: Interactions) -> None:
        self._items = len(interactions.items)
        known = Ragged(interactions.matrix.indptr, interactions.matrix.indices)
        if known.lengths().max() >= self._items:
            raise UsageError("a user has interacted with every item of the catalogue, so there is no negative to draw")
        self._known = known.owners() * self._items + known.values  # sorted: canonical CSR

    def draw(self, users: IntArray, rng: np.random.Generator) -> IntArray:
        """One negative per entry of ``users`` (user rows, any shape), int64 item rows of the same shape."""
        flat = np.ravel(users)
        drawn = rng.integers(self._items, size=len(flat))
        left = np.flatnonzero(self._is_known(flat, drawn))
        while len(left):
            drawn[left] = rng.integers(self._items, size=len(left))
            left = left[self._is_known(flat[left], drawn[left])]
        return drawn.reshape(np.shape(users))

    def _is_known(self, users: IntArray, items: IntArray) -> BoolArray:
        return rows_of(self._known, users * self._items + items)[1]
