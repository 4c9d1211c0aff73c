"""What generated texts say: names of candidates, ratings, sentences, keywords; and how many say nothing usable."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from baselines.learning.vocabulary import stems
from unimp_bench.records import FloatArray, IntArray

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_ENTRY = re.compile(r"\[?\s*(\d{1,4})\s*\]?\s*[.):]?\s*(.*)", re.DOTALL)
_PARTS = re.compile(r"[>\n]+")
_NUMBERS = re.compile(r"[\[\]()#\d\s,;.]*\d[\[\]()#\d\s,;.]*")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_HEAD = re.compile(r"^(sure|certainly|of course|here)\b[^:]{0,80}:\s*", re.IGNORECASE)
_INTRODUCTION = re.compile(r"^[^:\n]{0,80}:\s*")
_WORDS = 30
_QUOTES = "\"'\u201c\u201d\u2018\u2019` *_"


@dataclass
class Tally:
    """Counts over the answers of predictions.

    Attributes:
        answers: generated answers that were read.
        unparsable: of them, those that name nothing usable.
        entries: candidates that they name, one by one.
        invented: of those, names and numbers of nothing.
        outside: of those, items of the catalogue that are no candidates.
        same: answers that repeat the order in which the candidates were shown.
        examples: examples of the predictions.
        history: items in the histories of all prompts.
        mass: sum over ratings of the probability of all ratings of the scale together.
        rated: their number.
    """

    answers: int = 0
    unparsable: int = 0
    entries: int = 0
    invented: int = 0
    outside: int = 0
    same: int = 0
    examples: int = 0
    history: int = 0
    mass: float = 0.0
    rated: int = 0

    def words(self) -> list[str]:
        """For a result's remarks."""
        told = []
        if self.examples:
            told.append(f"{self.history / self.examples:.1f} history items in a prompt on average")
        if self.answers:
            told.append(f"{_share(self.unparsable, self.answers)} of the answers unparsable")
        if self.entries:
            invented, outside = _share(self.invented, self.entries), _share(self.outside, self.entries)
            told.append(f"{invented} of the named items invented, {outside} no candidates")
            told.append(f"{_share(self.same, self.answers)} of the answers repeat the order of the candidates")
        if self.rated:
            told.append(f"probability of all ratings of the scale together {self.mass / self.rated:.2f} on average")
        return told


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%"


def named_candidates(reply: str, names: Sequence[str], catalogue: frozenset[str], tally: Tally) -> list[int]:
    """Places of the candidates that a reply names by number or by name, in its order, each once.

    A name must be that of a candidate after normalisation, or the beginning of only one: at least four words and twenty
    characters. What names nothing is counted and left out.

    Args:
        reply: as generated.
        names: of the candidates, in the order of the prompt.
        catalogue: normalised names of all items.
        tally: counts grow.
    """
    normal = [normalised(name) for name in names]
    found: list[int] = []
    parts = _PARTS.split(reply)
    if any(_NUMBERS.fullmatch(part) for part in parts):  # commas divide numbers, and belong to names
        parts = [piece for part in parts for piece in (re.split(r"[,;]", part) if _NUMBERS.fullmatch(part) else [part])]
    for part in parts:
        text = part.strip(f"{_QUOTES}-()")
        if not text:
            continue
        tally.entries += 1
        place = _place(text, normal)
        if place is not None:
            if place not in found:
                found.append(place)
        elif normalised(text) in catalogue:
            tally.outside += 1
        else:
            tally.invented += 1
    tally.answers += 1
    tally.unparsable += not found
    tally.same += found == list(range(len(names)))
    return found


def _place(text: str, names: Sequence[str]) -> int | None:
    """The candidate that a part of a reply names; a number counts even with more text behind it."""
    wanted = normalised(text)
    if wanted in names:
        return names.index(wanted)
    match = _ENTRY.fullmatch(text)
    if match is not None:
        number = int(match[1])
        return number - 1 if 1 <= number <= len(names) else None
    if len(wanted.split()) >= 4 and len(wanted) >= 20:
        beginning = [place for place, name in enumerate(names) if name.startswith(wanted)]
        return beginning[0] if len(beginning) == 1 else None
    return None


def normalised(name: str) -> str:
    """A name without differences of case, character forms, white space and outer punctuation."""
    return " ".join(unicodedata.normalize("NFKC", html.unescape(name)).casefold().split()).strip(".,;:!\"'")


