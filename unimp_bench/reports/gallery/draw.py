"""Draws a gallery: selects users for a query, and lets a fitted model retrieve items and generate pictures."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from unimp_bench import registry
from unimp_bench.contracts import Model, Painter, Ranker, Sampling, SamplingPainter, Task
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue, default_split
from unimp_bench.errors import UsageError, find, nearest
from unimp_bench.files import Workspace, write_atomically
from unimp_bench.interchange.page import one_line
from unimp_bench.kinds import draw_examples
from unimp_bench.kinds.base import evenly, must_be
from unimp_bench.kinds.picture import PictureExamples, checked_codes, picture_codes, task_tokenizer
from unimp_bench.kinds.ranks import check_scores, seen_columns, top_items
from unimp_bench.kinds.rendering import item_words
from unimp_bench.records import Examples, FloatArray, IntArray, PictureCodes, Shown
from unimp_bench.reports.gallery import PAINTING, SEARCH
from unimp_bench.reports.gallery.page import (
    HISTORY,
    HTML_NAME,
    MARKDOWN_NAME,
    RECORD_NAME,
    Drawings,
    PictureWriter,
    Record,
    Sheet,
    check_free,
    filling,
    html_page,
    markdown_page,
)
from unimp_bench.runs.fitting import corpus_cache, fit_or_load
from unimp_bench.runs.runner import RunRequest, model_arguments, planned

RETRIEVED = 2
"""Number of items from which a picture is generated (A.2)."""


@dataclass(frozen=True)
class Artist:
    """A model that serves search and image generation.

    Attributes:
        model: fitted before ``draw``.
        label: its name, for errors.
        painting: the task of image generation, whose instruction is used.
        sampling: how to sample codes; None for the most likely ones.
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

    def draw(self, queries: Examples, catalogue: IntArray, pictures: PictureCodes) -> Drawings:
        """Retrieve items by query and history, then generate a picture from them.

        Args:
            queries: n hidden examples of search, few enough for one block.
            catalogue: sorted item numbers.
            pictures: codes of the catalogue's pictures.

        Raises:
            UsageError: fewer than ``RETRIEVED`` items with a picture are outside a history.
            ModelError: scores or codes violate the model's contract.
        """
        retrieved = self._retrieved(queries, catalogue[pictures.rows[catalogue] >= 0])
        shown = Shown(np.arange(len(queries) + 1) * RETRIEVED, retrieved.ravel().astype(np.int32))
        name, words = self.painting.name, self.painting.instruction
        examples = PictureExamples.of(queries, task=name, instruction=words, shown=shown, pictures=pictures)
        return Drawings(retrieved, checked_codes(self._painted(examples), examples, self.label))

    def _painted(self, examples: PictureExamples) -> IntArray:
        if self.sampling is None:
            return self.model.paint(examples)  # type: ignore[attr-defined, no-any-return]
        return self.model.sample(examples, self.sampling)  # type: ignore[attr-defined, no-any-return]

    def _retrieved(self, queries: Examples, pictured: IntArray) -> IntArray:
        """(n, RETRIEVED) best items of ``pictured`` outside the history; ties in order of item numbers."""
        scores = self.model.score(queries, pictured)  # type: ignore[attr-defined]
        check_scores(scores, (len(queries), len(pictured)), self.label)
        columns = top_items(scores, RETRIEVED, seen_columns(queries, pictured))
        if (columns < 0).any():
            raise UsageError(
                f"a picture needs {RETRIEVED} items with pictures outside the history, and the corpus has fewer"
            )
        found: IntArray = pictured[columns]
        return found


_MAX_USERS = 2000


def queries_of(corpus: Corpus, searches: Examples, query: str, users: Sequence[str]) -> tuple[Examples, IntArray]:
    """Examples of search for some users, all with ``query``, and the targets.

    Args:
        searches: all test examples of search, with targets.
        query: a user's own query or any other text.
        users: at least one name; for a user with several examples one with this query is used, else the first.

    Returns:
        Hidden examples, and (n,) targets of the users whose own query this is, -1 for others.

    Raises:
        UsageError: a user has no test example; the error suggests the nearest name.
    """
    assert searches.queries is not None and searches.targets is not None
    asks = np.array([text == query for text in searches.query_texts])[searches.queries]
    first: dict[str, int] = {}
    for number in np.argsort(~asks, kind="stable").tolist():
        first.setdefault(corpus.users.names[searches.users[number]], number)
    chosen = np.array([find(first, name, "user with a test example") for name in dict.fromkeys(users)])
    queries = searches.select(chosen).hidden()
    queries = replace(queries, queries=np.zeros(len(chosen), dtype=np.int32), query_texts=(query,))
    return queries, np.where(asks[chosen], searches.targets[chosen], -1)


