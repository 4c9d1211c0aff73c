"""One model for all tasks that are put as prompts; P5 and its kin differ in the network that reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np

from baselines.language.answers import read_ratings
from baselines.language.book import Asked, Book
from baselines.language.decoding import Rule, one_id, search, some_ids
from baselines.language.facts import LanguageFacts, item_titles
from baselines.language.lessons import Lessons
from baselines.language.network import LanguageNetwork
from baselines.language.phrases import Phrases
from baselines.language.prompts import FAMILIES
from baselines.language.settings import LanguageSettings
from baselines.language.trie import Trie
from baselines.learning.learned import LearnedModel
from baselines.learning.training import Outcome
from unimp_bench.contracts import FitData, Ranker, Rater, Selector, Writer
from unimp_bench.corpus import Items
from unimp_bench.kinds.early_stopping import Scores, mean_scores
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray, Shown

SettingsT = TypeVar("SettingsT", bound=LanguageSettings)

_ANSWER_TOKENS = 8


class LanguageModel(
    LearnedModel[SettingsT, LanguageFacts, LanguageNetwork],
    Ranker[SettingsT],
    Rater[SettingsT],
    Writer[SettingsT],
    Selector[SettingsT],
):
    """Trained on the prompts of all tasks of its fit, it answers each by the first prompt of the task's family.

    A kin of P5 writes ``book`` and ``compose``.
    """

    Facts: ClassVar[type[LanguageFacts]] = LanguageFacts

    def gather(self, data: FitData) -> LanguageFacts:
        return LanguageFacts.of(data, self.config)

    def build(self, facts: LanguageFacts, items: Items, cache: Path) -> LanguageNetwork:
        self._book = self.book(facts, items)
        self._trie = Trie(self._book.names)
        network = self.compose(facts, items, cache)
        network.remarks += self.warnings(items)
        return network

    def book(self, facts: LanguageFacts, items: Items) -> Book:
        """How users and items are written in prompts."""
        return Book(facts, [""] * len(facts.ids.catalogue), item_titles(items, facts.ids, self.config.title_words))

    def compose(self, facts: LanguageFacts, items: Items, cache: Path) -> LanguageNetwork:
        """The network that reads the prompts, at its first weights."""
        return LanguageNetwork(facts.t5(), self.config)

    def learn(self, network: LanguageNetwork, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        network.lessons = Lessons(data, self.facts, self._book, self.config)
        return super().learn(network, data, validate)

    def quality(self, data: FitData) -> Scores:
        """The means of the validation scores of the tasks that it is fitted on."""
        return mean_scores([data.validate(self, task) for task in data.examples])

    def metric(self, data: FitData) -> str:
        return data.metric(*data.examples)

    def warnings(self, items: Items) -> tuple[str, ...]:
        """What a reader of the results must know of the texts."""
        found = []
        if "title" not in items.attributes:
            found.append("no titles in this corpus")
        return tuple(found)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        """Log-probabilities of the ids that are among the beams; all other items 1 below the last of them."""
        most, rule = self._trie.depth + 1, one_id(self._trie) if self.config.constrained else None
        beams = self.config.beams
        found = search(self.prepared(), self.prompts(examples), beams, most, rule)
        texts, items = self.facts.ids.named(self.facts.vocabulary.decode(found.tokens.reshape(-1, most)))
        scores = np.full((len(examples), len(self.facts.ids.catalogue)), -np.inf)
        np.maximum.at(scores, (texts // beams, items), found.scores.ravel()[texts])
        lowest = np.where(np.isinf(scores), np.inf, scores).min(axis=1, keepdims=True)
        scores = np.where(np.isinf(scores), np.where(np.isinf(lowest), 0, lowest) - 1, scores)
        return scores[:, self.facts.ids.rows(catalogue)]

    def rate(self, examples: Examples) -> FloatArray:
        """The number that is written; NaN where none is."""
        return read_ratings(self._texts(self.prompts(examples), 1, _ANSWER_TOKENS))

    def write(self, examples: Examples) -> list[str]:
        return self._texts(self.prompts(examples), self.config.text_beams, self.config.text_tokens)

    def choose(self, examples: Examples) -> BoolArray:
        """The candidates that are named; none where a free text names none."""
        assert examples.shown is not None
        shown = Shown(examples.shown.offsets, self.facts.ids.rows(examples.shown.items))
        most = self._trie.depth * int(np.diff(shown.offsets).max(initial=0)) + 1
        rule = some_ids(self._trie, shown) if self.config.constrained else None
        return self._named(shown, self._texts(self.prompts(examples), 1, most, rule))

    def prompts(self, examples: Examples) -> Phrases:
        """The question of each example."""
        asked = Asked.plainly(examples, self.config.history, self.facts)
        return self._book.sentences(FAMILIES[examples.task][0], asked)

    def _texts(self, prompts: Phrases, beams: int, most_tokens: int, rule: Rule | None = None) -> list[str]:
        """The best answer to each prompt."""
        found = search(self.prepared(), prompts, beams, most_tokens, rule)
        return self.facts.vocabulary.decode(found.tokens[:, 0])

    def _named(self, shown: Shown, texts: list[str]) -> BoolArray:
        """(shown rows,) whether the text of its example names the item."""
        size = len(self.facts.ids.catalogue)
        owners, rows = self.facts.ids.named(texts)
        named: BoolArray = np.isin(shown.owners() * size + shown.items, owners * size + rows)
        return named
