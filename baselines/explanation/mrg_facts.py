"""What MRG counts in the training part: rows, words, the mean rating; and what its network learns from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baselines.explanation.mrg_words import Vocabulary
from baselines.explanation.typical import TASK
from baselines.learning.interactions import Interactions
from baselines.learning.reading import reading
from unimp_bench.contracts import FitData
from unimp_bench.records import Examples, FloatArray, IntArray

_FILE = "mean.json"


@dataclass(frozen=True)
class MRGFacts:
    """Kept with the weights.

    Attributes:
        interactions: rows of users and items.
        vocabulary: of the training sentences.
        mean: of the training ratings, mu; 0 without ratings.
    """

    interactions: Interactions
    vocabulary: Vocabulary
    mean: float

    @classmethod
    def of(cls, data: FitData, min_count: int, most: int) -> MRGFacts:
        """From the training part; without sentences, where the fit is on preference alone, there are no words."""
        train = training_part(data)
        sentences = train.texts.read() if train.texts is not None else []
        rated = train.histories.ratings[~np.isnan(train.histories.ratings)]
        return cls(
            Interactions.of(train, data.catalogue),
            Vocabulary.of(sentences, min_count, most),
            float(rated.mean(dtype=np.float64)) if len(rated) else 0.0,
        )

    @classmethod
    def read(cls, folder: Path) -> MRGFacts:
        path = folder / _FILE
        with reading(path):
            mean = float(json.loads(path.read_text(encoding="utf-8")))
        return cls(Interactions.read(folder), Vocabulary.read(folder), mean)

    def write(self, folder: Path) -> None:
        self.interactions.write(folder)
        self.vocabulary.write(folder)
        (folder / _FILE).write_text(json.dumps(self.mean), encoding="utf-8")


@dataclass(frozen=True)
class Lessons:
    """The n training interactions.

    Attributes:
        users, items: (n,) rows.
        ratings: (n,) float32, NaN for none.
        sentences: (n,) row of ``tokens``, -1 where the review explains nothing.
        tokens: (sentences, length) int32 word numbers, each sentence with its end, padded behind.
    """

    users: IntArray
    items: IntArray
    ratings: FloatArray
    sentences: IntArray
    tokens: IntArray

    @classmethod
    def of(cls, data: FitData, facts: MRGFacts, length: int) -> Lessons:
        """All of them, a user's first interaction included: it has a rating, if no sentence."""
        train, interactions = training_part(data), facts.interactions
        texts = train.texts.read() if train.texts is not None else []
        sentences = np.full(len(interactions), -1)
        sentences[train.ends[: len(texts)]] = np.arange(len(texts))  # a target stands where its history ends
        return cls(
            interactions.owners,
            interactions.sequence,
            np.asarray(train.histories.ratings),
            sentences,
            facts.vocabulary.numbers(texts, length),
        )


def training_part(data: FitData) -> Examples:
    """That of the explanations where the fit has them: the histories of all tasks are the same."""
    return data.examples[TASK if TASK in data.examples else next(iter(data.examples))].train
