"""Queries of a gallery and the users they are drawn for; generation in one or two steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from unimp_bench.contracts import Model, Painter, Ranker, Sampling, SamplingPainter, Task
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError, find, nearest
from unimp_bench.kinds.base import evenly, must_be
from unimp_bench.kinds.picture import PictureExamples, checked_codes
from unimp_bench.kinds.ranks import check_scores, seen_columns, top_items
from unimp_bench.kinds.rendering import item_words
from unimp_bench.records import Examples, FloatArray, IntArray, PictureCodes, Shown
from unimp_bench.reports.gallery import SEARCH

RETRIEVED = 2
"""Items that a picture is drawn from (A.2)."""


@dataclass(frozen=True)
class Drawings:
    """What a model made of some wishes.

    Attributes:
        retrieved: (n, RETRIEVED) item numbers, best first.
        codes: (n, length) of the generated pictures.
    """

    retrieved: IntArray
    codes: IntArray


@dataclass(frozen=True)
class Artist:
    """A fitted model that searches and paints.

    Attributes:
        model: serves both tasks.
        label: its name, for errors.
        painting: the task whose words ask for the picture.
        sampling: draw by chance; None for the likeliest codes.
    """

    model: Model[Any]
    label: str
    painting: Task
    sampling: Sampling | None = None

    def __post_init__(self) -> None:
        must_be(self.model, Ranker, self.label, SEARCH)
        must_be(self.model, Painter, self.label, self.painting.name)
        if self.sampling is not None and not isinstance(self.model, SamplingPainter):
            raise UsageError(f"{self.label} is deterministic; omit --temperature")

    def draw(self, wishes: Examples, catalogue: IntArray, pictures: PictureCodes) -> Drawings:
        """Retrieve items with the words of ``wishes``, then generate a picture from them.

        Args:
            wishes: hidden examples of a search, few enough for one block.
            catalogue: sorted item numbers.
            pictures: those of the catalogue as codes.

        Raises:
            UsageError: fewer than ``RETRIEVED`` pictured items are outside of a history.
            ModelError: scores or codes are not what the model's contract promises.
        """
        retrieved = self._retrieved(wishes, catalogue[pictures.rows[catalogue] >= 0])
        shown = Shown(np.arange(len(wishes) + 1) * RETRIEVED, retrieved.ravel().astype(np.int32))
        name, words = self.painting.name, self.painting.instruction
        asked = PictureExamples.of(wishes, task=name, instruction=words, shown=shown, pictures=pictures)
        return Drawings(retrieved, checked_codes(self._painted(asked), asked, self.label))

    def _painted(self, asked: PictureExamples) -> IntArray:
        if self.sampling is None:
            return self.model.paint(asked)  # type: ignore[attr-defined, no-any-return]
        return self.model.sample(asked, self.sampling)  # type: ignore[attr-defined, no-any-return]

    def _retrieved(self, wishes: Examples, pictured: IntArray) -> IntArray:
        """(n, RETRIEVED) best items of ``pictured`` that the user does not have yet; equal scores by lower number."""
        scores = self.model.score(wishes, pictured)  # type: ignore[attr-defined]
        check_scores(scores, (len(wishes), len(pictured)), self.label)
        columns = top_items(scores, RETRIEVED, seen_columns(wishes, pictured))
        if (columns < 0).any():
            raise UsageError(f"a picture is drawn from {RETRIEVED} pictured items that the user has not, and fewer are")
        found: IntArray = pictured[columns]
        return found


LAST = 5
"""Items of a history that are compared and shown."""

_MOST = 2000


def wishes_of(corpus: Corpus, searches: Examples, query: str, users: Sequence[str]) -> tuple[Examples, IntArray]:
    """The examples of some users, all asking ``query``, with what they really bought for it.

    Args:
        searches: all test examples of search, with targets.
        query: a user's own query or any other text.
        users: by name, at least one; of several examples that a corpus may have of a user, one with this query is
            taken, else the first.

    Returns:
        Hidden examples, (n,) items of the users who asked for this very query, -1 for the others.

    Raises:
        UsageError: a user has no test example; the nearest name is given.
    """
    assert searches.queries is not None and searches.targets is not None
    asks = np.array([text == query for text in searches.query_texts])[searches.queries]
    first: dict[str, int] = {}
    for number in np.argsort(~asks, kind="stable").tolist():
        first.setdefault(corpus.users.names[searches.users[number]], number)
    chosen = np.array([find(first, name, "user with a test example") for name in dict.fromkeys(users)])
    wishes = searches.select(chosen).hidden()
    wishes = replace(wishes, queries=np.zeros(len(chosen), dtype=np.int32), query_texts=(query,))
    return wishes, np.where(asks[chosen], searches.targets[chosen], -1)


def most_different_users(corpus: Corpus, searches: Examples, query: str) -> tuple[str, str]:
    """The two users whose last ``LAST`` items have least in common, among those whose test item has this query.

    What histories have in common is the cosine of their words (attribute values of the items, each once a history,
    weighted by inverse document frequency). Only users whose test item has a picture can be chosen, and of more
    than ``_MOST`` so many, evenly spaced; of equal pairs the one that comes first.

    Raises:
        UsageError: fewer than two users mean the query; the nearest one is given.
    """
    assert searches.queries is not None and searches.targets is not None
    find(dict.fromkeys(searches.query_texts), query, "query of a test user")
    asks = searches.queries == searches.query_texts.index(query)
    asking = evenly(searches.select(np.flatnonzero(asks & corpus.items.has_picture[searches.targets])), _MOST)
    _, firsts = np.unique(asking.users, return_index=True)
    if len(firsts) < 2:
        raise UsageError(f"fewer than two test users mean {query!r} by an item with a picture; name some by --user")
    asking = asking.select(np.sort(firsts))
    alike = _alikeness(asking.last_items(LAST), item_words(corpus))
    alike[np.tril_indices(len(alike))] = np.inf
    pair = np.unravel_index(int(alike.argmin()), alike.shape)
    first, second = (corpus.users.names[asking.users[place]] for place in pair)
    return first, second


def _alikeness(histories: IntArray, words: Sequence[str]) -> FloatArray:
    """(n, n) cosines between histories (n, LAST), -1 where there is no item; ``words`` has those of every item."""
    numbers: dict[str, int] = {}
    said = [
        {numbers.setdefault(word, len(numbers)) for item in history if item >= 0 for word in words[item].split()}
        for history in histories.tolist()
    ]
    rows = np.repeat(np.arange(len(said)), [len(each) for each in said])
    columns = np.array([number for each in said for number in sorted(each)], dtype=np.int64)
    rarity = np.log(len(said) / np.bincount(columns, minlength=len(numbers)))
    table = csr_array((rarity[columns], (rows, columns)), shape=(len(said), len(numbers)))
    lengths = np.sqrt(table.multiply(table).sum(axis=1))
    products: FloatArray = (table @ table.T).toarray()
    return products / np.maximum(np.outer(lengths, lengths), np.finfo(np.float64).tiny)


def unknown_query(searches: Examples, query: str) -> str | None:
    """A remark on a query that no test example has, None for one that some have."""
    if query in searches.query_texts:
        return None
    near = nearest(query, searches.query_texts)
    hint = "" if near is None else f"; did you mean {near!r}?"
    return f"no test example has the query {query!r}, so there is no target picture{hint}"
