"""Prompts filled with users, items and queries: every text of the catalogue as tokens, once, then only joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baselines.language.facts import LanguageFacts
from baselines.language.phrases import Phrases, join
from baselines.language.prompts import ARROW, COMMA, Prompt, literals
from unimp_bench.errors import UsageError
from unimp_bench.records import BoolArray, Examples, IntArray, Shown, slices

_ALONE, _COMMA, _ARROW = 0, 1, 2


@dataclass(frozen=True)
class Asked:
    """What fills the slots of prompts.

    Attributes:
        examples: whose users and queries are asked about.
        starts: (n,) row of the first item of each history that is told.
        shown: item rows that the prompt names, in place of those of the examples.
        arrows: (n,) bool, whether arrows stand between the items of a history, else commas.
    """

    examples: Examples
    starts: IntArray
    shown: Shown | None
    arrows: BoolArray

    @classmethod
    def plainly(cls, examples: Examples, most: int, facts: LanguageFacts) -> Asked:
        """With the last ``most`` items of each history."""
        shown = examples.shown
        rows = None if shown is None else Shown(shown.offsets, facts.ids.rows(shown.items))
        starts = np.maximum(examples.starts(), examples.ends - most)
        return cls(examples, starts, rows, np.zeros(len(examples), dtype=np.bool_))


class Book:
    """The words of prompts as tokens.

    Args:
        mentioned: text behind each mention of an item in histories and among options, by item row.
        shown: the same for items that are shown.
        pictured: placeholders between the item and its text, each marked with the item's row.
    """

    def __init__(self, facts: LanguageFacts, mentioned: Sequence[str], shown: Sequence[str], pictured: int = 0) -> None:
        vocabulary = facts.vocabulary
        said = literals()
        self._facts, self._literals = facts, {words: number for number, words in enumerate(said)}
        self._said = vocabulary.encode(said)
        self._users = vocabulary.encode(facts.ids.user_names())
        self.names = vocabulary.encode(facts.ids.item_names())
        size = len(self.names)
        rows = np.arange(size)
        pictures = np.repeat(rows, pictured)
        item = [(rows, self.names), (pictures, Phrases.placeholders(vocabulary.placeholder, pictures))]
        self._mentioned, self._shown = (
            self._listed(join([*item, (rows, vocabulary.encode(texts))], size)) for texts in (mentioned, shown)
        )

    def literal(self, words: str) -> int:
        """The number in ``literals`` of words that stand in prompts or answers."""
        return self._literals[words]

    def literals(self, numbers: IntArray) -> Phrases:
        """Words by their numbers."""
        return self._said.take(numbers)

    def sentences(self, prompt: Prompt, asked: Asked) -> Phrases:
        """One prompt an example."""
        size = len(asked.examples)
        return join([self._column(piece, asked, size) for piece in prompt.pieces], size)

    def _column(self, piece: str, asked: Asked, size: int) -> tuple[IntArray, Phrases]:
        everyone: IntArray = np.arange(size)
        if piece in self._literals:
            return everyone, self._said.take(np.full(size, self._literals[piece]))
        if piece == "{user}":
            return everyone, self._users.take(asked.examples.users)
        if piece == "{query}":
            return everyone, self._queries(asked.examples)
        if piece == "{history}":
            owners, rows = slices(asked.starts, asked.examples.ends)
            items = self._facts.ids.rows(asked.examples.histories.items[rows])
            last = rows == asked.examples.ends[owners] - 1
            between = np.where(asked.arrows[owners], _ARROW, _COMMA)
            return owners, self._mentioned.take(np.where(last, _ALONE, between) * len(self.names) + items)
        if asked.shown is None:
            raise UsageError(f"the examples of {asked.examples.task!r} show no items to ask about")
        table = self._shown if piece == "{shown}" else self._mentioned
        owners = asked.shown.owners()
        last = np.concatenate([owners[1:] != owners[:-1], [True]])[: len(owners)]
        return owners, table.take(np.where(last, _ALONE, _COMMA) * len(self.names) + asked.shown.items)

    def _queries(self, examples: Examples) -> Phrases:
        if examples.queries is None:
            raise UsageError(f"the examples of {examples.task!r} have no query to ask by")
        distinct, number_of = np.unique(examples.queries, return_inverse=True)
        return self._facts.vocabulary.encode([examples.query_texts[query] for query in distinct]).take(number_of)

    def _listed(self, phrases: Phrases) -> Phrases:
        """Each phrase alone, then each with a comma behind it, then each with an arrow."""
        rows = np.arange(len(phrases))
        followed = [self._said.take(np.full(len(rows), self.literal(mark))) for mark in (COMMA, ARROW)]
        return Phrases.stack([phrases, *(join([(rows, phrases), (rows, mark)], len(rows)) for mark in followed)])
