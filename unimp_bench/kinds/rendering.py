"""Turns columnar examples into the rows that readers and instruction datasets get.

Rows are made a block at a time and column by column, so that long histories never become Python objects; one example
for a reader is a row of the same table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.reader import PATH_SEPARATOR
from unimp_bench.errors import DataError
from unimp_bench.ragged import offsets_of, spans
from unimp_bench.records import Example, Examples, IntArray, Shown

IMG, EOC, UNKNOWN = "[IMG]", "[EOC]", "Unknown"
FIRST_ATTRIBUTES = ("category", "price", "brand", "title")
MOST_WORDS = 20
MOST_EXAMPLES, MOST_STEPS = 8192, 1 << 20
"""Bounds of a block: examples, and steps of their histories together; one longer history is a block of its own."""

PICTURES = "pictures"
"""Folder of the pictures, in a corpus as in a dataset; paths of pictures are relative to the folder around it."""

_NAMES = pa.list_(pa.dictionary(pa.int32(), pa.string()))
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("task", pa.string()),
        ("split", pa.string()),
        ("part", pa.string()),
        ("domain", pa.string()),
        ("user", pa.string()),
        ("history", _NAMES),
        ("history_ratings", pa.list_(pa.float32())),
        ("history_times", pa.list_(pa.int64())),
        ("query", pa.string()),
        ("shown", _NAMES),
        ("shown_pictures", pa.list_(pa.string())),
        ("instruction", pa.string()),
        ("target", pa.string()),
        ("target_items", _NAMES),
        ("target_pictures", pa.list_(pa.string())),
        ("target_rating", pa.float32()),
    ]
)
"""The columns of a table of examples; a column that the task does not have is null."""

_SLOTS = re.compile(r"(\{query\}|\{items\})")


class Renderer:
    """Renders the examples of one task of a corpus; reads the catalogue's text once.

    Args:
        instruction: the task's words, with ``{query}`` and ``{items}`` where they stand.
        words: ``item_words`` of the corpus, where they are known already.
    """

    def __init__(self, corpus: Corpus, instruction: str, words: Sequence[str] | None = None) -> None:
        self._corpus = corpus
        # Split before anything is filled in: a query that reads "{items}" stays a query.
        self._pieces = _SLOTS.split(instruction)
        self._words = words if words is not None or "{items}" not in self._pieces else item_words(corpus)

    def render(self, examples: Examples) -> Iterator[Example]:
        """All of some examples, in their order.

        Raises:
            ValueError: the examples are hidden.
        """
        for batch in self.batches(examples):
            yield from (_example(row) for row in batch.to_pylist())

    def batches(self, examples: Examples) -> Iterator[pa.RecordBatch]:
        """The same as tables of ``SCHEMA``, each small enough to hold whatever the length of the histories.

        Raises:
            ValueError: the examples are hidden.
        """
        steps = np.cumsum(examples.ends - examples.starts())
        start = 0
        while start < len(examples):
            before = steps[start - 1] if start else 0
            fitting = int(np.searchsorted(steps, before + MOST_STEPS, side="right"))
            end = min(max(fitting, start + 1), start + MOST_EXAMPLES, len(examples))
            yield self._batch(examples.select(slice(start, end)))
            start = end

    def _batch(self, examples: Examples) -> pa.RecordBatch:
        if examples.targets is None or examples.rows is None:
            raise ValueError("hidden examples have no answer to render")
        histories, users = examples.histories, self._corpus.users
        starts = examples.starts()
        offsets, (_, steps) = offsets_of(examples.ends - starts), spans(starts, examples.ends)
        ratings = histories.ratings[steps]
        queries = None if examples.queries is None else pa.array(examples.query_texts).take(pa.array(examples.queries))
        shown, answers = examples.shown, examples.answer_items()
        values = {
            "id": pa.array(example_ids(self._corpus, examples)),
            **{name: pa.repeat(getattr(examples, name), len(examples)) for name in ("task", "split", "part")},
            "domain": pa.array(self._corpus.manifest.domains).take(pa.array(users.domains[examples.users])),
            "user": self._user_names.take(pa.array(examples.users)),
            "history": self._named(Shown(offsets, histories.items[steps])),
            "history_ratings": _lists(offsets, pa.array(ratings, mask=np.isnan(ratings))),
            "history_times": _lists(offsets, pa.array(histories.times[steps])),
            "query": queries,
            "shown": None if shown is None else self._named(shown),
            "shown_pictures": None if shown is None else self._pictured(shown),
            "instruction": pa.array(self._instructions(examples, queries)),
            "target": pa.array(examples.answer_words(self._words_of)),
            "target_items": self._named(answers),
            "target_pictures": self._pictured(answers),
            **{name: pa.array(column) for name, column in examples.answer_columns().items()},
        }
        columns = [
            pa.nulls(len(examples), field.type) if values.get(field.name) is None else values[field.name]
            for field in SCHEMA
        ]
        return pa.record_batch(columns, schema=SCHEMA)

    def _named(self, items: Shown) -> pa.ListArray:
        """Items by name; the dictionary holds the names of these items alone."""
        present = np.zeros(len(self._corpus.items), dtype=np.bool_)
        present[items.items] = True
        places = np.cumsum(present, dtype=np.int32) - 1
        names = self._item_names.take(pa.array(np.flatnonzero(present)))
        return _lists(items.offsets, pa.DictionaryArray.from_arrays(places[items.items], names))

    def _pictured(self, items: Shown) -> pa.ListArray:
        return _lists(items.offsets, self._item_pictures.take(pa.array(items.items)))

    def _instructions(self, examples: Examples, queries: pa.Array | None) -> list[str]:
        count, shown = len(examples), examples.shown
        fillings: dict[str, list[str]] = {}
        if "{query}" in self._pieces:
            fillings["{query}"] = [""] * count if queries is None else queries.to_pylist()
        if "{items}" in self._pieces:
            if shown is None or self._words is None:
                raise ValueError(f"the instruction of {examples.task} shows items, and its examples have none")
            words = [self._words[item] for item in shown.items]
            cuts = shown.offsets.tolist()
            fillings["{items}"] = [" ".join(words[cuts[e] : cuts[e + 1]]) for e in range(count)]
        columns = [fillings.get(piece, [piece] * count) for piece in self._pieces]
        return ["".join(pieces).strip() for pieces in zip(*columns, strict=True)]

    def _words_of(self, items: IntArray) -> list[str]:
        names: list[str] = self._item_names.take(pa.array(items)).to_pylist()
        return names

    @cached_property
    def _item_names(self) -> pa.Array:
        return pa.array(self._corpus.items.names, pa.string())

    @cached_property
    def _user_names(self) -> pa.Array:
        return pa.array(self._corpus.users.names, pa.string())

    @cached_property
    def _item_pictures(self) -> pa.Array:
        return pa.array(picture_paths(self._corpus), pa.string())


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


def picture_paths(corpus: Corpus) -> list[str | None]:
    """Every item's picture by its path relative to the corpus folder, None for an item without one.

    Raises:
        DataError: the corpus names a file outside its folder of pictures.
    """
    names: list[str | None] = corpus.items.column("picture").to_pylist()
    for name in names:
        if name is not None and (name in ("", ".", "..") or re.search(r"[/\\\0]", name)):
            raise DataError(f"corpus {corpus.folder} names the picture {name!r}, which is no file name; build it again")
    return [None if name is None else f"{PICTURES}/{name}" for name in names]


def _lists(offsets: IntArray, values: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _example(row: dict[str, Any]) -> Example:
    """A row of ``SCHEMA`` as a record."""
    words = {name: row[name] for name in ("id", "task", "split", "part", "domain", "user", "query", "instruction")}
    return Example(
        **words,
        history=tuple(row["history"]),
        ratings=tuple(float("nan") if rating is None else rating for rating in row["history_ratings"]),
        times=tuple(row["history_times"]),
        shown=tuple(row["shown"] or ()),
        target=row["target"],
        target_items=tuple(row["target_items"]),
        target_rating=row["target_rating"],
    )