def most_different_users(corpus: Corpus, searches: Examples, query: str) -> tuple[str, str]:
    """The two users with the least similar last ``HISTORY`` items, among those whose test item has this query.

    The similarity of histories is the cosine of their words (attribute values of the items, each once per history,
    weighted by inverse document frequency). Only users whose test item has a picture are considered; if there are more
    than ``_MAX_USERS`` that many, evenly spaced. Among equal pairs the first is chosen.

    Raises:
        UsageError: fewer than two users have the query; the error suggests the nearest query.
    """
    assert searches.queries is not None and searches.targets is not None
    find(dict.fromkeys(searches.query_texts), query, "query of a test user")
    asks = searches.queries == searches.query_texts.index(query)
    asking = evenly(searches.select(np.flatnonzero(asks & corpus.items.has_picture[searches.targets])), _MAX_USERS)
    _, firsts = np.unique(asking.users, return_index=True)
    if len(firsts) < 2:
        raise UsageError(
            f"fewer than two test users have the query {query!r} and an item with a picture; name users with --user"
        )
    asking = asking.select(np.sort(firsts))
    similarity = _similarity(asking.last_items(HISTORY), item_words(corpus))
    similarity[np.tril_indices(len(similarity))] = np.inf
    pair = np.unravel_index(int(similarity.argmin()), similarity.shape)
    first, second = (corpus.users.names[asking.users[number]] for number in pair)
    return first, second


def _similarity(histories: IntArray, words: Sequence[str]) -> FloatArray:
    """(n, n) cosines between histories (n, HISTORY), padded with -1; ``words`` are those of every item."""
    numbers: dict[str, int] = {}
    distinct = [
        {numbers.setdefault(word, len(numbers)) for item in history if item >= 0 for word in words[item].split()}
        for history in histories.tolist()
    ]
    rows = np.repeat(np.arange(len(distinct)), [len(each) for each in distinct])
    columns = np.array([number for each in distinct for number in sorted(each)], dtype=np.int64)
    rarity = np.log(len(distinct) / np.bincount(columns, minlength=len(numbers)))
    table = csr_array((rarity[columns], (rows, columns)), shape=(len(distinct), len(numbers)))
    lengths = np.sqrt(table.multiply(table).sum(axis=1))
    products: FloatArray = (table @ table.T).toarray()
    return products / np.maximum(np.outer(lengths, lengths), np.finfo(np.float64).tiny)


def unknown_query(searches: Examples, query: str) -> str | None:
    """A remark on a query that no test example has; None for others."""
    if query in searches.query_texts:
        return None
    near = nearest(query, searches.query_texts)
    hint = "" if near is None else f"; did you mean {near!r}?"
    return f"no test example has the query {query!r}, so there is no target picture{hint}"


@dataclass(frozen=True)
class DrawRequest:
    """The request for a gallery; names are not validated yet.

    Attributes:
        out: folder of the gallery.
        users: names; empty for ``most_different_users``.
        fit_on: tasks the model is fitted on, including search and image generation.
        settings: fields of the model's configuration that differ from the preset.
        options: options of image generation that differ from the defaults.
        sampling: how to sample codes; None for the most likely ones.
    """

    query: str
    model: str
    corpus: Path
    out: Path
    users: tuple[str, ...] = ()
    seed: int = 0
    preset: str | None = None
    fit_on: tuple[str, ...] = (SEARCH, PAINTING)
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    sampling: Sampling | None = None


@dataclass(frozen=True)
class Gallery:
    """The record of a written gallery, and remarks for the user."""

    record: Record
    remarks: tuple[str, ...]


