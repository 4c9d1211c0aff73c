"""The oracle: optimal predictions for every kind of task from the ground truth of the sample."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from scipy.special import ndtr

from baselines.explanation.typical import TASK as EXPLANATION
from baselines.explanation.typical import typical_sentences
from baselines.oracle.choices import PICTURE_TASTES, TEXT_TASTES, Choices, Truth, best_selections, read_truth
from unimp_bench.contracts import FitData, Painter, Ranker, Rater, Selector, Writer
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError
from unimp_bench.kinds.picture import PictureExamples
from unimp_bench.kinds.rating import RatingExamples
from unimp_bench.kinds.selection import SelectionExamples
from unimp_bench.kinds.text import TextExamples
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray

IMPOSSIBLE = -1e4
"""Score of an impossible item: finite, below all log-probabilities."""

_BLOCK = 256

TASTES = ("colour", "shape", "pattern", "theme")
SENTENCES = "opinions.json"

FEATURES = (*TASTES, "price")
PRICE_LIKED, PRICE_DISLIKED = 0.6, 1.4
"""A user likes a price closer to its budget than the first distance, and dislikes one farther than the second."""

_SETS = 2 ** len(FEATURES)
_BAD, _MIXED, _GOOD = range(3)
_TONE_OF_STARS = np.array([_BAD, _BAD, _MIXED, _GOOD, _GOOD])


@dataclass(frozen=True)
class OracleConfig:
    """Settings.

    Attributes:
        hide: information to withhold: every user's taste for pictures or themes, or the order of purchases. It is
            replaced by the expectation over the users of the domain, or over the last items.
        rating: statistic of the true distribution of a rating: the mean minimises the squared error, the median the
            absolute error.
    """

    hide: Literal["nothing", "pictures", "text", "order"] = "nothing"
    rating: Literal["mean", "median"] = "mean"


class Oracle(
    Ranker[OracleConfig], Rater[OracleConfig], Writer[OracleConfig], Selector[OracleConfig], Painter[OracleConfig]
):
    """Ranks by the probability of the next purchase (in search given the queried category), rates by the true
    distribution, selects the set with the highest expected F1, paints the picture of the most probable item, and
    explains with the typical sentence of the most probable opinion.
    """

    Config = OracleConfig
    presets: ClassVar[Mapping[str, OracleConfig]] = {
        "full": OracleConfig(),
        "no-pictures": OracleConfig(hide="pictures"),
        "no-text": OracleConfig(hide="text"),
        "no-order": OracleConfig(hide="order"),
        "median": OracleConfig(rating="median"),
    }

    def __init__(self, config: OracleConfig) -> None:
        super().__init__(config)
        self._opinions: Opinions | None = None

    def fit(self, data: FitData) -> None:
        self._open(data.items)
        if EXPLANATION in data.examples:
            self._opinions = Opinions.of(self._truth, data.examples[EXPLANATION].train)

    def save(self, folder: Path) -> None:
        """Only the sentences are stored, if any: the ground truth is in the corpus."""
        if self._opinions is not None:
            self._opinions.save(folder)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._open(items)
        if (folder / SENTENCES).is_file():
            self._opinions = Opinions.load(folder)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            logs = np.log(self.probabilities(examples)[:, catalogue])
        scores: FloatArray = np.maximum(logs, IMPOSSIBLE)
        return scores

    def rate(self, examples: RatingExamples) -> FloatArray:
        probabilities = star_probabilities(self._truth, examples.users, examples.shown.items)
        return {"mean": expected_stars, "median": median_stars}[self.config.rating](probabilities)

    def write(self, examples: TextExamples) -> list[str]:
        if self._opinions is None:
            raise UsageError("this oracle was fitted without sentences; fit it on explanation")
        return self._opinions.write(self._truth, examples)

    def choose(self, examples: SelectionExamples) -> BoolArray:
        sizes = np.bincount(self._truth["item_domain"])[self._truth["user_domain"][examples.users]]
        return best_selections(self._choices, examples, sizes)

    def paint(self, examples: PictureExamples) -> IntArray:
        """The codes of the most probable item with a picture."""
        pictured = examples.pictures.rows >= 0
        best = [np.where(pictured, self.probabilities(block), -1.0).argmax(axis=1) for block in examples.blocks(_BLOCK)]
        return examples.pictures.of(np.concatenate(best))

    def probabilities(self, examples: Examples) -> FloatArray:
        """(examples, items) float64 probability of each item of the corpus to be bought next; rows sum to 1."""
        return self._choices.of_examples(examples)

    def _open(self, items: Items) -> None:
        hidden = {"pictures": PICTURE_TASTES, "text": TEXT_TASTES}.get(self.config.hide, ())
        self._truth = read_truth(items, hidden)
        self._choices = Choices(self._truth, items.text("category"), order=self.config.hide != "order")


@dataclass(frozen=True)
class Opinions:
    """A sentence per opinion: a tone with the features that a review in this tone may mention.

    A satisfied reviewer of the sample mentions features that please, a dissatisfied one features that displease, others
    both. So the predictable part of an explanation is the probable tone and the set of features that it may mention;
    the choice among them and the wording are random. The prediction is the most typical training sentence
    (``baselines.explanation.typical``) in that tone with the same features, from any user and item: an upper bound of
    content, not of wording.

    Attributes:
        sentences: the distinct predictions.
        numbers: (opinions,) sentence of each opinion.
    """

    sentences: Sequence[str]
    numbers: IntArray

    @classmethod
    def of(cls, truth: Truth, train: TextExamples) -> Opinions:
        """The most typical training sentence of each opinion; of the tone, for opinions without a sentence."""
        assert train.targets is not None
        # A training history ends directly before the target, so the next rating belongs to the target.
        stars = train.histories.ratings[train.ends].astype(np.int64)
        own = opinions(_TONE_OF_STARS[stars - 1], feature_tastes(truth, train.users, train.targets))
        written = train.texts.read()
        every = np.arange(3 * _SETS**2)
        chosen = typical_sentences(written, own, [np.zeros_like(every), every // _SETS**2, every])
        kept, numbers = np.unique(chosen, return_inverse=True)
        return cls([written[number] for number in kept], numbers)

    @classmethod
    def load(cls, folder: Path) -> Opinions:
        """Read the files written by ``save``."""
        sentences = json.loads((folder / SENTENCES).read_text(encoding="utf-8"))
        return cls(sentences, np.load(folder / "numbers.npy", allow_pickle=False))

    def save(self, folder: Path) -> None:
        """Write to an existing folder."""
        (folder / SENTENCES).write_text(json.dumps(self.sentences), encoding="utf-8")
        np.save(folder / "numbers.npy", self.numbers, allow_pickle=False)

    def write(self, truth: Truth, examples: TextExamples) -> list[str]:
        """The sentence of the most probable tone for each example."""
        users, items = examples.users, examples.shown.items
        stars = star_probabilities(truth, users, items)
        tones = [stars[:, tone == _TONE_OF_STARS].sum(axis=1) for tone in (_BAD, _MIXED, _GOOD)]
        own = opinions(np.stack(tones).argmax(axis=0), feature_tastes(truth, users, items))
        return [self.sentences[number] for number in self.numbers[own]]


def feature_tastes(truth: Truth, users: IntArray, items: IntArray) -> FloatArray:
    """(n, features), positive if the user likes the feature of the item, negative if not."""
    tastes = [truth[f"user_{taste}"][users, truth[f"item_{taste}"][items]] for taste in TASTES]
    distance = np.abs(truth["item_dearness"][items] - truth["user_purse"][users])
    price = (distance < PRICE_LIKED).astype(np.float64) - (distance > PRICE_DISLIKED)
    return np.stack([*tastes, price], axis=1)


def opinions(tones: IntArray, tastes: FloatArray) -> IntArray:
    """(n,) opinion numbers, from a tone and the features that it may mention, liked or disliked."""
    bits = 2 ** np.arange(len(FEATURES))
    likes = np.where(tones == _BAD, 0, (tastes > 0) @ bits)
    dislikes = np.where(tones == _GOOD, 0, (tastes < 0) @ bits)
    numbers: IntArray = (tones * _SETS + likes) * _SETS + dislikes
    return numbers


def star_probabilities(truth: Mapping[str, np.ndarray], users: IntArray, items: IntArray) -> FloatArray:
    """Probabilities of one, two, ... five stars, (pairs, 5) float64; rows sum to 1.

    A rating discretises a normally distributed satisfaction into stars (``docs/sample.md``), independent of time.

    Args:
        truth: the arrays of the corpus's ``truth`` folder, by name.
        users, items: (pairs,) corpus numbers; user and item of a pair belong to the same domain.
    """
    distance = truth["item_dearness"][items] - truth["user_purse"][users]
    liking = sum(truth[f"user_{taste}"][users, truth[f"item_{taste}"][items]] for taste in TASTES)
    liking = liking - truth["price_weight"] * distance**2
    standard = (liking - truth["user_liking_mean"][users]) / truth["user_liking_spread"][users]
    known = truth["liking_weight"] * standard + truth["user_leniency"][users] + truth["item_quality"][items]
    below = ndtr((truth["star_cut"][None, :] - known[:, None]) / truth["noise_spread"])
    edges = np.concatenate([np.zeros((len(below), 1)), below, np.ones((len(below), 1))], axis=1)
    probabilities: FloatArray = np.diff(edges, axis=1)
    return probabilities


def expected_stars(probabilities: FloatArray) -> FloatArray:
    """(pairs,) mean of each row of ``star_probabilities``, which minimises the expected squared error."""
    stars: FloatArray = probabilities @ np.arange(1, probabilities.shape[1] + 1)
    return stars


def median_stars(probabilities: FloatArray) -> FloatArray:
    """(pairs,) median of each row of ``star_probabilities``, which minimises the expected absolute error."""
    medians: FloatArray = 1.0 + (np.cumsum(probabilities, axis=1) < 0.5).sum(axis=1)
    return medians
