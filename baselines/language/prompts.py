"""What the model is asked, in words of our own: a family of prompts for each task, after P5's personalized prompts.

In a prompt stand ``{user}``; ``{history}``, the items before the target; ``{query}``; ``{shown}``, items each with its
title; and ``{options}``, items without. A family's first prompt is the one that is asked when the model answers; the
others vary the words and the question in training.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Answer = Literal["item", "option", "yes or no", "rating", "sentence", "items"]

COMMA, ARROW = ",", "->"
YES, NO = "yes", "no"

_SLOT = re.compile(r"(\{\w+\})")


@dataclass(frozen=True)
class Prompt:
    """A question and the form of its answer.

    Attributes:
        words: with slots.
        answer: ``item``: the target. ``option``: the target, which is among the options. ``yes or no``: whether the
            only option is the target. ``items``: those of the shown items that suit.
    """

    words: str
    answer: Answer

    @property
    def pieces(self) -> tuple[str, ...]:
        """Literal words and slots, in their order."""
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
"""Prompts by task."""


def literals() -> list[str]:
    """All words of prompts and answers that are no slot."""
    said = [piece for family in FAMILIES.values() for prompt in family for piece in prompt.pieces]
    return list(dict.fromkeys([COMMA, ARROW, YES, NO, *(piece for piece in said if not _SLOT.fullmatch(piece))]))
