"""SANCL as a model of ratings: selective attention and natural contrast over words and pictures (Han et al., COLING
2022).

How far this is a guess. SANCL ranks the reviews of one product by how helpful they are: it knows no user, no history
and no rating. The UniMP paper lists it as a baseline of preference prediction and does not say how it came to foretell
ratings. Here the product is the item to be rated, as published; where SANCL has the review to be judged, there is what
the user said of the last items before, since the review of the target would give its rating away; and the score
becomes a rating through a sigmoid on the corpus's scale, learned by its squared error in place of a ranking loss.
Encoders, selective mask, attentions, the two spaces, the eight vectors of the head and the contrast are SANCL's, with
these changes:

* A sentence is a key one where it holds a word of the item's title or category by its stem, in place of the syntactic
  root of the product's name and coreference (both from a parser).
* A review's words attend to one another within that review, and all of a user's are pooled together.
* Word vectors are trained, not GloVe's; a picture is one frozen vector of the encoder that all models here share, not
  regions of an object detector.
* The contrast masks for real, has a temperature, and sets texts against pictures, where the published code sets
  pictures against pictures (``baselines.preference.sancl_contrast``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from baselines.learning.learned import LearnedModel
from baselines.learning.training import Outcome
from baselines.preference.averages import TASK
from baselines.preference.sancl_network import Lessons, SANCLConfig, SANCLNetwork
from baselines.preference.sancl_reading import Lengths, Reader, count_words
from baselines.preference.sancl_words import Vocabulary
from unimp_bench.contracts import FitData, Rater
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.pictures import picture_vectors
from unimp_bench.errors import UsageError
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.records import Examples, FloatArray

OFFICIAL = SANCLConfig(
    epochs=10,
    patience=8,
    learning_rate=1e-4,
    batch_size=32,
    review_words=128,
    product_words=128,
    word_width=300,
    width=128,
    space=64,
    layers=3,
    encoder="ViT-L-14",
    pretrained="openai",
)

_RATED = 128


class SANCL(LearnedModel[SANCLConfig, Vocabulary, SANCLNetwork], Rater[SANCLConfig]):
    """See the module."""

    Config = SANCLConfig
    Facts = Vocabulary
    name = "sancl"
    presets: ClassVar[Mapping[str, Any]] = {"small": SANCLConfig(), "official": OFFICIAL}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "alpha": (0.0, 0.1, 0.5),
        "learning_rate": (1e-4, 5e-4, 1e-3),
        "dropout": (0.0, 0.2, 0.5),
    }

    def validated_by(self, data: FitData) -> str:
        return TASK

    def gather(self, data: FitData) -> Vocabulary:
        train = data.examples[TASK].train
        if not len(train):
            raise UsageError("the training part of this corpus has no rating with one before it; choose another corpus")
        return count_words(train.histories, data.items, self.config.vocabulary)

    def build(self, facts: Vocabulary, items: Items, cache: Path) -> SANCLNetwork:
        config = self.config
        lengths = Lengths(config.history, config.product_words, config.title_words, config.review_words)
        self._reader = Reader(facts, items, lengths)
        found = picture_vectors(items, config.encoder, config.pretrained, cache)
        pictures = np.zeros((len(items), 1), np.float32) if found is None else found.values
        pictured = np.zeros(len(items), np.bool_) if found is None else found.known
        return SANCLNetwork(
            torch.from_numpy(facts.stems),
            torch.from_numpy(np.concatenate([pictures, np.zeros_like(pictures[:1])])),
            torch.from_numpy(np.append(pictured, False)),
            self._lacks(facts, found is not None),
            config,
        )

    def learn(self, network: SANCLNetwork, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        train = data.examples[TASK].train
        assert train.ratings is not None and train.scale is not None
        lowest, highest, _ = train.scale
        network.start_at(float((train.ratings.mean() - lowest) / (highest - lowest)))
        network.lessons = Lessons(train, self._reader, self._reader.said(train.histories))
        return super().learn(network, data, validate)

    def rate(self, examples: Examples) -> FloatArray:
        assert examples.scale is not None
        network, said = self.prepared(), self._reader.said(examples.histories)
        ratings = []
        with torch.no_grad():
            for block in examples.blocks(_RATED):
                texts, pictures = network.pooled(self._reader.sides(block, said))
                ratings.append(network.ratings(texts, pictures, examples.scale).cpu().numpy())
        return np.concatenate([np.zeros(0, np.float32), *ratings])

    def _lacks(self, facts: Vocabulary, pictured: bool) -> tuple[str, ...]:
        """What a result must say of a corpus that has less than SANCL reads."""
        lacks = []
        if not facts.reviews:
            lacks.append("no reviews in this corpus: histories are ratings and the items' own texts")
        if not len(self._reader.products.words) - 1:
            lacks.append("no text in this corpus: histories are ratings")
        if not pictured:
            lacks.append("no pictures in this corpus: words and ratings alone")
        return tuple(lacks)