def draw(request: DrawRequest, workspace: Workspace) -> Gallery:
    """Draw the pictures of a query for some users, with the model that ``unimp-bench run`` would evaluate.

    Raises:
        BenchError: invalid input, reported before the fit if possible.
    """
    check_free(request.out)
    plan = planned(_fit_request(request), workspace)
    corpus, painting, model = plan.corpus, plan.task, plan.model
    artist = Artist(model, request.model, painting, request.sampling)
    cache = corpus_cache(corpus, workspace)
    searches = draw_examples(registry.make_task(SEARCH), corpus, plan.spec.split, "test", cache)
    users = request.users or most_different_users(corpus, searches, request.query)
    queries, bought = queries_of(corpus, searches, request.query, users)
    pictures = picture_codes(painting, corpus, cache)
    fit_or_load(model, plan.spec.fit, corpus, workspace, "paper", fresh=False)
    drawings = artist.draw(queries, catalogue(corpus, plan.spec.split), pictures)
    command = command_of(request, [corpus.users.names[user] for user in queries.users])
    about = _about(request, corpus.manifest.synthetic)
    with filling(request.out, cache) as folder:
        tokenizer = task_tokenizer(corpus.items, painting.config.tokenizer, painting.config.weights, cache)
        pictures_of = PictureWriter(corpus, tokenizer, folder)
        sheet = Sheet(one_line(request.query), about, command, pictures_of.panels(queries, bought, drawings))
        write_atomically(folder / HTML_NAME, html_page(sheet))
        write_atomically(folder / MARKDOWN_NAME, markdown_page(sheet))
        record = Record(
            command=command,
            fit=plan.spec.fit.key,
            fingerprint=corpus.fingerprint,
            query=request.query,
            users=tuple(corpus.users.names[user] for user in queries.users),
            retrieved=tuple(tuple(corpus.items.names[item] for item in row) for row in drawings.retrieved),
            codes=tuple(tuple(row) for row in drawings.codes.tolist()),
            files=(HTML_NAME, MARKDOWN_NAME, *pictures_of.files),
        )
        write_atomically(folder / RECORD_NAME, record.model_dump_json(indent=1) + "\n")
    remark = unknown_query(searches, request.query)
    return Gallery(record, (*model.remarks(), *((remark,) if remark else ())))


def command_of(request: DrawRequest, users: Sequence[str]) -> str:
    """The command that reproduces a gallery, with explicit users."""
    parts = ["unimp-bench", "draw", "--query", one_line(request.query)]
    for user in users:
        parts += ["--user", one_line(user)]
    parts += ["--corpus", request.corpus.name, "--model", request.model, "--seed", str(request.seed)]
    parts += model_arguments(request.options, request.preset, request.fit_on, request.settings)
    if request.sampling is not None:
        parts += ["--temperature", str(request.sampling.temperature), "--draw-seed", str(request.sampling.seed)]
        if request.sampling.top_k is not None:
            parts += ["--top-k", str(request.sampling.top_k)]
    return shlex.join(parts)


def _fit_request(request: DrawRequest) -> RunRequest:
    """The run whose fitted model is used."""
    missing = [name for name in (SEARCH, PAINTING) if name not in request.fit_on]
    if missing:
        raise UsageError(f"the model must be fitted on both tasks: add --fit-on {missing[0]}")
    return RunRequest(
        task=PAINTING,
        model=request.model,
        corpus=request.corpus,
        split=default_split(Corpus.open(request.corpus)),
        seed=request.seed,
        preset=request.preset,
        fit_on=request.fit_on,
        settings=request.settings,
        options=request.options,
    )


def _about(request: DrawRequest, synthetic: bool) -> tuple[str, ...]:
    """Explanations on the pages."""
    sentences = [
        f"The model {request.model} received the same query from each user. By query and history it retrieved two "
        "items that the user does not have, and then generated a picture from these."
    ]
    if not request.users:
        sentences.append("The users have the least similar histories of all test users with this query.")
    if request.sampling is not None:
        sentences.append(f"Codes were sampled at temperature {request.sampling.temperature:g}.")
    if synthetic:
        sentences.append("Generated corpus, for tests and demonstrations: it says nothing about a real store.")
    return tuple(sentences)
