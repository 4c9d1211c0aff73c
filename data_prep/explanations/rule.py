"""The rule that picks from a review the sentence that explains the rating: an opinion on a feature.

A sentence is a candidate if it has 4 to 30 words, at least one *pair*, and some word that the item's title lacks. A
pair is an opinion word and a word that can name a feature, at most three words apart and with no punctuation between
them; a word belongs to one pair at most. Of the candidates the one with the most pairs is taken, of equals the first.
"""

from __future__ import annotations

import re

from data_prep.explanations.lexicon import NO_FEATURES, OPINIONS
from data_prep.explanations.sentences import clean, sentences

SHORTEST, LONGEST = 4, 30
"""Words of a sentence; 30 is also the limit of the UniMP authors' code."""

REACH = 3
"""Words between which an opinion is taken to be on a feature."""

_LIKERS = """
    i we they you he she do don't didn't did not really also would always absolutely actually
"""
LIKERS = frozenset(_LIKERS.split())
"""Words after which *like* is an opinion; elsewhere it compares."""

_OPINIONS = frozenset(word.encode() for word in OPINIONS)
_SPACED = bytes(code if chr(code).isalnum() and code < 128 else 32 for code in range(256))
_TOKEN = re.compile(r"[a-z]+(?:['-][a-z]+)*|[0-9]+|[.,;:()!?]")


def explaining_sentence(text: str, title: str = "") -> str | None:
    """The sentence of a review that explains its rating, cleaned; None where there is none.

    Args:
        text: the review.
        title: of the item, which no explanation may only repeat.
    """
    best, most = None, 0
    for sentence in sentences(text):
        if _at_most_pairs(sentence) <= most:  # most sentences need not be looked at more closely
            continue
        tokens = tokenize(sentence)
        pairs = count_pairs(tokens)
        if pairs > most and _is_fit(tokens, title):
            best, most = sentence, pairs
    return best and clean(best)


def _at_most_pairs(sentence: str) -> int:
    """The opinion words of a sentence, counted fast and without regard to punctuation: it has no more pairs."""
    words = sentence.encode("ascii", "replace").lower().translate(_SPACED).split()
    return sum(map(_OPINIONS.__contains__, words)) if SHORTEST <= len(words) <= 3 * LONGEST else 0


def _is_fit(tokens: list[str], title: str) -> bool:
    """Whether a sentence has the right length and says more than the title."""
    words = {token for token in tokens if token[0].isalnum()}
    return SHORTEST <= sum(token[0].isalnum() for token in tokens) <= LONGEST and not words <= set(tokenize(title))


def tokenize(text: str) -> list[str]:
    """Words, numbers and marks in lower case."""
    tokens: list[str] = _TOKEN.findall(text.lower().replace("\u2019", "'"))
    return tokens


def count_pairs(tokens: list[str]) -> int:
    """Pairs of an opinion and a feature in a sentence; each opinion takes the nearest feature that is free."""
    taken: set[int] = set()
    for place, word in enumerate(tokens):
        if word in OPINIONS and _is_meant(tokens, place):
            feature = _feature_near(tokens, place, taken)
            if feature is not None:
                taken.add(feature)
    return len(taken)


def _feature_near(tokens: list[str], place: int, taken: set[int]) -> int | None:
    """The free feature nearest to a word and on its side of all punctuation, of two the one behind it."""
    sides = [1, -1]
    for distance in range(1, REACH + 1):
        for side in tuple(sides):
            step = place + side * distance
            if not 0 <= step < len(tokens) or not tokens[step][0].isalnum():
                sides.remove(side)
            elif step not in taken and _names_feature(tokens[step]):
                return step
    return None


def _is_meant(tokens: list[str], place: int) -> bool:
    """Whether a word that can be an opinion is one here: not *looks like*, *as well* or *pretty big*."""
    word, before = tokens[place], tokens[place - 1] if place else ""
    if word == "like":
        return before in LIKERS
    if word == "well":
        return before != "as"
    return word != "pretty" or not OPINIONS.issuperset(tokens[place + 1 : place + 2])


def _names_feature(word: str) -> bool:
    return len(word) > 2 and word[0].isalpha() and "'" not in word and word not in NO_FEATURES and word not in OPINIONS
