"""The sentences of a review, without markup."""

from __future__ import annotations

import re
from collections.abc import Iterator

from data_prep.markup import without_markup

_MARKS = re.compile(r"[.!?\r\n][.!?\r\n]*[\"')\]]*\s*")
_TITLE = re.compile(r"(?:^|[\s(])(?:[A-HJ-Z]|Mr|Mrs|Ms|Dr|St|vs)$")
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:[a-z]\.[a-z]|oz|lbs?|ft|in|no|approx|incl)$", re.IGNORECASE)
_WINDOW = 8
"""Characters before a full stop: more than an abbreviation has, so that none begins where they do inside a word."""


def sentences(text: str) -> Iterator[str]:
    """The sentences of a review in their order, as they stand there; ``clean`` makes each one line.

    A sentence ends at a full stop, a question or an exclamation mark with a space behind it, at several of them
    before a capital, before a capitalised word even where the space was forgotten, and at the end of a line; but not
    after an initial or a title (*Mr. Smith*), nor after an abbreviation where no capital follows (*16 oz. bottle*).
    """
    text = without_markup(text, gap="\n")
    start = 0
    for marks in _MARKS.finditer(text):
        if _ends_sentence(text, start, marks):
            yield text[start : marks.end()]
            start = marks.end()
    if start < len(text):
        yield text[start:]


def clean(text: str) -> str:
    """One line of printable characters with single spaces."""
    text = " ".join(text.split())
    if text.isprintable():
        return text
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _ends_sentence(text: str, start: int, marks: re.Match[str]) -> bool:
    found, behind = marks[0], text[marks.end() : marks.end() + 2]
    if "\n" in found or "\r" in found:
        return True
    if not found[-1].isspace():  # "great gift.Love it", but neither "4.5", "amazon.com" nor "e.g."
        return text[marks.start() - 1 : marks.start()].islower() and behind.istitle() and len(behind) == 2
    if len(found.rstrip("\"')] \t")) > 1:  # "so... good" goes on, "so good!!! Love it" does not
        return behind[:1].isupper() or "." not in found
    if found[0] != ".":
        return True
    before = text[max(start, marks.start() - _WINDOW) : marks.start()]
    return not _TITLE.search(before) and (behind[:1].isupper() or not _ABBREVIATION.search(before))