def completed(found: Sequence[int], count: int) -> list[int]:
    """The order of all candidates: the named ones, then the others as they stood."""
    named = set(found)
    return [*found, *(place for place in range(count) if place not in named)]


def read_rating(reply: str, low: float, high: float, tally: Tally) -> float:
    """The first number of a reply that lies within the scale; NaN without one."""
    tally.answers += 1
    numbers = [float(text) for text in _NUMBER.findall(reply)]
    rating = next((number for number in numbers if low <= number <= high), math.nan)
    tally.unparsable += math.isnan(rating)
    return rating


def first_sentence(reply: str, tally: Tally) -> str:
    """The first sentence of a reply without quotes and without what introduces it, at most thirty words."""
    lines = [line for line in (each.strip(_QUOTES) for each in reply.splitlines()) if line]
    text = _HEAD.sub("", lines[0]) if lines else ""
    if not text and len(lines) > 1:
        text = lines[1]
    sentence = " ".join(_SENTENCE.split(text.strip(_QUOTES))[0].split()[:_WORDS]).strip(_QUOTES)
    tally.answers += 1
    tally.unparsable += not sentence
    return sentence


@dataclass
class KeywordTally:
    """Counts over the keywords of predictions.

    Attributes:
        answers: generated answers that were read.
        empty: of them, those without a word.
        history: items in the histories of all prompts.
        named: keywords in all answers.
        unknown: of them, those that occur in no item's text.
    """

    answers: int = 0
    empty: int = 0
    history: int = 0
    named: int = 0
    unknown: int = 0

    def words(self) -> list[str]:
        """For a result's remarks."""
        if not self.answers:
            return []
        told = [
            f"{self.history / self.answers:.1f} history items in a prompt on average",
            f"{_share(self.empty, self.answers)} of the answers empty",
        ]
        if self.named:
            unknown = _share(self.unknown, self.named)
            told.append(f"{self.named / self.answers:.1f} keywords an answer, {unknown} of them in no item's text")
        return told


def read_keywords(reply: str, most: int, known: Collection[str], tally: KeywordTally) -> list[str]:
    """The first stems of a reply, at most ``most`` different ones, without stop words, numbers and an introduction.

    Args:
        reply: as generated.
        most: keywords.
        known: stems of the items' texts; others are counted and left out.
        tally: counts grow.
    """
    words = (word for word in stems(_INTRODUCTION.sub("", reply.strip())) if not word.isdigit())
    found = list(dict.fromkeys(words))[:most]
    kept = [word for word in found if word in known]
    tally.answers += 1
    tally.empty += not found
    tally.named += len(found)
    tally.unknown += len(found) - len(kept)
    return kept


@dataclass
class Positions:
    """How far the order in which candidates are shown decides the answers, from answers to rotations of one list.

    Attributes:
        ranks: (rotations of all examples, k) predicted rank of the candidate shown at each place, from 0.
        agreements: Spearman's correlation of the ranks that two rotations give to the same items, of each pair.
    """

    ranks: list[IntArray]
    agreements: list[float]

    def add(self, ranks: IntArray) -> None:
        """Ranks by item, (rotations, k); rotation r shows item (place + r's offset) at each place."""
        rotations, count = ranks.shape
        for number, row in enumerate(ranks):
            self.ranks.append(np.roll(row, -offset(number, rotations, count)))
        if count > 1:
            pairs = [(a, b) for b in range(rotations) for a in range(b)]
            scale = count * (count**2 - 1) / 6
            self.agreements += [1 - float(((ranks[a] - ranks[b]) ** 2).sum()) / scale for a, b in pairs]

    def words(self) -> list[str]:
        """For a result's remarks; none without answers to more than one order."""
        if not self.agreements:
            return []
        count = max(map(len, self.ranks))
        means = np.stack([row for row in self.ranks if len(row) == count]).mean(axis=0)
        effect = (means.max() - means.min()) / (count - 1)
        return [
            f"order of the candidates: effect of the place {effect:.2f} (0 none, 1 the place decides), agreement of "
            f"two orders {np.mean(self.agreements):.2f} (Spearman)"
        ]


def offset(number: int, rotations: int, count: int) -> int:
    """By how many places the candidates of a rotation are shifted."""
    return number * count // rotations


def mean_ranks(ranks: IntArray) -> FloatArray:
    """(k,) mean over rotations of the ranks by item, (rotations, k): averaging removes an additive effect of places."""
    means: FloatArray = ranks.mean(axis=0)
    return means
