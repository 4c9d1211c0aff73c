"""The sentence of someone of the same mind: the sample's reviewers speak of what they truly like in an item.

A happy reviewer speaks of the features that please, an unhappy one of those that do not, one in between of both. So
what can be known of an explanation is its probable tone and the features that it may speak of; not which of them, and
not the words. The answer is the most typical training sentence (``baselines.explanation.typical``) of those who wrote
in that tone and had the same features to speak of, whoever they were, on whatever item: a ceiling of content, not of
wording.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baselines.explanation.typical import typical_sentences
from baselines.oracle.truth import Truth
from baselines.rating_truth import TASTES, star_probabilities
from unimp_bench.records import Examples, FloatArray, IntArray

SENTENCES = "opinions.json"

FEATURES = (*TASTES, "price")
PRICE_LIKED, PRICE_DISLIKED = 0.6, 1.4
"""Distances from the purse below and above which a shopper speaks well or ill of the price."""

_SETS = 2 ** len(FEATURES)
_BAD, _MIXED, _GOOD = range(3)
_TONE_OF_STARS = np.array([_BAD, _BAD, _MIXED, _GOOD, _GOOD])


@dataclass(frozen=True)
class Opinions:
    """A sentence for every mind.

    Attributes:
        sentences: all that are given.
        numbers: (minds,) which of them each mind gets.
    """

    sentences: Sequence[str]
    numbers: IntArray

    @classmethod
    def of(cls, truth: Truth, train: Examples) -> Opinions:
        """The most typical of the training sentences; a mind that nobody had gets that of its tone."""
        assert train.texts is not None and train.targets is not None
        # In the training part a history ends right before the target, so the next rating is the target's.
        stars = train.histories.ratings[train.ends].astype(np.int64)
        own = minds(_TONE_OF_STARS[stars - 1], opinions(truth, train.users, train.targets))
        written = train.texts.read()
        every = np.arange(3 * _SETS**2)
        chosen = typical_sentences(written, own, [np.zeros_like(every), every // _SETS**2, every])
        kept, numbers = np.unique(chosen, return_inverse=True)
        return cls([written[number] for number in kept], numbers)

    @classmethod
    def load(cls, folder: Path) -> Opinions:
        """What ``save`` wrote."""
        sentences = json.loads((folder / SENTENCES).read_text(encoding="utf-8"))
        return cls(sentences, np.load(folder / "numbers.npy", allow_pickle=False))

    def save(self, folder: Path) -> None:
        """Write to a folder that is there."""
        (folder / SENTENCES).write_text(json.dumps(self.sentences), encoding="utf-8")
        np.save(folder / "numbers.npy", self.numbers, allow_pickle=False)

    def write(self, truth: Truth, examples: Examples) -> list[str]:
        """A sentence in the likeliest tone for each example."""
        assert examples.shown is not None
        users, items = examples.users, examples.shown.items
        stars = star_probabilities(truth, users, items)
        tones = np.stack([stars[:, tone == _TONE_OF_STARS].sum(axis=1) for tone in (_BAD, _MIXED, _GOOD)]).argmax(
            axis=0
        )
        return [self.sentences[number] for number in self.numbers[minds(tones, opinions(truth, users, items))]]


def opinions(truth: Truth, users: IntArray, items: IntArray) -> FloatArray:
    """(n, features): above 0 where the user likes it in the item, below 0 where not."""
    tastes = [truth[f"user_{taste}"][users, truth[f"item_{taste}"][items]] for taste in TASTES]
    distance = np.abs(truth["item_dearness"][items] - truth["user_purse"][users])
    price = (distance < PRICE_LIKED).astype(np.float64) - (distance > PRICE_DISLIKED)
    return np.stack([*tastes, price], axis=1)


def minds(tones: IntArray, opinions: FloatArray) -> IntArray:
    """(n,) a number for each tone with the features that someone in it speaks of: liked ones, disliked ones."""
    bits = 2 ** np.arange(len(FEATURES))
    likes = np.where(tones == _BAD, 0, (opinions > 0) @ bits)
    dislikes = np.where(tones == _GOOD, 0, (opinions < 0) @ bits)
    numbers: IntArray = (tones * _SETS + likes) * _SETS + dislikes
    return numbers
