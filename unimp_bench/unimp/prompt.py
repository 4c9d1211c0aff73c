"""The words of the user sentence: what is said of an item, and what each task asks.

An item reads ``[IMG] Category <c> Price <p> Brand <b> Title <t> <answer> item_<n> [EOC]`` (Eq. 1 of the paper, with
the item token in its place of the authors' code); a user sentence is ``[CLS]``, the items, the instruction and
``<answer>`` (Eq. 2 and A.2). An item without a picture has no ``[IMG]``.
"""

from __future__ import annotations

from collections.abc import Sequence

from unimp_bench.corpus import Items
from unimp_bench.corpus.reader import PATH_SEPARATOR
from unimp_bench.errors import UsageError

PAD, CLS, IMG, EOC, ANSWER = "[PAD]", "[CLS]", "[IMG]", "[EOC]", "<answer>"
SPECIALS = (PAD, CLS, IMG, EOC, ANSWER)
UNKNOWN = "Unknown"

# The part of each task's instruction after the query; tasks without a query have nothing before it.
INSTRUCTIONS = {
    "recommendation": "Can you recommend the next item to the user?",
    "search": "Can you retrieve the items that aligns with both the user's history and the given query?",
}

# Weights of the tasks in the joint loss, as in the authors' code; 1 where none is named.
TASK_WEIGHTS = {"recommendation": 2.0}


def instruction(task: str) -> str:
    """What a task asks of the model.

    Raises:
        UsageError: UniMP has no words for this task.
    """
    if task not in INSTRUCTIONS:
        raise UsageError(f"unimp has no instruction for task {task!r}; it serves: {', '.join(INSTRUCTIONS)}")
    return INSTRUCTIONS[task]


def plain(text: str) -> str:
    """Text with single spaces and without the separators of paths, which say nothing and cost a token each."""
    separator = PATH_SEPARATOR.strip()
    return " ".join(word for word in text.split() if word != separator)


def attribute_values(items: Items, attribute: str, words: int) -> list[str]:
    """An attribute of every item in at most ``words`` words, ``Unknown`` where it is missing."""
    return [" ".join(plain(text).split()[:words]) or UNKNOWN for text in items.text(attribute)]


def known_attributes(items: Items, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the wanted attributes that the corpus has, in the wanted order."""
    return tuple(name for name in wanted if name in items.attributes)
