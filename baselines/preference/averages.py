"""Ratings from averages.

With the global mean ``m`` of the training ratings, item offsets ``b_i`` and user offsets ``c_u``,

    global-mean  m                item-mean  m + b_i                bias  m + b_i + c_u

clipped to the scale. ``constant-median`` and ``constant-mode`` predict one rating for all, as the global mean does. Of
all constants the mean has the smallest squared error over the training ratings, the median the smallest absolute error,
and the mode the most exact hits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TypeVar

import numpy as np
from scipy import sparse

from unimp_bench.contracts import FitData, NoOptions, Parameters, Rater, TaskExamples
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError
from unimp_bench.kinds.rating import RatingExamples
from unimp_bench.ragged import spans
from unimp_bench.records import Examples, FloatArray, Histories, IntArray

TASK = "preference"
DAMPINGS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Candidate numbers of pseudo-ratings, equal to the mean, added per item or user; validation chooses by squared error.
They shrink the offsets of items and users with few ratings towards 0."""

DampingT = TypeVar("DampingT")


class GlobalMean(Rater[NoOptions]):
    """Predicts the mean of all training ratings."""

    Config = NoOptions

    def fit(self, data: FitData) -> None:
        ratings = Ratings.of(data.examples[TASK].train.histories)
        if not len(ratings):
            raise UsageError("the training part of this corpus has no ratings; choose another corpus")
        self._mean = self._centre(ratings.values)
        self._offsets: FloatArray = np.zeros(len(data.items))
        self._fit_offsets(ratings, data.examples[TASK])

    def save(self, folder: Path) -> None:
        np.save(folder / "mean.npy", np.array(self._mean), allow_pickle=False)
        np.save(folder / "offsets.npy", self._offsets, allow_pickle=False)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._mean = float(np.load(folder / "mean.npy", allow_pickle=False))
        self._offsets = np.load(folder / "offsets.npy", allow_pickle=False)

    def parameters(self) -> Parameters:
        """The constant, and the offsets that are not zero."""
        return Parameters(total=1 + int(np.count_nonzero(self._offsets)))

    def rate(self, examples: RatingExamples) -> FloatArray:
        return clipped(self._mean + self._offsets[examples.shown.items], examples)

    def _centre(self, ratings: FloatArray) -> float:
        """The rating without offsets, from all training ratings (n,)."""
        return float(ratings.mean())

    def _fit_offsets(self, ratings: Ratings, examples: TaskExamples[RatingExamples]) -> None:
        """Fit the item offsets; a constant has none."""

    def _squared_error(self, validation: RatingExamples) -> float:
        return float(((self.rate(validation) - validation.ratings) ** 2).sum())


class ConstantMedian(GlobalMean):
    """Predicts the median of all training ratings, the mean of the two middle ones where their number is even."""

    def _centre(self, ratings: FloatArray) -> float:
        return float(np.median(ratings))


class ConstantMode(GlobalMean):
    """Predicts the most frequent training rating, the highest of several: in most stores it is "always 5"."""

    def _centre(self, ratings: FloatArray) -> float:
        values, counts = np.unique(ratings, return_counts=True)
        return float(values[counts == counts.max()][-1])


class ItemMean(GlobalMean):
    """The mean of the item's training ratings, damped: ``b_i = sum(r - m) / (n_i + damping)``."""

    def _fit_offsets(self, ratings: Ratings, examples: TaskExamples[RatingExamples]) -> None:
        above = np.bincount(ratings.items, ratings.values - self._mean, minlength=len(self._offsets))
        counts = np.bincount(ratings.items, minlength=len(self._offsets))

        def error(damping: float) -> float:
            self._offsets = above / (counts + damping)
            return self._squared_error(examples.validation)

        error(_best(DAMPINGS, error))


