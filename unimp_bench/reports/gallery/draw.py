"""From a query to a gallery: finds or fits the model, lets it draw, and writes pages and pictures."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unimp_bench import registry
from unimp_bench.contracts import Sampling
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace, write_atomically
from unimp_bench.interchange.page import one_line
from unimp_bench.kinds.drawing import draw_examples, picture_codes, task_tokenizer
from unimp_bench.reports.gallery import PAINTING, SEARCH
from unimp_bench.reports.gallery.page import (
    HTML_NAME,
    MARKDOWN_NAME,
    RECORD_NAME,
    Hanging,
    Record,
    Sheet,
    check_free,
    filling,
    html_page,
    markdown_page,
)
from unimp_bench.reports.gallery.queries import Artist, most_different_users, unknown_query, wishes_of
from unimp_bench.runs.fitting import corpus_cache, fit_or_load
from unimp_bench.runs.runner import RunRequest, model_arguments, planned


@dataclass(frozen=True)
class DrawRequest:
    """What a user asks for; names are not checked yet.

    Attributes:
        out: folder of the gallery.
        users: by name; empty for the two whose histories differ most among those who mean the query.
        fit_on: tasks the model is fitted on, search and image generation among them.
        settings: fields of the model's configuration that differ from the preset.
        options: options of image generation that differ from its own.
        sampling: draw by chance; None for the likeliest codes.
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
    """What was written: the record of the folder, and what the user should know."""

    record: Record
    remarks: tuple[str, ...]


def draw(request: DrawRequest, workspace: Workspace) -> Gallery:
    """Draw the pictures of a query for some users, by the model that ``unimp-bench run`` would evaluate.

    Raises:
        BenchError: anything the user can mend, as one line; names are checked before the fit.
    """
    check_free(request.out)
    plan = planned(_fit_request(request), workspace)
    corpus, painting, model = plan.corpus, plan.task, plan.model
    artist = Artist(model, request.model, painting, request.sampling)
    cache = corpus_cache(corpus, workspace)
    searches = draw_examples(registry.make_task(SEARCH), corpus, "loo", "test", cache)
    users = request.users or most_different_users(corpus, searches, request.query)
    wishes, bought = wishes_of(corpus, searches, request.query, users)
    pictures = picture_codes(painting, corpus, cache)
    fit_or_load(model, plan.spec.fit, corpus, workspace, "paper", fresh=False)
    drawings = artist.draw(wishes, catalogue(corpus, "loo"), pictures)
    command = command_of(request, [corpus.users.names[user] for user in wishes.users])
    about = _about(request, corpus.manifest.synthetic)
    with filling(request.out, cache) as folder:
        tokenizer = task_tokenizer(corpus.items, painting.config.tokenizer, painting.config.weights, cache)
        hanging = Hanging(corpus, tokenizer, folder)
        sheet = Sheet(one_line(request.query), about, command, hanging.panels(wishes, bought, drawings))
        write_atomically(folder / HTML_NAME, html_page(sheet))
        write_atomically(folder / MARKDOWN_NAME, markdown_page(sheet))
        record = Record(
            command=command,
            fit=plan.spec.fit.key,
            fingerprint=corpus.fingerprint,
            query=request.query,
            users=tuple(corpus.users.names[user] for user in wishes.users),
            retrieved=tuple(tuple(corpus.items.names[item] for item in row) for row in drawings.retrieved),
            codes=tuple(tuple(row) for row in drawings.codes.tolist()),
            files=(HTML_NAME, MARKDOWN_NAME, *hanging.files),
        )
        write_atomically(folder / RECORD_NAME, record.model_dump_json(indent=1) + "\n")
    remark = unknown_query(searches, request.query)
    return Gallery(record, (*model.remarks(), *((remark,) if remark else ())))


def command_of(request: DrawRequest, users: Sequence[str]) -> str:
    """The command that gives this gallery, its users named."""
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
    """The run whose fitted model is drawn with."""
    missing = [name for name in (SEARCH, PAINTING) if name not in request.fit_on]
    if missing:
        raise UsageError(f"the model must be fitted on both tasks: add --fit-on {missing[0]}")
    return RunRequest(
        task=PAINTING,
        model=request.model,
        corpus=request.corpus,
        seed=request.seed,
        preset=request.preset,
        fit_on=request.fit_on,
        settings=request.settings,
        options=request.options,
    )


def _about(request: DrawRequest, synthetic: bool) -> tuple[str, ...]:
    """What a reader of the pages must know."""
    sentences = [
        f"One model, {request.model}, was asked the same by each user. It retrieved two items that the user does not "
        "have, by query and history, and then generated a picture from these."
    ]
    if not request.users:
        sentences.append("The users are those whose histories differ most among all who mean this query in the test.")
    if request.sampling is not None:
        sentences.append(f"Codes were drawn by chance, at temperature {request.sampling.temperature:g}.")
    if synthetic:
        sentences.append("The corpus is generated: nothing here says anything about a real store.")
    return tuple(sentences)
