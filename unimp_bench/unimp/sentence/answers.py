"""How an answer of each kind is written in tokens.

A ranking is the item's id, a rating ``rate_<r>``, a sentence its subwords and ``[END]``, a selection the tokens
``s_<place>`` of the suitable candidates in their order and ``[END]``, a picture its codes ``img_<c>``. The tokens stand
behind ``<answer>``, and each is asked for at the token before it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from unimp_bench.contracts import Kind
from unimp_bench.kinds.rendering import rating_words
from unimp_bench.records import Examples, IntArray, Shown
from unimp_bench.unimp.sentence.pieces import NONE, Pieces
from unimp_bench.unimp.sentence.prompt import plain
from unimp_bench.unimp.sentence.tokens import RATING, Vocabulary

END = "[END]"
MOST_WORDS = 30
"""Words that are learnt of a sentence, as in the authors' code."""

MOST_RATINGS = 20
"""Different ratings of a source that get a token each."""


def kind_of(examples: Examples) -> Kind:
    """The kind of a task, told by the answers that its examples carry."""
    if examples.texts is not None:
        return "text"
    if examples.suits is not None:
        return "selection"
    if examples.pictures is not None:
        return "picture"
    return "ranking" if examples.ratings is None else "rating"


def _given_ratings(examples: Examples) -> list[str]:
    """Tokens of the ratings in the histories, which tell a writer the user's tone; none where they are no stars."""
    given = examples.histories.ratings
    distinct = np.unique(given[~np.isnan(given)])
    return [f"{RATING}{rating_words(rating)}" for rating in distinct] if len(distinct) <= MOST_RATINGS else []


def rating_names(scale: tuple[float, float, float]) -> list[str]:
    """Tokens of all ratings of a scale, ascending."""
    return [f"{RATING}{rating_words(rating)}" for rating in ratings_of(scale)]


def ratings_of(scale: tuple[float, float, float]) -> list[float]:
    """All ratings of a scale, ascending."""
    low, high, step = scale
    return [low + step * number for number in range(round((high - low) / step) + 1)]


def place_names(count: int) -> list[str]:
    """Tokens of the first ``count`` candidates."""
    return [f"s_{place}" for place in range(count)]


def code_names(size: int) -> list[str]:
    """Tokens of the codes of pictures."""
    return [f"img_{code}" for code in range(size)]


def spot_names(length: int) -> list[str]:
    """Marks of the places in a picture."""
    return [f"at_{place}" for place in range(length)]


def answer_names(parts: Iterable[Examples]) -> list[str]:
    """The tokens that the answers of some examples need beside text and items."""
    names: dict[str, None] = {}
    for part in parts:
        kind = kind_of(part)
        if kind in ("text", "selection"):
            names[END] = None
        if kind == "text":
            names |= dict.fromkeys(_given_ratings(part))
        if part.scale is not None:
            names |= dict.fromkeys(rating_names(part.scale))
        if kind == "selection" and part.shown is not None:
            names |= dict.fromkeys(place_names(int(np.diff(part.shown.offsets).max(initial=0))))
        if part.pictures is not None:
            names |= dict.fromkeys([*code_names(part.pictures.size), *spot_names(part.pictures.length)])
    return list(names)


def sentences_of(examples: Examples) -> list[str]:
    """The sentences to be written, each cut at ``MOST_WORDS``."""
    assert examples.texts is not None
    return [" ".join(plain(text).split()[:MOST_WORDS]) for text in examples.texts.read()]


def answer_pieces(examples: Examples, vocabulary: Vocabulary) -> tuple[Pieces, IntArray]:
    """The distinct answers of some examples as pieces ``<answer> ...``, and each example's number among them, (n,)."""
    answers, numbers = _answers(examples, vocabulary)
    runs = [[vocabulary.answer, *answer[:-1]] for answer in answers]
    marks = None if examples.pictures is None else [vocabulary.named(spot_names(examples.pictures.length))] * len(runs)
    return Pieces.of(runs, answers, marks), numbers


def open_answer(examples: Examples, vocabulary: Vocabulary) -> tuple[Pieces, IntArray]:
    """One piece, ``<answer>`` with nothing behind it, for all examples."""
    marks = None if examples.pictures is None else [vocabulary.named(spot_names(1))]
    return Pieces.of([[vocabulary.answer]], marks=marks), np.zeros(len(examples), dtype=np.int64)


def _answers(examples: Examples, vocabulary: Vocabulary) -> tuple[list[list[int]], IntArray]:
    match kind_of(examples):
        case "text":
            (end,) = vocabulary.named([END])
            said = vocabulary.encode(sentences_of(examples))
            return [[*tokens, end] for tokens in said], np.arange(len(said))
        case "selection":
            assert examples.shown is not None and examples.suits is not None
            (end,) = vocabulary.named([END])
            place = places(examples.shown)
            names = np.array(vocabulary.named(place_names(int(place.max(initial=-1)) + 1)), dtype=np.int64)
            chosen = np.split(np.where(examples.suits, place, NONE), examples.shown.offsets[1:-1])
            return [[*names[each[each >= 0]].tolist(), end] for each in chosen], np.arange(len(chosen))
        case "rating":
            assert examples.scale is not None and examples.ratings is not None
            low, _, step = examples.scale
            numbers = np.rint((examples.ratings - low) / step).astype(np.int64)
            return [[token] for token in vocabulary.named(rating_names(examples.scale))], numbers
    assert examples.targets is not None
    distinct, numbers = np.unique(examples.targets, return_inverse=True)
    if examples.pictures is None:
        return vocabulary.item_tokens(distinct).tolist(), numbers
    names = np.array(vocabulary.named(code_names(examples.pictures.size)), dtype=np.int64)
    return [names[codes].tolist() for codes in examples.pictures.of(distinct)], numbers


def places(shown: Shown) -> IntArray:
    """(rows,) the place of each shown item among those of its example, from 0."""
    counted: IntArray = np.arange(len(shown.items)) - shown.offsets[shown.owners()]
    return counted