class Bias(GlobalMean):
    """Offsets of items and users that together minimise the damped squared error over the training ratings:

        sum (r - m - b_i - c_u)^2 + item damping * sum b_i^2 + user damping * sum c_u^2

    (Koren, Bell and Volinsky, 2009, Eq. 3 and 4, with separate damping of items and users.) Item offsets are stored. A
    user offset is computed from the ratings in the history of an example by the same equation, so new users have one
    too, and the history of a test example includes the validation rating.
    """

    def save(self, folder: Path) -> None:
        super().save(folder)
        np.save(folder / "damping.npy", np.array(self._user_damping), allow_pickle=False)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        super().load(folder, items, cache)
        self._user_damping = float(np.load(folder / "damping.npy", allow_pickle=False))

    def rate(self, examples: RatingExamples) -> FloatArray:
        offsets = self._offsets[examples.shown.items] + self._user_offsets(examples)
        return clipped(self._mean + offsets, examples)

    def _fit_offsets(self, ratings: Ratings, examples: TaskExamples[RatingExamples]) -> None:
        def error(dampings: tuple[float, float]) -> float:
            self._user_damping, item_damping = dampings
            self._offsets = item_offsets(
                ratings, self._mean, len(self._offsets), user_damping=self._user_damping, item_damping=item_damping
            )
            return self._squared_error(examples.validation)

        error(_best(product(DAMPINGS, DAMPINGS), error))

    def _user_offsets(self, examples: Examples) -> FloatArray:
        """(n,) user offsets ``c_u = sum(r - m - b_i) / (n_u + damping)`` over the rated items of each history."""
        owners, rows = spans(examples.starts(), examples.ends)
        ratings = examples.histories.ratings[rows].astype(np.float64)
        above = ratings - self._mean - self._offsets[examples.histories.items[rows]]
        rated = ~np.isnan(ratings)
        sums = np.bincount(owners[rated], above[rated], minlength=len(examples))
        counts = np.bincount(owners[rated], minlength=len(examples))
        offsets: FloatArray = sums / (counts + self._user_damping)
        return offsets


@dataclass(frozen=True)
class Ratings:
    """The rated interactions of some histories, as columns (ratings,)."""

    users: IntArray
    items: IntArray
    values: FloatArray

    @classmethod
    def of(cls, histories: Histories) -> Ratings:
        """All rated interactions, including a user's first."""
        rated = np.flatnonzero(~np.isnan(histories.ratings))
        users = np.repeat(np.arange(histories.users), histories.lengths())
        return cls(users[rated], histories.items[rated], histories.ratings[rated].astype(np.float64))

    def __len__(self) -> int:
        return len(self.values)


def item_offsets(ratings: Ratings, mean: float, items: int, *, user_damping: float, item_damping: float) -> FloatArray:
    """(items,) item offsets of the damped least-squares solution, by conjugate gradients on the normal equations."""
    users = int(ratings.users.max()) + 1
    rows = np.tile(np.arange(len(ratings)), 2)
    columns = np.concatenate([ratings.items, items + ratings.users])
    design = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(ratings), items + users))
    damping = np.repeat([item_damping, user_damping], [items, users])
    equations = (design.T @ design + sparse.diags_array(damping)).tocsr()
    scale = sparse.diags_array(1 / equations.diagonal())
    solution, unfinished = sparse.linalg.cg(equations, design.T @ (ratings.values - mean), rtol=1e-8, M=scale)
    if unfinished:
        raise ArithmeticError("the equations of the rating offsets were not solved")
    offsets: FloatArray = solution[:items]
    return offsets


def _best(dampings: Iterable[DampingT], error: Callable[[DampingT], float]) -> DampingT:
    """The first damping with the smallest error."""
    return min(dampings, key=error)


def clipped(ratings: FloatArray, examples: RatingExamples) -> FloatArray:
    """Ratings clipped to the scale of the examples, (n,)."""
    lowest, highest, _ = examples.scale
    within: FloatArray = np.clip(ratings, lowest, highest)
    return within
