"""The true answers to prompts, in tokens; and the items that a prompt puts up for choice."""

from __future__ import annotations

import math
import re

import numpy as np

from baselines.language.book import Book
from baselines.language.facts import LanguageFacts
from baselines.language.phrases import Phrases, join
from baselines.language.prompts import NO, YES, Answer
from baselines.language.settings import LanguageSettings
from unimp_bench.kinds.rendering import rating_words as plain_rating
from unimp_bench.records import Examples, FloatArray, IntArray, Shown

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,15}(?: ?\. ?[0-9]{0,15})?|\.[0-9]{1,15})")
"""A rating as text; a tokenizer may write spaces around the point."""


class Answers:
    """Answers to examples whose targets are known."""

    def __init__(self, facts: LanguageFacts, book: Book, settings: LanguageSettings) -> None:
        self._facts, self._book, self._settings = facts, book, settings

    def to(
        self, kind: Answer, examples: Examples, shown: Shown | None, sentences: Phrases | None, rng: np.random.Generator
    ) -> tuple[Shown | None, Phrases]:
        """What the prompts show, and their answers.

        Args:
            shown: item rows that the examples show.
            sentences: (n,) for ``sentence``.
        """
        if kind == "rating":
            return shown, self._ratings(examples, rng)
        if kind == "sentence":
            assert sentences is not None
            return shown, sentences
        if kind == "items":
            assert shown is not None and examples.suits is not None
            names = self._book.names.take(shown.items[examples.suits])
            return shown, join([(shown.owners()[examples.suits], names)], len(examples))
        assert examples.targets is not None
        targets = self._facts.ids.rows(examples.targets)
        if kind == "yes or no":
            true = rng.random(len(targets)) < 0.5
            said = np.where(true, self._book.literal(YES), self._book.literal(NO))
            return Shown.one_each(np.where(true, targets, self._others(targets, rng))), self._book.literals(said)
        options = self._options(targets, rng) if kind == "option" else shown
        return options, self._book.names.take(targets)

    def _options(self, targets: IntArray, rng: np.random.Generator) -> Shown:
        """The targets among others, in random order."""
        size = min(self._settings.options, len(self._facts.ids.catalogue))
        items = self._others(np.repeat(targets[:, None], size, axis=1), rng)
        items[np.arange(len(items)), rng.integers(size, size=len(items))] = targets
        return Shown(np.arange(len(items) + 1) * size, items.ravel())

    def _others(self, targets: IntArray, rng: np.random.Generator) -> IntArray:
        """Item rows that are not the targets, same shape."""
        size = len(self._facts.ids.catalogue)
        others: IntArray = (targets + rng.integers(1, max(size, 2), size=targets.shape)) % size
        return others

    def _ratings(self, examples: Examples, rng: np.random.Generator) -> Phrases:
        assert examples.ratings is not None and examples.scale is not None
        ratings: FloatArray = np.asarray(examples.ratings)
        decimals = 0
        if self._settings.jitter:
            ratings, decimals = jittered(ratings, examples.scale, rng)
        return self._facts.vocabulary.encode([rating_words(rating, decimals) for rating in ratings.tolist()])


def jittered(
    ratings: FloatArray, scale: tuple[float, float, float], rng: np.random.Generator
) -> tuple[FloatArray, int]:
    """Ratings drawn about the true ones, and the decimals that they have, as in the released code of P5.

    A rating stands for the finer ratings that are rounded to it: with step 1, 4 for 3.5, 3.6... 4.4, and 5 for
    4.5... 5. One is drawn from the normal distribution around their middle, a quarter of their range its deviation.
    """
    low, high, step = scale
    finest = step / 10
    lowest, highest = np.maximum(ratings - step / 2, low), np.minimum(ratings + step / 2 - finest, high)
    drawn = rng.normal((lowest + highest) / 2, np.maximum(highest - lowest, 0) / 4)
    clipped = np.clip(np.round(drawn / finest) * finest, low, high)
    return clipped, max(0, math.ceil(-math.log10(finest) - 1e-9))


def rating_words(rating: float, decimals: int) -> str:
    """A rating as it is written: ``4``, ``3.9``."""
    return f"{rating:.{decimals}f}" if decimals else plain_rating(rating)


def read_ratings(texts: list[str]) -> FloatArray:
    """The number that each text is, (n,) float64, NaN where it is none: ``4.2`` and ``4 . 2``, but not ``4 2``."""
    written = [_NUMBER.fullmatch(text.strip()) for text in texts]
    numbers = [math.nan if found is None else float(found[0].replace(" ", "")) for found in written]
    return np.array(numbers, dtype=np.float64)
