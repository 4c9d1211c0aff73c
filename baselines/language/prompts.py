"""Prompts: a family of templates per task, modelled on P5's but worded differently; and their rendering.

The slots of a template are ``{user}``; ``{history}``, the items before the target; ``{query}``; ``{shown}``, items with
titles; and ``{options}``, items without titles. Predictions use the first prompt of a family; the others vary wording
and question in training.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from baselines.language.ids import Ids
from baselines.language.tokens import SubwordTokenizer, TokenizedTexts, join
from unimp_bench.errors import UsageError
from unimp_bench.ragged import spans
from unimp_bench.records import BoolArray, Examples, IntArray, Shown

Answer = Literal["item", "option", "yes or no", "rating", "sentence", "items"]

COMMA, ARROW = ",", "->"
YES, NO = "yes", "no"

_SLOT = re.compile(r"(\{\w+\})")
_PLAIN, _WITH_COMMA, _WITH_ARROW = 0, 1, 2


@dataclass(frozen=True)
class Prompt:
    """A template and the form of its answer.

    Attributes:
        words: the text with slots.
        answer: ``item``: the target. ``option``: the target, among the options. ``yes or no``: whether the single
            option is the target. ``items``: the relevant ones of the shown items.
    """

    words: str
    answer: Answer

    @property
    def pieces(self) -> tuple[str, ...]:
        """Literal words and slots, in order."""
        return tuple(piece.strip() for piece in _SLOT.split(self.words) if piece.strip())


FAMILIES: dict[str, tuple[Prompt, ...]] = {
    "recommendation": (
        Prompt("So far {user} has bought {history} . Which item comes next ?", "item"),
        Prompt("Bought in this order : {history} . Name the next purchase of {user} .", "item"),
        Prompt("After {history} , what will {user} take ?", "item"),
        Prompt("{user} : {history} . Next item :", "item"),
        Prompt("{user} owns {history} . Pick what follows from {options} .", "option"),
        Prompt("{user} owns {history} . Is {options} the next one ?", "yes or no"),
        Prompt("Which of {options} would {user} like best ?", "option"),
    ),
    "search": (
        Prompt("{user} has bought {history} and now looks for {query} . Which item is meant ?", "item"),
        Prompt("Search : {query} . Earlier purchases of {user} : {history} . Best match :", "item"),
        Prompt("With {history} in mind , which {query} does {user} want ?", "item"),
    ),
    "preference": (
        Prompt("{user} has bought {history} . How will {user} rate {shown} ?", "rating"),
        Prompt("How many stars does {shown} get from {user} , who owns {history} ?", "rating"),
        Prompt("Stars of {user} for {shown} :", "rating"),
    ),
    "explanation": (
        Prompt("Say why {shown} may or may not suit {user} , who has bought {history} .", "sentence"),
        Prompt("What would {user} write about {shown} ?", "sentence"),
        Prompt("{user} owns {history} . One sentence by {user} on {shown} :", "sentence"),
    ),
    "selection": (
        Prompt("{user} has bought {history} . Select all that suit {user} from {shown} .", "items"),
        Prompt("Candidates : {shown} . Which of them fit {user} , who owns {history} ?", "items"),
        Prompt("Given {history} , mark what {user} will take out of {shown} .", "items"),
    ),
}
"""The prompts of each task."""


def literals() -> list[str]:
    """The literal texts of all prompts and answers."""
    pieces = [piece for family in FAMILIES.values() for prompt in family for piece in prompt.pieces]
    return list(dict.fromkeys([COMMA, ARROW, YES, NO, *(piece for piece in pieces if not _SLOT.fullmatch(piece))]))


@dataclass(frozen=True)
class PromptInputs:
    """The values of the slots.

    Attributes:
        examples: for users and queries.
        starts: (n,) first interaction of each history to include.
        shown: item rows to show, in place of those of the examples.
        arrows: (n,) bool, whether the items of a history are separated by arrows, else by commas.
    """

    examples: Examples
    starts: IntArray
    shown: Shown | None
    arrows: BoolArray

    @classmethod
    def of(cls, examples: Examples, history: int, ids: Ids) -> PromptInputs:
        """Inputs with the last ``history`` items of each example, separated by commas."""
        shown = examples.shown
        rows = None if shown is None else Shown(shown.offsets, ids.rows(shown.items))
        starts = np.maximum(examples.starts(), examples.ends - history)
        return cls(examples, starts, rows, np.zeros(len(examples), dtype=np.bool_))


class PromptRenderer:
    """Renders prompts with users, items and queries. All texts of the catalogue are tokenised once and then joined.

    Args:
        mentioned: text after each mention of an item in histories and options, by item row.
        shown: the same for shown items.
        pictured: number of picture placeholders between the item and its text.
    """

    def __init__(
        self,
        tokenizer: SubwordTokenizer,
        ids: Ids,
        mentioned: Sequence[str],
        shown: Sequence[str],
        pictured: int = 0,
    ) -> None:
        self._tokenizer, self._ids = tokenizer, ids
        self._numbers = {words: number for number, words in enumerate(literals())}
        self._literals = tokenizer.encode(list(self._numbers))
        self._users = tokenizer.encode(ids.user_names())
        self.names = tokenizer.encode(ids.item_names())
        rows = np.arange(len(self.names))
        pictures = np.repeat(rows, pictured)
        item = [(rows, self.names), (pictures, TokenizedTexts.placeholders(tokenizer.placeholder, pictures))]
        self._mentioned, self._shown = (
            self._separated(join([*item, (rows, tokenizer.encode(texts))], len(rows))) for texts in (mentioned, shown)
        )

    def literal(self, words: str) -> int:
        """The index of a text of ``literals``."""
        return self._numbers[words]

    def literals(self, numbers: IntArray) -> TokenizedTexts:
        """Literal texts by their indices."""
        return self._literals.take(numbers)

    def render(self, prompt: Prompt, inputs: PromptInputs) -> TokenizedTexts:
        """The prompt of each example."""
        return join([self._column(piece, inputs) for piece in prompt.pieces], len(inputs.examples))

    def _column(self, piece: str, inputs: PromptInputs) -> tuple[IntArray, TokenizedTexts]:
        """The texts of a piece, and the example number of each."""
        examples, size = inputs.examples, len(self.names)
        everyone: IntArray = np.arange(len(examples))
        if piece in self._numbers:
            return everyone, self._literals.take(np.full(len(examples), self._numbers[piece]))
        if piece == "{user}":
            return everyone, self._users.take(examples.users)
        if piece == "{query}":
            return everyone, self._queries(examples)
        if piece == "{history}":
            owners, rows = spans(inputs.starts, examples.ends)
            items = self._ids.rows(examples.histories.items[rows])
            last = rows == examples.ends[owners] - 1
            separators = np.where(inputs.arrows[owners], _WITH_ARROW, _WITH_COMMA)
            return owners, self._mentioned.take(np.where(last, _PLAIN, separators) * size + items)
        if inputs.shown is None:
            raise UsageError(f"the examples of {examples.task!r} show no items, which prompt {piece} requires")
        texts = self._shown if piece == "{shown}" else self._mentioned
        owners = inputs.shown.owners()
        last = np.concatenate([owners[1:] != owners[:-1], [True]])[: len(owners)]
        return owners, texts.take(np.where(last, _PLAIN, _WITH_COMMA) * size + inputs.shown.items)

    def _queries(self, examples: Examples) -> TokenizedTexts:
        if examples.queries is None:
            raise UsageError(f"the examples of {examples.task!r} have no query, which prompt {{query}} requires")
        distinct, number_of = np.unique(examples.queries, return_inverse=True)
        return self._tokenizer.encode([examples.query_texts[query] for query in distinct]).take(number_of)

    def _separated(self, texts: TokenizedTexts) -> TokenizedTexts:
        """All texts alone, then all with a comma appended, then all with an arrow appended."""
        rows = np.arange(len(texts))
        marks = [self._literals.take(np.full(len(rows), self.literal(mark))) for mark in (COMMA, ARROW)]
        return TokenizedTexts.stack([texts, *(join([(rows, texts), (rows, mark)], len(rows)) for mark in marks)])
