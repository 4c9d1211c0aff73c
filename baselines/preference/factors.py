"""Matrix factorisation for ratings (Koren, Bell and Volinsky, Computer 2009), trained by Cornac's ``MF``.

    r(u, i) = m + b_u + b_i + p_u . q_i                                                  (Eq. 4 with the mean m)
    L = sum over the training ratings of
        (r - r(u, i))^2 + regularisation (b_u^2 + b_i^2 + |p_u|^2 + |q_i|^2)             (Eq. 5)

by stochastic gradient descent with batches of one rating. Cornac visits the ratings in the given order, so they are
shuffled here instead of sorted by user. Its early stopping uses the training loss; here epoch and regularisation, one
of ``REGULARISATIONS``, are chosen by the squared error on validation. All epochs are run: factors still grow from small
values long after the biases have converged, so the error may rise before it falls again.

A user or item without a training rating has no bias and no factors; its terms are left out, as in Cornac.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from cornac.data import Dataset
from cornac.models import MF
from safetensors.numpy import load_file, save_file

from baselines.learning.files import reading
from baselines.preference.averages import TASK, Ratings, clipped
from unimp_bench.contracts import FitData, Parameters, Rater, Training
from unimp_bench.corpus import Items
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.kinds.early_stopping import read_training, write_training
from unimp_bench.kinds.rating import RatingExamples
from unimp_bench.progress import training
from unimp_bench.records import FloatArray, IntArray
from unimp_bench.settings import Count, Rate

FILE = "factors.safetensors"
REGULARISATIONS = (0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class RatingMFConfig:
    """Settings of the factorisation.

    Attributes:
        width: number of factors (Cornac's default).
        learning_rate: of gradient descent (Cornac's default).
        epochs: number of passes over the training ratings; the best epoch is kept.
    """

    width: Count = 10
    learning_rate: Rate = 0.01
    epochs: Count = 200


@dataclass(frozen=True)
class Factors:
    """The parameters; zero for users and items without a training rating.

    Attributes:
        mean: (1,) mean of the training ratings.
        users, items: (users, width) and (items, width) factors.
        user_biases, item_biases: (users,) and (items,).
    """

    mean: FloatArray
    users: FloatArray
    items: FloatArray
    user_biases: FloatArray
    item_biases: FloatArray

    def ratings(self, examples: RatingExamples) -> FloatArray:
        """(n,) predicted ratings, clipped to the scale of the examples."""
        users, items = examples.users, examples.shown.items
        agreement = (self.users[users] * self.items[items]).sum(axis=1)
        return clipped(self.mean + self.user_biases[users] + self.item_biases[items] + agreement, examples)

    def squared_error(self, examples: RatingExamples) -> float:
        """Sum of squared errors over examples with targets."""
        return float(((self.ratings(examples) - examples.ratings).astype(np.float64) ** 2).sum())


class RatingMF(Rater[RatingMFConfig]):
    """See the module."""

    Config = RatingMFConfig
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {"width": (5, 10, 20, 50), "learning_rate": (0.003, 0.01, 0.03)}

    def fit(self, data: FitData) -> None:
        examples = data.examples[TASK]
        ratings = Ratings.of(examples.train.histories)
        if not len(ratings):
            raise UsageError("the training part of this corpus has no ratings; choose another corpus")
        trainer = _Trainer(ratings, examples.train.histories.users, len(data.items), data.seed, self.config)
        tried = []
        with training("rating-mf", len(REGULARISATIONS), unit="regularisation") as shown:
            for number, regularisation in enumerate(REGULARISATIONS, 1):
                tried.append(trainer.best(regularisation, examples.validation))
                shown.reached(number)
        shown_ratings = len(REGULARISATIONS) * self.config.epochs * len(ratings)
        self._training: Training | None = Training(shown_ratings, shown_ratings, self.config.epochs, stopped="budget")
        self._factors = min(tried, key=lambda factors: factors.squared_error(examples.validation))

    def rate(self, examples: RatingExamples) -> FloatArray:
        return self._factors.ratings(examples)

    def save(self, folder: Path) -> None:
        save_file(asdict(self._factors), folder / FILE)
        write_training(self._training, folder)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        path = folder / FILE
        with reading(path):
            self._factors = Factors(**load_file(path))
        self._training = read_training(folder)

    def parameters(self) -> Parameters:
        rows = sum(int(table.any(axis=1).sum()) for table in (self._factors.users, self._factors.items))
        numbers = rows * (self.config.width + 1)
        return Parameters(trained=numbers, total=numbers)

    def training(self) -> Training | None:
        """Of all regularisations together; each rating is a step of its own."""
        return self._training


class _Trainer:
    """Trains Cornac's model on a set of ratings, epoch by epoch."""

    def __init__(self, ratings: Ratings, users: int, items: int, seed: int, config: RatingMFConfig) -> None:
        order = np.random.default_rng(seed).permutation(len(ratings))
        self._users, user_rows = np.unique(ratings.users[order], return_inverse=True)
        self._items, item_rows = np.unique(ratings.items[order], return_inverse=True)
        self._sizes, self._seed, self._config = (users, items), seed, config
        names = [{number: row for row, number in enumerate(known.tolist())} for known in (self._users, self._items)]
        columns = (user_rows.astype(np.int64), item_rows.astype(np.int64), ratings.values[order])
        self._dataset = Dataset(len(self._users), len(self._items), *names, columns)

    def best(self, regularisation: float, validation: RatingExamples) -> Factors:
        """The factors of the epoch with the smallest validation error.

        Raises:
            ModelError: the factors are not finite.
        """
        settings = {"k": self._config.width, "learning_rate": self._config.learning_rate, "seed": self._seed}
        parts: dict[str, FloatArray] = {}
        best, lowest = None, np.inf
        for _ in range(self._config.epochs):
            model = MF(**settings, lambda_reg=regularisation, max_iter=1, init_params=parts).fit(self._dataset)
            parts = {"U": model.u_factors, "V": model.i_factors, "Bu": model.u_biases, "Bi": model.i_biases}
            factors = self._factors(parts)
            error = factors.squared_error(validation)
            if error < lowest:
                best, lowest = factors, error
        if best is None:
            raise ModelError("rating-mf: the factors are not finite; try a smaller learning_rate")
        return best

    def _factors(self, parts: Mapping[str, FloatArray]) -> Factors:
        """The current factors, as tables over all users and items of the corpus."""
        users, items = self._sizes
        return Factors(
            np.array([self._dataset.global_mean], np.float32),
            _scattered(parts["U"], self._users, users),
            _scattered(parts["V"], self._items, items),
            _scattered(parts["Bu"], self._users, users),
            _scattered(parts["Bi"], self._items, items),
        )


def _scattered(rows: FloatArray, numbers: IntArray, size: int) -> FloatArray:
    """A table of ``size`` rows, zero except for the given rows; a copy, since Cornac updates its arrays in place."""
    table = np.zeros((size, *rows.shape[1:]), dtype=np.float32)
    table[numbers] = rows
    return table
