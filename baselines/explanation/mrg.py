"""MRG, multi-modal review generation: a rating and a sentence from a user, an item and its picture.

Truong and Lauw, WWW 2019; the network is ``baselines.explanation.mrg_network``. The authors pair a sentence with a
photo that its writer took. Here all users share the catalogue's picture of an item, which tells less of what each of
them writes; an item without one has a grid of zeros. Departures: pictures are patch tokens of a frozen encoder,
projected to the width of the network, in place of VGG's; a sentence has up to 32 words, not 20; word vectors begin at
random, not at GloVe's; padding, start and unknown words are never written; and validation chooses the epoch and then
after how many words a sentence that does not end is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch

from baselines.explanation.mrg_facts import Lessons, MRGFacts
from baselines.explanation.mrg_network import MRGConfig, MRGNetwork
from baselines.explanation.mrg_regions import Regions
from baselines.explanation.typical import TASK
from baselines.learning.learned import LearnedModel
from baselines.learning.training import Outcome
from unimp_bench.contracts import FitData, Rater, Writer
from unimp_bench.corpus import Items
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.records import Examples, FloatArray, IntArray, Protocol

OFFICIAL = MRGConfig(
    learning_rate=3e-4,
    factors=256,
    word_width=200,
    state_width=256,
    encoder="ViT-L-14",
    pretrained="openai",
)

LIMITS = (24, 16, 12, 8)
"""Most words of a sentence that are tried below ``length``."""


class MRG(LearnedModel[MRGConfig, MRGFacts, MRGNetwork], Writer[MRGConfig], Rater[MRGConfig]):
    """Writes explanations; foretells ratings, too. Without explanations in its fit it only learns to rate."""

    Config = MRGConfig
    Facts: ClassVar[type[MRGFacts]] = MRGFacts
    name = "mrg"
    presets: ClassVar[Mapping[str, Any]] = {"small": MRGConfig(), "official": OFFICIAL}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "dropout": (0.2, 0.5),
        "l2": (1e-5, 1e-4, 1e-3),
    }

    def gather(self, data: FitData) -> MRGFacts:
        return MRGFacts.of(data, self.config.min_count, self.config.vocabulary)

    def build(self, facts: MRGFacts, items: Items, cache: Path) -> MRGNetwork:
        config, numbers = self.config, facts.interactions.items
        regions = Regions(items, numbers, config.encoder, config.pretrained, config.text_encoder, cache)
        return MRGNetwork(facts, regions, config)

    def learn(self, network: MRGNetwork, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        network.lessons = Lessons.of(data, self.facts, self.config.length)
        return super().learn(network, data, validate)

    def settle(self, protocol: Protocol, data: FitData, best: float) -> None:
        def quality(limit: int) -> float:
            self.network.limit.fill_(limit)
            return self.quality(data)[protocol]

        length = self.config.length
        if TASK in data.examples:
            self.network.limit.fill_(max((length, *(limit for limit in LIMITS if limit < length)), key=quality))

    def validated_by(self, data: FitData) -> str:
        """The explanations; preference only where the fit has none."""
        return TASK if TASK in data.examples else next(iter(data.examples))

    def write(self, examples: Examples) -> list[str]:
        with torch.no_grad():
            written = list(self.prepared().write(*self._rows(examples)))
        return [self.facts.vocabulary.sentence(numbers) for numbers in written]

    def rate(self, examples: Examples) -> FloatArray:
        with torch.no_grad():
            return self.prepared().rate(*self._rows(examples))

    def _rows(self, examples: Examples) -> tuple[IntArray, IntArray]:
        """(n,) rows of users and of the shown items."""
        assert examples.shown is not None
        interactions = self.facts.interactions
        return interactions.user_rows(examples.users), interactions.item_rows(examples.shown.items)
