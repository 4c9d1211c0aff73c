"""The words of the user sentence: what is said of an item, and what each task asks.

An item reads ``[IMG] Category <c> Price <p> Brand <b> Title <t> <answer> item_<n> [EOC]`` (Eq. 1 of the paper, with
the item token in its place of the authors' code); a user sentence is ``[CLS]``, the items, the task's instruction and
``<answer>`` (Eq. 2 and A.2). An item without a picture has no ``[IMG]``. The instruction is the task's own, its
``{query}`` and ``{items}`` filled in where they stand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from unimp_bench.corpus import Items
from unimp_bench.corpus.reader import PATH_SEPARATOR
from unimp_bench.errors import UsageError

PAD, CLS, IMG, EOC, ANSWER = "[PAD]", "[CLS]", "[IMG]", "[EOC]", "<answer>"
SPECIALS = (PAD, CLS, IMG, EOC, ANSWER)
QUERY, ITEMS = "{query}", "{items}"
UNKNOWN = "Unknown"

_HOLES = re.compile(f"({re.escape(QUERY)}|{re.escape(ITEMS)})")


def segments(instruction: str, task: str) -> list[str]:
    """An instruction in its order: phrases, ``{query}`` and ``{items}``.

    Raises:
        UsageError: there is no instruction.
    """
    parts = [part.strip() for part in _HOLES.split(instruction) if part.strip()]
    if not parts:
        raise UsageError(f"unimp reads a task by its instruction, and the examples of {task!r} have none")
    return parts


def phrases(instruction: str, task: str) -> list[str]:
    """The words of an instruction between its holes."""
    return [part for part in segments(instruction, task) if part not in (QUERY, ITEMS)]


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
