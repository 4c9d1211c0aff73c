"""P5: recommendation as language processing (Geng, Liu, Fu, Ge and Zhang, RecSys 2022).

Users, items and ratings are words in prompts, and one T5 is trained to generate the answers of all tasks:

    L = mean over samples of  -1/T sum_t log P(y_t | y_<t, prompt)

The id of an item or user is several tokens; an embedding of the word's position (whole-word embedding) is added to
each, so that the encoder knows which tokens form one word. Every epoch uses some training examples of each user and
task, each with a random prompt of the task's family.

Departures from the released code: ids are a random permutation, since numbers assigned along whole histories leak the
test items (``ids=leaky`` measures this); whole-word embeddings are also used in prediction, not only in training; beams
are restricted to ids of items (with ``constrained=false`` they are not, and a text that is not an item is a miss). With
``ids=own`` an item is a single token (Hua et al., "How to index item IDs", 2023). Prompts for search and selection,
tasks that P5 does not have, are added; prompts for explanation contain neither the review's summary nor a word of the
sentence, unlike some of P5's. All prompts are used in training. The tokenizer and the T5 of the preset ``tiny`` are
trained from scratch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from baselines.language.artifacts import LanguageArtifacts, LanguageSettings
from baselines.language.examples import TrainingExamples, read_ratings
from baselines.language.ids import item_titles
from baselines.language.network import LanguageNetwork, Rule, one_id, search, some_ids
from baselines.language.prompts import FAMILIES, PromptInputs, PromptRenderer
from baselines.language.tokens import TokenizedTexts
from baselines.learning.model import LearnedModel
from baselines.learning.training import Outcome
from unimp_bench.contracts import FitData, Ranker, Rater, Selector, Writer
from unimp_bench.corpus import Items
from unimp_bench.generative.trie import Trie
from unimp_bench.kinds.early_stopping import Scores, mean_scores
from unimp_bench.kinds.rating import RatingExamples
from unimp_bench.kinds.selection import SelectionExamples
from unimp_bench.kinds.text import TextExamples
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray, Shown

SettingsT = TypeVar("SettingsT", bound=LanguageSettings)

_ANSWER_TOKENS = 8


class LanguageModel(
    LearnedModel[SettingsT, LanguageArtifacts, LanguageNetwork],
    Ranker[SettingsT],
    Rater[SettingsT],
    Writer[SettingsT],
    Selector[SettingsT],
):
    """Trains on the prompts of all tasks of a fit; predicts with the first prompt of each task's family.

    Variants of P5 override ``renderer`` and ``compose``.
    """

    Artifacts: ClassVar[type[LanguageArtifacts]] = LanguageArtifacts

    def gather(self, data: FitData) -> LanguageArtifacts:
        return LanguageArtifacts.of(data, self.config)

    def build(self, artifacts: LanguageArtifacts, items: Items, cache: Path) -> LanguageNetwork:
        self._renderer = self.renderer(artifacts, items)
        self._trie = Trie(self._renderer.names.tokens)
        network = self.compose(artifacts, items, cache)
        if "title" not in items.attributes:
            network.remarks += ("no titles in this corpus",)
        return network

    def renderer(self, artifacts: LanguageArtifacts, items: Items) -> PromptRenderer:
        """The renderer of prompts, which defines how users and items are written."""
        titles = item_titles(items, artifacts.ids.catalogue, self.config.title_words)
        return PromptRenderer(artifacts.tokenizer, artifacts.ids, [""] * len(titles), titles)

    def compose(self, artifacts: LanguageArtifacts, items: Items, cache: Path) -> LanguageNetwork:
        """The network with its initial weights."""
        return LanguageNetwork(artifacts.t5(), self.config)

    def learn(self, network: LanguageNetwork, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        network.examples = TrainingExamples(data, self.artifacts, self._renderer, self.config)
        return super().learn(network, data, validate)

    def quality(self, data: FitData) -> Scores:
        """The mean validation score over the tasks of the fit."""
        return mean_scores([data.validate(self, task) for task in data.examples])

    def metric(self, data: FitData) -> str:
        return data.metric(*data.examples)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        """Log-probabilities of the items among the beams; all other items score 1 below their minimum."""
        length, rule = self._trie.depth + 1, one_id(self._trie) if self.config.constrained else None
        beams = self.config.beams
        found = search(self.prepared(), self.prompts(examples), beams, length, rule)
        texts, items = self.artifacts.ids.named(self.artifacts.tokenizer.decode(found.tokens.reshape(-1, length)))
        scores = np.full((len(examples), len(self.artifacts.ids.catalogue)), -np.inf)
        np.maximum.at(scores, (texts // beams, items), found.scores.ravel()[texts])
        lowest = np.where(np.isinf(scores), np.inf, scores).min(axis=1, keepdims=True)
        scores = np.where(np.isinf(scores), np.where(np.isinf(lowest), 0, lowest) - 1, scores)
        return scores[:, self.artifacts.ids.rows(catalogue)]

    def rate(self, examples: RatingExamples) -> FloatArray:
        """The generated number; NaN for unparsable text."""
        return read_ratings(self._texts(self.prompts(examples), 1, _ANSWER_TOKENS))

    def write(self, examples: TextExamples) -> list[str]:
        return self._texts(self.prompts(examples), self.config.text_beams, self.config.text_tokens)

    def choose(self, examples: SelectionExamples) -> BoolArray:
        """The candidates named in the generated text."""
        shown = Shown(examples.shown.offsets, self.artifacts.ids.rows(examples.shown.items))
        length = self._trie.depth * int(np.diff(shown.offsets).max(initial=0)) + 1
        rule = some_ids(self._trie, shown) if self.config.constrained else None
        return self._named(shown, self._texts(self.prompts(examples), 1, length, rule))

    def prompts(self, examples: Examples) -> TokenizedTexts:
        """The prompt of each example."""
        inputs = PromptInputs.of(examples, self.config.history, self.artifacts.ids)
        return self._renderer.render(FAMILIES[examples.task][0], inputs)

    def _texts(self, prompts: TokenizedTexts, beams: int, max_tokens: int, rule: Rule | None = None) -> list[str]:
        """The most probable answer to each prompt."""
        found = search(self.prepared(), prompts, beams, max_tokens, rule)
        return self.artifacts.tokenizer.decode(found.tokens[:, 0])

    def _named(self, shown: Shown, texts: list[str]) -> BoolArray:
        """(shown rows,) bool, whether the generated text of the example names the item."""
        size = len(self.artifacts.ids.catalogue)
        owners, rows = self.artifacts.ids.named(texts)
        named: BoolArray = np.isin(shown.owners() * size + shown.items, owners * size + rows)
        return named


@dataclass(frozen=True)
class P5Config(LanguageSettings):
    """Settings of P5, see ``LanguageSettings``."""


_RELEASED: dict[str, Any] = {
    "learning_rate": 1e-3,
    "epochs": 10,
    "validate_every": 1,
    "draws": 5,
    "title_words": 12,
    "options": 100,
    "text_tokens": 64,
}


class P5(LanguageModel[P5Config]):
    """See the module."""

    Config = P5Config
    name = "p5"
    presets: ClassVar[Mapping[str, P5Config]] = {
        "tiny": P5Config(),
        "small": P5Config(backbone="t5-small", batch_size=32, **_RELEASED),
        "base": P5Config(backbone="t5-base", batch_size=16, **_RELEASED),
    }
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 3e-3, 5e-3),
        "width": (64, 128),
        "dropout": (0.0, 0.1, 0.2),
        "history": (5, 10, 20),
    }
