"""Turns columnar examples into the records that readers and instruction datasets get."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.reader import PATH_SEPARATOR
from unimp_bench.records import BoolArray, Example, Examples, IntArray

IMG, EOC, UNKNOWN = "[IMG]", "[EOC]", "Unknown"
FIRST_ATTRIBUTES = ("category", "price", "brand", "title")
MOST_WORDS = 20


class Renderer:
    """Renders the examples of one task of a corpus; reads the catalogue's text once.

    Args:
        instruction: the task's words, with ``{query}`` and ``{items}`` where they stand.
    """

    def __init__(self, corpus: Corpus, instruction: str) -> None:
        self._corpus = corpus
        self._instruction = instruction
        self._words = item_words(corpus) if "{items}" in instruction else []

    def render(self, examples: Examples) -> Iterator[Example]:
        """All of some examples, in their order.

        Raises:
            ValueError: the examples are hidden.
        """
        if examples.targets is None or examples.rows is None:
            raise ValueError("hidden examples have no answer to render")
        texts = [] if examples.texts is None else examples.texts.read()
        for number in range(len(examples)):
            yield self._one(examples, number, int(examples.targets[number]), texts[number] if texts else None)

    def _one(self, examples: Examples, number: int, target: int, text: str | None) -> Example:
        corpus, names = self._corpus, self._corpus.items.names
        user = int(examples.users[number])
        rows = slice(int(examples.histories.offsets[user]), int(examples.ends[number]))
        query = None if examples.queries is None else examples.query_texts[int(examples.queries[number])]
        shown, suits = _shown(examples, number)
        rating = None if examples.ratings is None else float(examples.ratings[number])
        answers = [names[target]] if suits is None else [names[item] for item in shown[suits]]
        words = " ".join(self._words[item] for item in shown) if self._words else ""
        return Example(
            id=example_ids(corpus, examples.select(slice(number, number + 1)))[0],
            task=examples.task,
            split=examples.split,
            part=examples.part,
            domain=corpus.manifest.domains[int(corpus.users.domains[user])],
            user=corpus.users.names[user],
            history=tuple(names[item] for item in examples.histories.items[rows]),
            ratings=tuple(float(rating) for rating in examples.histories.ratings[rows]),
            times=tuple(int(time) for time in examples.histories.times[rows]),
            query=query,
            shown=tuple(names[item] for item in shown),
            instruction=self._instruction.replace("{query}", query or "").replace("{items}", words).strip(),
            target=_answer(examples, target, answers, rating, text),
            target_items=tuple(answers),
            target_rating=rating,
        )


def example_ids(corpus: Corpus, examples: Examples) -> list[str]:
    """``task/split/part/user/place`` of each example, the place being the target's in the user's sequence.

    Raises:
        ValueError: the examples are hidden.
    """
    if examples.rows is None:
        raise ValueError("hidden examples have no ids")
    places = examples.rows - corpus.histories.offsets[examples.users]
    begin = f"{examples.task}/{examples.split}/{examples.part}"
    names = corpus.users.names
    return [f"{begin}/{names[user]}/{place}" for user, place in zip(examples.users, places, strict=True)]


def item_words(corpus: Corpus) -> list[str]:
    """Every item in words (Eq. 1 of the UniMP paper): ``[IMG] Category c Price p Brand b Title t [EOC]``.

    Other attributes follow, but for the description, as in the paper. A value has at most ``MOST_WORDS`` words,
    ``Unknown`` where it is missing; an item without a picture has no ``[IMG]``.
    """
    items = corpus.items
    known = [name for name in FIRST_ATTRIBUTES if name in items.attributes]
    known += [name for name in items.attributes if name not in (*known, "description")]
    lines = [[IMG] if has_picture else [] for has_picture in items.has_picture]
    for name in known:
        for line, value in zip(lines, items.text(name), strict=True):
            words = value.replace(PATH_SEPARATOR, " ").split()[:MOST_WORDS]
            line += [name.capitalize(), *(words or [UNKNOWN])]
    return [" ".join([*line, EOC]) for line in lines]


def rating_words(rating: float) -> str:
    """A rating as an answer writes it: ``4``, ``3.5``."""
    return f"{rating:g}"


def _shown(examples: Examples, number: int) -> tuple[IntArray, BoolArray | None]:
    if examples.shown is None:
        return np.zeros(0, dtype=np.int32), None
    rows = slice(int(examples.shown.offsets[number]), int(examples.shown.offsets[number + 1]))
    return examples.shown.items[rows], None if examples.suits is None else examples.suits[rows]


def _answer(examples: Examples, target: int, answers: list[str], rating: float | None, text: str | None) -> str:
    if text is not None:
        return text
    if rating is not None:
        return rating_words(rating)
    if examples.pictures is not None:
        return " ".join(str(code) for code in examples.pictures.codes[examples.pictures.rows[target]])
    return " ".join(answers)
